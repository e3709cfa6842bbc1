/* test_ledger: facts with and without a journal; a job's end is said once; a crash while it stops.
 */
#include "master/local/files/ledger.h"

#include "jobs/jobs.h"
#include "lib/base/error.h"
#include "master/local/files/failures.h"
#include "tests/unit/master/journal/scratch.h"

#define ID "0123456789abcdef0123456789abcdef"

/* What a run needs to be told of by a ledger: one input, an output. */
struct fixture {
    struct mr_run_spec spec;
    struct mr_plan plan;
    char input[512];
    char output[512];
    char state[512];
    const char *inputs[1];
};

static void setup(struct fixture *fixture) {
    struct mr_error err = {0};
    make_scratch();
    *fixture = (struct fixture){0};
    snprintf(fixture->input, sizeof fixture->input, "%s", in_scratch("input"));
    snprintf(fixture->output, sizeof fixture->output, "%s", in_scratch("out"));
    snprintf(fixture->state, sizeof fixture->state, "%s", in_scratch("state"));
    FILE *file = fopen(fixture->input, "w");
    cr_assert(file && fputs("a b\n", file) >= 0 && fclose(file) == 0);
    fixture->inputs[0] = fixture->input;
    fixture->spec = (struct mr_run_spec){.job = mr_jobs[0],
                                         .inputs = fixture->inputs,
                                         .input_count = 1,
                                         .output = fixture->output,
                                         .state = fixture->state};
    cr_assert_eq(mr_plan_make(&fixture->spec, &fixture->plan, &err), 0, "%s", err.text);
}

static void teardown(struct fixture *fixture) {
    mr_plan_fini(&fixture->plan);
    remove_scratch();
}

static void open_ledger(struct fixture *fixture, struct mr_ledger *ledger) {
    struct mr_error err = {0};
    cr_assert_eq(mr_ledger_open(ledger, &fixture->spec, &fixture->plan, ID, &err), 0, "%s",
                 err.text);
}

static void apply(struct mr_ledger *ledger, const struct mr_core_event *event) {
    struct mr_core_effects effects;
    struct mr_error err = {0};
    cr_assert_eq(mr_journal_apply(ledger->journal, event, 0, &effects, &err), 0, "%s", err.text);
}

/* A job of one map and one reduce task, the map under way. */
static void begin_job(struct fixture *fixture, struct mr_ledger *ledger) {
    struct mr_core_event up = {.kind = MR_CORE_NODE_UP,
                               .worker = {0, mr_journal_epoch(ledger->journal)},
                               .host = MR_CORE_NONE,
                               .roles = MR_CORE_DOES_BOTH,
                               .slots = 2};
    struct mr_core_event submit = {
        .kind = MR_CORE_SUBMIT, .job = ledger->job, .shape = {2, 1, NULL}, .max_attempts = 4};
    struct mr_error err = {0};
    apply(ledger, &up);
    apply(ledger, &submit);
    cr_assert_eq(mr_ledger_describe(ledger, &fixture->spec, &fixture->plan, &err), 0);
    cr_assert_eq(mr_journal_commit(ledger->journal, &err), 0);
}

static void note(struct mr_ledger *ledger, enum mr_ledger_fact kind, uint64_t key,
                 const char *text) {
    struct mr_error err = {0};
    cr_assert_eq(mr_ledger_note(ledger, kind, key, text, strlen(text), &err), 0);
}

static void check_facts(struct mr_ledger *ledger) {
    struct mr_error err = {0};
    size_t count;
    note(ledger, MR_LEDGER_LINES, 7, "seven");
    note(ledger, MR_LEDGER_LINES, 3, "three");
    note(ledger, MR_LEDGER_LINES, 3, "3");
    note(ledger, MR_LEDGER_STATE, 0, "state");
    note(ledger, MR_LEDGER_CARE, 0, "care");
    const struct mr_fact *facts = mr_ledger_all(ledger, MR_LEDGER_LINES, &count);
    cr_assert_eq(count, (size_t)2);
    cr_assert_str_eq(facts[0].bytes, "3");
    cr_assert_str_eq(facts[1].bytes, "seven");
    cr_assert_null(mr_ledger_all(ledger, MR_LEDGER_SKIPPED, &count));
    cr_assert_eq(count, (size_t)0);
    cr_assert_eq(mr_ledger_drop(ledger, MR_LEDGER_LINES, 3, &err), 0);
    cr_assert_eq(mr_ledger_drop(ledger, MR_LEDGER_LINES, 3, &err), 0); /* none: as well */
    cr_assert_null(mr_ledger_find(ledger, MR_LEDGER_LINES, 3));
    cr_assert_eq(mr_ledger_forget(ledger, MR_LEDGER_LINES, &err), 0);
    cr_assert_eq(mr_ledger_forget(ledger, MR_LEDGER_SKIPPED, &err), 0);
    cr_assert_null(mr_ledger_find(ledger, MR_LEDGER_LINES, 7));
    cr_assert_str_eq(mr_ledger_find(ledger, MR_LEDGER_STATE, 0)->bytes, "state");
    cr_assert_str_eq(mr_ledger_find(ledger, MR_LEDGER_CARE, 0)->bytes, "care");
}

