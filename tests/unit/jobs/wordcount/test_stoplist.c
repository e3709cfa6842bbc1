/* test_stoplist: who asks for the same list shares a set; another list or rule has another. */
#include "jobs/wordcount/stoplist.h"

#include "tests/unit/test.h"

static const struct mr_stopwords *ref(struct mr_stoplist_source source) {
    const struct mr_stopwords *set = NULL;
    cr_assert_eq(mr_stoplist_ref(&source, &set), 0);
    return set;
}

Test(stoplist, is_shared_by_those_who_ask_for_the_same) {
    struct mr_bytes list = mr_bytes_text(" the To\na\tb a\v");
    char other[] = " the To\na\tb a\v";
    const struct mr_stopwords *first = ref((struct mr_stoplist_source){.list = list});
    const struct mr_stopwords *again = ref((struct mr_stoplist_source){.list = list});
    const struct mr_stopwords *folded =
        ref((struct mr_stoplist_source){.list = list, .fold = true});
    const struct mr_stopwords *theirs =
        ref((struct mr_stoplist_source){.list = mr_bytes_text(other)});
    cr_assert_eq(first, again);
    cr_assert_neq(first, folded);
    cr_assert_neq(first, theirs);
    mr_stoplist_unref(first);
    cr_assert_eq(again->word_count, (size_t)4);
    cr_assert(mr_stopwords_has(again, mr_bytes_text("To")));
    cr_assert(!mr_stopwords_has(again, mr_bytes_text("to")));
    cr_assert(mr_stopwords_has(folded, mr_bytes_text("to")));
    mr_stoplist_unref(again);
    mr_stoplist_unref(folded);
    mr_stoplist_unref(theirs);
    mr_stoplist_unref(NULL);
}

Test(stoplist, of_unicode_has_folded_words_of_valid_bytes) {
    struct mr_stoplist_source source = {
        .list = mr_bytes_text("\xC3\x89 \xFF"), .unicode = true, .fold = true};
    const struct mr_stopwords *set = ref(source);
    cr_assert_eq(set->word_count, (size_t)1);
    cr_assert(mr_stopwords_has(set, mr_bytes_text("\xC3\xA9")));
    mr_stoplist_unref(set);
}
