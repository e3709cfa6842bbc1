/* test_search: which records are bad ones, which attempts count, and when nothing helps. */
#include "master/local/common/search.h"

#include "lib/base/error.h"
#include "tests/unit/test.h"

static struct mr_search_verdict judge(struct mr_search *search, uint32_t task, uint64_t block,
                                      uint64_t offset) {
    struct mr_search_failure failure = {offset != MR_SEARCH_NOWHERE, block, offset};
    struct mr_search_verdict verdict;
    struct mr_error err = {0};
    cr_assert_eq(mr_search_judge(search, task, &failure, &verdict, &err), 0, "%s", err.text);
    return verdict;
}

static bool is_free(struct mr_search_verdict verdict) {
    return verdict.is_uncounted && !verdict.is_fatal;
}

/* In three attempts: the block, the record, and again. */
Test(search, finds_a_record) {
    struct mr_search search;
    mr_search_init(&search, 5, 1);
    cr_assert_eq(mr_search_of(&search, 3)->block, MR_SEARCH_NOWHERE);
    cr_assert(is_free(judge(&search, 3, 100, MR_SEARCH_NOWHERE)));
    cr_assert_eq(mr_search_of(&search, 3)->block, 100u);
    cr_assert(is_free(judge(&search, 3, 100, 104)));
    cr_assert_eq(search.set_aside, 0u);
    cr_assert(is_free(judge(&search, 3, 100, 104)));
    cr_assert_eq(search.set_aside, 1u);
    cr_assert_eq(mr_search_of(&search, 3)->skip_count, 1u);
    cr_assert_eq(mr_search_of(&search, 3)->skips[0], 104u);
    cr_assert_eq(mr_search_of(&search, 2)->block, MR_SEARCH_NOWHERE);
    mr_search_fini(&search);
}

/* Twice in a row, not twice. */
Test(search, another_place_between) {
    struct mr_search search;
    mr_search_init(&search, 1, 9);
    for (unsigned i = 0; i < 6; i++) {
        cr_assert(is_free(judge(&search, 0, 0, 10 + i % 2)));
    }
    cr_assert_eq(search.set_aside, 0u);
    mr_search_fini(&search);
}

/* The same block again, where it was looked at closely: that is no part of the search. */
Test(search, block_again_counts) {
    struct mr_search search;
    mr_search_init(&search, 1, 9);
    cr_assert(is_free(judge(&search, 0, 0, MR_SEARCH_NOWHERE)));
    cr_assert_not(judge(&search, 0, 0, MR_SEARCH_NOWHERE).is_uncounted);
    cr_assert(is_free(judge(&search, 0, 64, MR_SEARCH_NOWHERE)));
    mr_search_fini(&search);
}

static void expect_fatal(const struct mr_search *search, struct mr_search_verdict verdict,
                         const char *words) {
    struct mr_error why = {0};
    mr_error_set(&why, MR_ERR_JOB, "it fails");
    mr_search_explain(search, &verdict, &why);
    cr_assert(verdict.is_fatal && !verdict.is_uncounted);
    cr_assert_not_null(strstr(why.text, words), "%s", why.text);
}

/* `most` is of all tasks together. */
Test(search, one_too_many) {
    struct mr_search search;
    mr_search_init(&search, 2, 2);
    for (uint32_t i = 0; i < 2; i++) {
        (void)judge(&search, i, 0, 7);
        cr_assert(is_free(judge(&search, i, 0, 7)));
    }
    cr_assert(is_free(judge(&search, 0, 0, 8)));
    expect_fatal(&search, judge(&search, 0, 0, 8),
                 "it fails; a record more than --skip-bad-records 2 allows");
    mr_search_fini(&search);
    mr_search_init(&search, 2, 0);
    cr_assert_not(judge(&search, 0, 0, 8).is_uncounted);
    expect_fatal(&search, judge(&search, 0, 0, 8), "it fails; the second time at this record");
    mr_search_fini(&search);
}

