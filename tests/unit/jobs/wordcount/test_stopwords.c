/* test_stopwords: a set knows its words and no others, and takes little memory besides them. */
#include "jobs/wordcount/stopwords.h"

#include "tests/unit/test.h"
#include <stdio.h>

#define WORDS 50000u

static struct mr_bytes word_of(unsigned number, char text[16]) {
    return (struct mr_bytes){text, (size_t)snprintf(text, 16, "w%u", number)};
}

Test(stopwords, knows_its_words_and_no_others) {
    struct mr_stopwords set;
    char text[16];
    cr_assert_eq(mr_stopwords_init(&set, WORDS, 6 * WORDS), 0);
    for (unsigned i = 0; i < 2 * WORDS; i++) {
        cr_assert_eq(mr_stopwords_add(&set, word_of(i % WORDS * 2, text), false), 0);
    }
    cr_assert_eq(set.word_count, (size_t)WORDS);
    for (unsigned i = 0; i < 2 * WORDS; i++) {
        cr_assert_eq(mr_stopwords_has(&set, word_of(i, text)), i % 2 == 0, "%s", text);
    }
    cr_assert(!mr_stopwords_has(&set, mr_bytes_text("w")), "the beginning of others");
    cr_assert(!mr_stopwords_has(&set, mr_bytes_text("")));
    cr_assert_leq(set.slot_count * sizeof *set.slots, (size_t)12 * WORDS);
    cr_assert_leq(set.bytes_capacity, (size_t)8 * WORDS);
    mr_stopwords_fini(&set);
}

Test(stopwords, lowers_letters_alone) {
    struct mr_stopwords set;
    cr_assert_eq(mr_stopwords_init(&set, 2, 0), 0);
    cr_assert_eq(mr_stopwords_add(&set, mr_bytes_text("The@[Z"), true), 0);
    cr_assert_eq(mr_stopwords_add(&set, mr_bytes_text("The@[Z"), false), 0);
    cr_assert(mr_stopwords_has(&set, mr_bytes_text("the@[z")));
    cr_assert(mr_stopwords_has(&set, mr_bytes_text("The@[Z")));
    cr_assert(!mr_stopwords_has(&set, mr_bytes_text("THE@[Z")));
    mr_stopwords_fini(&set);
}

Test(stopwords, an_empty_set_has_none) {
    struct mr_stopwords set;
    cr_assert_eq(mr_stopwords_init(&set, 0, 0), 0);
    cr_assert(!mr_stopwords_has(&set, mr_bytes_text("a")));
    mr_stopwords_fini(&set);
}