Test(ledger, facts) {
    struct fixture fixture;
    struct mr_ledger ledger;
    struct mr_error err = {0};
    cr_assert_eq(mr_ledger_begin(&ledger, ID, "nowhere", &err), 0);
    check_facts(&ledger);
    mr_ledger_close(&ledger);
    setup(&fixture);
    open_ledger(&fixture, &ledger);
    begin_job(&fixture, &ledger);
    check_facts(&ledger);
    cr_assert_eq(mr_journal_commit(ledger.journal, &err), 0);
    mr_ledger_close(&ledger);
    open_ledger(&fixture, &ledger);
    cr_assert_eq(ledger.standing, MR_LEDGER_OPEN);
    cr_assert_str_eq(mr_ledger_find(&ledger, MR_LEDGER_STATE, 0)->bytes, "state");
    mr_ledger_close(&ledger);
    teardown(&fixture);
}

Test(ledger, failures) {
    struct mr_ledger ledger;
    struct mr_error err = {0};
    struct mr_error why[3] = {{0}, {0}, {0}};
    cr_assert_eq(mr_ledger_begin(&ledger, ID, "nowhere", &err), 0);
    mr_error_set(&why[0], MR_ERR_JOB, "not counted");
    mr_error_set(&why[1], MR_ERR_IO, "the first");
    mr_error_set(&why[2], MR_ERR_JOB, "the second");
    cr_assert_eq(mr_failures_of(&ledger, MR_PHASE_MAP, 4).count, 0u);
    for (uint32_t i = 0; i < 3; i++) {
        struct mr_failures_row row = {.phase = MR_PHASE_MAP,
                                      .task = 4,
                                      .attempt = i + 1,
                                      .counts = i > 0,
                                      .is_short = i == 1,
                                      .why = &why[i]};
        cr_assert_eq(mr_failures_of(&ledger, MR_PHASE_MAP, 4).is_short, i > 1);
        cr_assert_eq(mr_failures_note(&ledger, &row, &err), 0);
    }
    struct mr_failures failures = mr_failures_of(&ledger, MR_PHASE_MAP, 4);
    cr_assert_eq(failures.count, 3u);
    cr_assert_eq(failures.attempt, 2u);
    cr_assert_eq(failures.first.code, MR_ERR_IO);
    struct mr_error said;
    mr_failures_say(&failures, NULL, &said);
    cr_assert_str_eq(said.text, "the first (3 attempts that failed)");
    mr_failures_say(&failures, &why[2], &said);
    cr_assert_str_eq(said.text, "the second (3 attempts that failed)");
    cr_assert_eq(mr_failures_of(&ledger, MR_PHASE_REDUCE, 4).count, 0u);
    mr_ledger_close(&ledger);
}

/* The process dies while the job stops: its first cause is what the journal keeps. */
Test(ledger, the_first_cause_stays) {
    struct fixture fixture;
    struct mr_ledger ledger;
    struct mr_error err = {0};
    struct mr_error first = {0};
    struct mr_error second = {0};
    setup(&fixture);
    open_ledger(&fixture, &ledger);
    begin_job(&fixture, &ledger);
    uint32_t job = ledger.job;
    struct mr_core_event failed = {.kind = MR_CORE_ATTEMPT_FAILED,
                                   .worker = {0, mr_journal_epoch(ledger.journal)},
                                   .attempt = {job, 0, MR_PHASE_MAP, 0, 1},
                                   .status = MR_ERR_JOB,
                                   .is_fatal = true};
    apply(&ledger, &failed);
    cr_assert_eq(mr_core_job(mr_journal_core(ledger.journal), job).state, MR_CORE_JOB_STOPPING);
    note(&ledger, MR_LEDGER_CARE, 1, "goes");
    mr_error_set(&first, MR_ERR_JOB, "the cause");
    mr_error_set(&second, MR_ERR_IO, "what came of it");
    cr_assert_eq(mr_ledger_end(&ledger, &first, &err), 0);
    cr_assert_eq(mr_ledger_end(&ledger, &second, &err), 0);
    cr_assert_null(mr_ledger_find(&ledger, MR_LEDGER_CARE, 1));
    cr_assert_eq(mr_journal_commit(ledger.journal, &err), 0);
    mr_ledger_close(&ledger);
    for (int again = 0; again < 2; again++) {
        open_ledger(&fixture, &ledger);
        cr_assert_eq(ledger.standing, MR_LEDGER_NEW);
        cr_assert_eq(ledger.job, job + 1);
        const struct mr_fact *end =
            mr_journal_find(ledger.journal, job, (uint32_t)MR_LEDGER_END, 0);
        cr_assert_not_null(end);
        cr_assert_not_null(strstr(end->bytes, "\nthe cause"));
        mr_ledger_close(&ledger);
    }
    teardown(&fixture);
}

Test(ledger, another_command_is_refused) {
    struct fixture fixture;
    struct mr_ledger ledger;
    struct mr_error err = {0};
    setup(&fixture);
    open_ledger(&fixture, &ledger);
    begin_job(&fixture, &ledger);
    mr_ledger_close(&ledger);
    fixture.spec.skip_bad_records = 3;
    cr_assert_eq(mr_ledger_open(&ledger, &fixture.spec, &fixture.plan, ID, &err), MR_ERR_USAGE);
    cr_assert_not_null(strstr(err.text, "unfinished run of another command"));
    mr_ledger_close(&ledger);
    teardown(&fixture);
}
