/* test_scribe: many threads, few transactions; effects in order, and only of what is on disk. */
#include "master/local/files/scribe.h"

#include "lib/base/error.h"
#include "tests/unit/master/journal/scratch.h"

#define THREADS 8
#define JOBS_EACH 40

static struct mr_scribe scribe;
static uint32_t next_job;
static uint32_t last_performed;
static unsigned performed;
static unsigned out_of_order;
static uint64_t transactions_seen; /* at the last effect */

/* Each submitted job starts its task at once: there are slots for all. */
static void perform(void *arg, const struct mr_core_effect *effect) {
    (void)arg;
    if (effect->kind == MR_CORE_START) {
        out_of_order += effect->attempt.job < last_performed;
        last_performed = effect->attempt.job;
        performed++;
        transactions_seen = mr_journal_stats(scribe.journal).transactions;
    }
}

static pthread_barrier_t applied;

/* All apply their first before any of them commits: these at least share a transaction, however
 * fast the disk is, or few the cores. */
static void *submit_some(void *arg) {
    struct mr_error *err = arg;
    pthread_mutex_lock(&scribe.lock);
    for (unsigned i = 0; i < JOBS_EACH && !err->code; i++) {
        struct mr_core_event event = {
            .kind = MR_CORE_SUBMIT, .job = ++next_job, .shape = {0, 1, NULL}, .max_attempts = 1};
        (void)!mr_scribe_apply(&scribe, &event, NULL, err);
        if (i == 0) {
            pthread_mutex_unlock(&scribe.lock);
            (void)pthread_barrier_wait(&applied);
            pthread_mutex_lock(&scribe.lock);
        }
        (void)(err->code || mr_scribe_commit(&scribe, err));
    }
    pthread_mutex_unlock(&scribe.lock);
    return NULL;
}