/* Of one task no more than a message has room for, whatever the job may set aside. */
Test(search, one_too_many_of_a_task) {
    struct mr_search search;
    mr_search_init(&search, 2, 2 * MR_SEARCH_SKIPS_MAX);
    for (uint64_t i = 0; i < MR_SEARCH_SKIPS_MAX; i++) {
        (void)judge(&search, 0, 0, i);
        cr_assert(is_free(judge(&search, 0, 0, i)));
    }
    (void)judge(&search, 0, 0, MR_SEARCH_SKIPS_MAX);
    expect_fatal(&search, judge(&search, 0, 0, MR_SEARCH_SKIPS_MAX),
                 "it fails; one record more than can be set aside of one map task (4096)");
    (void)judge(&search, 1, 0, 7);
    cr_assert(is_free(judge(&search, 1, 0, 7)));
    mr_search_fini(&search);
}

/* Code that fails here and there: after 3 (N + 1) failures of a task they count. */
Test(search, is_bounded) {
    struct mr_search search;
    mr_search_init(&search, 2, 4);
    for (uint64_t i = 0; i < 15; i++) {
        cr_assert(is_free(judge(&search, 1, 0, i)));
    }
    cr_assert_not(judge(&search, 1, 0, 15).is_uncounted);
    cr_assert(is_free(judge(&search, 0, 0, 15)));
    mr_search_fini(&search);
}

Test(search, another_pass) {
    struct mr_search search;
    mr_search_init(&search, 1, 0);
    (void)judge(&search, 0, 0, 8);
    mr_search_clear(&search);
    cr_assert_not(judge(&search, 0, 0, 8).is_fatal);
    mr_search_fini(&search);
}

/* It goes on in another process; what is no such fact is refused. */
Test(search, is_saved) {
    struct mr_search search, again;
    struct mr_buffer bytes = {0};
    struct mr_error err = {0};
    mr_search_init(&search, 3, 8);
    mr_search_init(&again, 3, 8);
    for (unsigned i = 0; i < 6; i++) {
        (void)judge(&search, 2, 5, 40 - i / 2);
    }
    (void)judge(&search, 2, 5, 60);
    cr_assert_eq(mr_search_save(&search, 2, &bytes, &err), 0);
    struct mr_fact fact = {.key = 2, .bytes = bytes.data, .len = bytes.len};
    cr_assert_eq(mr_search_load(&again, &fact, &err), 0);
    cr_assert_eq(again.set_aside, 3u);
    const struct mr_search_task *one = mr_search_of(&search, 2);
    const struct mr_search_task *two = mr_search_of(&again, 2);
    cr_assert(one->block == two->block && one->last == two->last && one->times == two->times &&
              one->uncounted == two->uncounted && two->skip_count == 3);
    cr_assert_eq(memcmp(one->skips, two->skips, 3 * sizeof *one->skips), 0);
    cr_assert(two->skips[0] == 38 && two->skips[2] == 40);
    cr_assert(is_free(judge(&again, 2, 5, 60)));
    cr_assert_eq(again.set_aside, 4u);
    fact.key = 3;
    cr_assert_eq(mr_search_load(&again, &fact, &err), MR_ERR_INPUT);
    fact.key = 1;
    for (size_t len = 0; len < fact.len; len++) {
        struct mr_fact cut = {.key = 1, .bytes = bytes.data, .len = len};
        struct mr_search other;
        err = (struct mr_error){0};
        mr_search_init(&other, 3, 8);
        bool is_whole = len >= 32 && len % 8 == 0;
        cr_assert_eq(mr_search_load(&other, &cut, &err), is_whole ? 0 : MR_ERR_INPUT);
        mr_search_fini(&other);
    }
    mr_buffer_fini(&bytes);
    mr_search_fini(&search);
    mr_search_fini(&again);
}
