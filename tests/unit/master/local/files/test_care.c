/* test_care: the search for bad records, which goes on in another process. */
#include "master/local/files/care.h"

#include "lib/base/error.h"
#include "master/local/files/queue.h"
#include "tests/unit/test.h"

static const struct mr_core_attempt attempt = {1, 0, MR_PHASE_MAP, 2, 1};

static struct mr_hand_outcome fails_at(uint64_t block, uint64_t offset, bool is_exact) {
    struct mr_hand_outcome outcome = {
        .has_place = true, .is_exact = is_exact, .block = block, .offset = offset};
    mr_error_set(&outcome.err, MR_ERR_JOB, "not this one");
    return outcome;
}

static struct mr_hand_outcome judge(struct mr_search *care, struct mr_ledger *ledger,
                                    uint64_t offset, bool is_exact, bool is_uncounted) {
    struct mr_hand_outcome outcome = fails_at(100, offset, is_exact);
    struct mr_error err = {0};
    bool is;
    cr_assert_eq(mr_care_judge(care, ledger, &attempt, &outcome, &is, &err), 0);
    cr_assert_eq(is, is_uncounted);
    return outcome;
}

static int take_up(struct mr_search *care, const struct mr_ledger *ledger, uint32_t count,
                   uint32_t most) {
    struct mr_error err = {0};
    mr_search_init(care, count, most);
    return mr_care_load(care, ledger, &err);
}

static struct mr_orders_task order(const struct mr_search *care) {
    struct mr_orders_task task = {.task = 2};
    mr_care_order(care, &task);
    return task;
}

Test(care, is_taken_up) {
    struct mr_search care;
    struct mr_ledger ledger;
    struct mr_error err = {0};
    cr_assert_eq(mr_ledger_begin(&ledger, "0123456789abcdef0123456789abcdef", "dir", &err), 0);
    cr_assert_eq(take_up(&care, &ledger, 3, 2), 0);
    cr_assert_eq(order(&care).care_block, UINT64_MAX);
    judge(&care, &ledger, 100, false, true); /* the block */
    cr_assert_eq(order(&care).care_block, (uint64_t)100);
    judge(&care, &ledger, 107, true, true);
    mr_search_fini(&care); /* the process dies */
    cr_assert_eq(take_up(&care, &ledger, 3, 2), 0);
    judge(&care, &ledger, 107, true, true); /* the second time: set aside */
    judge(&care, &ledger, 103, true, true);
    mr_search_fini(&care);
    cr_assert_eq(take_up(&care, &ledger, 3, 2), 0);
    cr_assert_eq(care.set_aside, 1u);
    judge(&care, &ledger, 103, true, true);
    struct mr_orders_task task = order(&care);
    cr_assert_eq(task.skip_count, (size_t)2);
    cr_assert_eq(task.skips[0], (uint64_t)103); /* ascending */
    cr_assert_eq(task.skips[1], (uint64_t)107);
    judge(&care, &ledger, 109, true, true);
    struct mr_hand_outcome last = judge(&care, &ledger, 109, true, false);
    cr_assert(last.is_fatal);
    cr_assert_not_null(strstr(last.err.text, "a record more than --skip-bad-records 2 allows"));
    mr_search_fini(&care);
    mr_ledger_close(&ledger);
}

/* Each attempt counts where nothing may be set aside. */
Test(care, without_skipping) {
    struct mr_search care;
    struct mr_ledger ledger;
    struct mr_error err = {0};
    cr_assert_eq(mr_ledger_begin(&ledger, "0123456789abcdef0123456789abcdef", "dir", &err), 0);
    cr_assert_eq(take_up(&care, &ledger, 3, 0), 0);
    judge(&care, &ledger, 100, false, false);
    judge(&care, &ledger, 107, true, false);
    cr_assert_not(judge(&care, &ledger, 103, true, false).is_fatal);
    cr_assert(judge(&care, &ledger, 103, true, false).is_fatal);
    mr_search_clear(&care);
    cr_assert_eq(order(&care).care_block, UINT64_MAX);
    cr_assert_not(judge(&care, &ledger, 103, true, false).is_fatal); /* another pass */
    mr_search_fini(&care);
    mr_ledger_close(&ledger);
}

Test(care, damaged_is_refused) {
    struct mr_search care;
    struct mr_ledger ledger;
    struct mr_error err = {0};
    cr_assert_eq(mr_ledger_begin(&ledger, "0123456789abcdef0123456789abcdef", "dir", &err), 0);
    cr_assert_eq(mr_ledger_note(&ledger, MR_LEDGER_CARE, 1, "short", 5, &err), 0);
    cr_assert_eq(take_up(&care, &ledger, 3, 0), MR_ERR_INPUT);
    mr_search_fini(&care);
    mr_ledger_close(&ledger);
}

Test(care, attempts_wait_in_order) {
    struct mr_queue queue = {0};
    struct mr_error err = {0};
    struct mr_core_attempt got;
    bool is_wanted;
    cr_assert_eq(mr_queue_reserve(&queue, 3, &err), 0);
    cr_assert_not(mr_queue_pop(&queue, &got, &is_wanted));
    for (uint32_t i = 0; i < 10; i++) { /* never more than 3 at once */
        struct mr_core_attempt one = {1, 0, MR_PHASE_MAP, i, 1};
        struct mr_core_attempt two = {1, 0, MR_PHASE_REDUCE, i, 1};
        mr_queue_push(&queue, &one);
        mr_queue_push(&queue, &two);
        mr_queue_unwant(&queue, &two);
        cr_assert(mr_queue_pop(&queue, &got, &is_wanted) && is_wanted);
        cr_assert(mr_queue_is_same(&got, &one));
        cr_assert(mr_queue_pop(&queue, &got, &is_wanted) && !is_wanted);
        cr_assert(mr_queue_is_same(&got, &two));
    }
    mr_queue_fini(&queue);
}