Test(scribe, threads_share_transactions) {
    make_scratch();
    struct mr_journal *journal = NULL;
    struct mr_error err = {0};
    struct mr_error errors[THREADS] = {{0}};
    pthread_t threads[THREADS];
    cr_assert_eq(pthread_barrier_init(&applied, NULL, THREADS), 0);
    cr_assert_eq(mr_journal_open(in_scratch("state"), MR_JOURNAL_RUN, &journal, &err), 0);
    mr_scribe_init(&scribe);
    scribe.journal = journal;
    scribe.core = mr_journal_core(journal);
    scribe.perform = perform;
    struct mr_core_event up = {.kind = MR_CORE_NODE_UP,
                               .worker = {0, 1},
                               .host = MR_CORE_NONE,
                               .roles = MR_CORE_DOES_BOTH,
                               .slots = THREADS * JOBS_EACH};
    pthread_mutex_lock(&scribe.lock);
    cr_assert_eq(mr_scribe_apply(&scribe, &up, NULL, &err), 0);
    cr_assert_eq(mr_scribe_commit(&scribe, &err), 0);
    pthread_mutex_unlock(&scribe.lock);
    for (unsigned i = 0; i < THREADS; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, submit_some, &errors[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        cr_assert_eq(errors[i].code, 0, "%s", errors[i].text);
    }
    struct mr_journal_stats stats = mr_journal_stats(journal);
    cr_assert_eq(performed, (unsigned)(THREADS * JOBS_EACH));
    cr_assert_eq(out_of_order, 0u);
    cr_assert_lt(stats.transactions, (uint64_t)(THREADS * JOBS_EACH), "%llu transactions",
                 (unsigned long long)stats.transactions);
    pthread_barrier_destroy(&applied);
    mr_scribe_fini(&scribe);
    mr_journal_close(journal);
    cr_assert_eq(mr_journal_open(in_scratch("state"), MR_JOURNAL_LOOK, &journal, &err), 0);
    cr_assert_eq(mr_journal_stats(journal).events, (uint64_t)(THREADS * JOBS_EACH + 1));
    mr_journal_close(journal);
    remove_scratch();
}

Test(scribe, a_refused_event_ends_it) {
    make_scratch();
    struct mr_journal *journal = NULL;
    struct mr_error err = {0};
    cr_assert_eq(mr_journal_open(in_scratch("state"), MR_JOURNAL_RUN, &journal, &err), 0);
    mr_scribe_init(&scribe);
    scribe.journal = journal;
    scribe.core = mr_journal_core(journal);
    scribe.perform = perform;
    struct mr_core_event closed = {.kind = MR_CORE_ROUND_CLOSED, .job = 9};
    pthread_mutex_lock(&scribe.lock);
    cr_assert_eq(mr_scribe_apply(&scribe, &closed, NULL, &err), MR_ERR_INTERNAL);
    closed.kind = MR_CORE_TICK;
    struct mr_error again = {0};
    cr_assert_eq(mr_scribe_apply(&scribe, &closed, NULL, &again), MR_ERR_INTERNAL);
    cr_assert_str_eq(again.text, err.text);
    cr_assert_eq(mr_scribe_commit(&scribe, &(struct mr_error){0}), MR_ERR_INTERNAL);
    pthread_mutex_unlock(&scribe.lock);
    mr_scribe_fini(&scribe);
    mr_journal_close(journal);
    remove_scratch();
}

/* A winner whose account could not be gathered: the event is not written either. */
Test(scribe, what_was_applied_before_its_end_is_not_written) {
    make_scratch();
    struct mr_journal *journal = NULL;
    struct mr_error err = {0};
    struct mr_error why = {0};
    cr_assert_eq(mr_journal_open(in_scratch("state"), MR_JOURNAL_RUN, &journal, &err), 0);
    mr_scribe_init(&scribe);
    scribe.journal = journal;
    scribe.core = mr_journal_core(journal);
    scribe.perform = perform;
    struct mr_core_event event = {
        .kind = MR_CORE_SUBMIT, .job = 1, .shape = {0, 1, NULL}, .max_attempts = 1};
    mr_error_nomem(&why, "testing");
    pthread_mutex_lock(&scribe.lock);
    cr_assert_eq(mr_scribe_apply(&scribe, &event, NULL, &err), 0);
    mr_scribe_end(&scribe, &why);
    cr_assert_eq(mr_scribe_commit(&scribe, &err), MR_ERR_NOMEM);
    pthread_mutex_unlock(&scribe.lock);
    mr_scribe_fini(&scribe);
    mr_journal_close(journal);
    cr_assert_eq(
        mr_journal_open(in_scratch("state"), MR_JOURNAL_LOOK, &journal, &(struct mr_error){0}), 0);
    cr_assert_eq(mr_journal_stats(journal).events, 0u);
    mr_journal_close(journal);
    remove_scratch();
}

Test(scribe, effects_come_after_the_commit) {
    make_scratch();
    struct mr_journal *journal = NULL;
    struct mr_error err = {0};
    cr_assert_eq(mr_journal_open(in_scratch("state"), MR_JOURNAL_RUN, &journal, &err), 0);
    mr_scribe_init(&scribe);
    scribe.journal = journal;
    scribe.core = mr_journal_core(journal);
    scribe.perform = perform;
    struct mr_core_event up = {.kind = MR_CORE_NODE_UP,
                               .worker = {0, 1},
                               .host = MR_CORE_NONE,
                               .roles = MR_CORE_DOES_BOTH,
                               .slots = 1};
    struct mr_core_event event = {
        .kind = MR_CORE_SUBMIT, .job = 1, .shape = {0, 1, NULL}, .max_attempts = 1};
    uint64_t before = mr_journal_stats(journal).transactions;
    unsigned performed_before = performed;
    pthread_mutex_lock(&scribe.lock);
    cr_assert_eq(mr_scribe_apply(&scribe, &up, NULL, &err), 0);
    cr_assert_eq(mr_scribe_apply(&scribe, &event, NULL, &err), 0);
    cr_assert_eq(performed, performed_before);
    cr_assert_eq(mr_scribe_commit(&scribe, &err), 0);
    pthread_mutex_unlock(&scribe.lock);
    cr_assert_eq(performed, performed_before + 1);
    cr_assert_eq(transactions_seen, before + 1, "when it was performed, it was on disk");
    mr_scribe_fini(&scribe);
    mr_journal_close(journal);
    remove_scratch();
}
