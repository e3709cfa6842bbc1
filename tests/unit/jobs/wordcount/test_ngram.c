/* test_ngram: runs of small and of large words; what large ones took is given back. */
#include "jobs/wordcount/ngram.h"

#include "tests/unit/test.h"
#include <stdlib.h>

#define WORD_MAX ((size_t)1 << 20)

/* A word of `len` bytes, all of them the letter. */
static struct mr_bytes word_of(char *text, char letter, size_t len) {
    memset(text, letter, len);
    return (struct mr_bytes){text, len};
}

static void check_run(struct mr_bytes run, const char *letters, size_t len) {
    size_t words = strlen(letters);
    cr_assert_eq(run.len, words * (len + 1) - 1);
    for (size_t i = 0; i < words; i++) {
        const char *word = run.data + i * (len + 1);
        cr_assert(word[0] == letters[i] && word[len - 1] == letters[i]);
        cr_assert(i + 1 == words || word[len] == ' ');
    }
}

static void check_words_of(size_t len, size_t capacity_max) {
    char *text = malloc(WORD_MAX);
    struct mr_ngram ngram = {.want = 3};
    struct mr_bytes run;
    cr_assert_not_null(text);
    for (int line = 0; line < 2; line++) {
        cr_assert_eq(mr_ngram_add(&ngram, word_of(text, 'a', len), &run), 0);
        cr_assert_eq(mr_ngram_add(&ngram, word_of(text, 'b', len), &run), 0);
        for (char letter = 'c'; letter <= 'z'; letter++) {
            char letters[] = {(char)(letter - 2), (char)(letter - 1), letter, '\0'};
            cr_assert_eq(mr_ngram_add(&ngram, word_of(text, letter, len), &run), 1);
            check_run(run, letters, len);
        }
        cr_assert_leq(ngram.capacity, capacity_max);
        mr_ngram_reset(&ngram);
    }
    cr_assert(ngram.capacity <= WORD_MAX, "%zu bytes are kept", ngram.capacity);
    mr_ngram_fini(&ngram);
    free(text);
}

Test(ngram, joins_small_words) {
    check_words_of(1, 256);
    check_words_of(5000, 8 * 5001);
}

Test(ngram, joins_large_words_in_no_more_memory_than_they_take) {
    check_words_of(WORD_MAX, 3 * (WORD_MAX + 1));
}
