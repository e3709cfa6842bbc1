/* test_resume: a run that was interrupted goes on with what is whole, and clears what is not
 * needed. */
#include <mr/run.h>

#include "lib/output/tree.h"
#include "tests/unit/master/journal/scratch.h"
#include <glob.h>

#define FILES 4
#define MIB ((uint64_t)1 << 20)

static atomic_bool stop;
static unsigned maps_left;    /* until it is stopped */
static unsigned reduces_left; /* likewise */

static int map(struct mr_ctx *ctx, void *state, struct mr_bytes line) {
    (void)state;
    if (maps_left > 0 && --maps_left == 0) {
        atomic_store(&stop, true);
    }
    return mr_emit_u64(ctx, line, 1);
}

static int reduce(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint64_t count) {
    (void)state;
    if (reduces_left > 0 && --reduces_left == 0) {
        atomic_store(&stop, true);
    }
    return mr_emit_u64(ctx, key, count);
}

static const struct mr_round rounds[] = {
    {.name = "only", .map = map, .reduce_u64 = reduce, .value = MR_SUM_U64}};
static const struct mr_job job = {
    .abi = MR_JOB_ABI, .name = "resume", .rounds = rounds, .round_count = 1};

static char paths[FILES][512];
static char output[512];
static char state[512];

static void setup(void) {
    make_scratch();
    snprintf(output, sizeof output, "%s", in_scratch("out"));
    snprintf(state, sizeof state, "%s", in_scratch("state"));
    for (int i = 0; i < FILES; i++) {
        char name[8];
        snprintf(name, sizeof name, "in%d", i);
        snprintf(paths[i], sizeof paths[i], "%s", in_scratch(name));
        FILE *file = fopen(paths[i], "w");
        cr_assert(file && fprintf(file, "line %d\n", i) > 0 && fclose(file) == 0);
    }
}

static int run(struct mr_run_result *result, struct mr_error *err) {
    const char *inputs[FILES];
    for (int i = 0; i < FILES; i++) {
        inputs[i] = paths[i];
    }
    struct mr_run_spec spec = {.job = &job,
                               .inputs = inputs,
                               .input_count = FILES,
                               .output = output,
                               .threads = 1,
                               .partitions = 1,
                               .memory_bytes = 32 * MIB,
                               .stop = &stop,
                               .state = state};
    *err = (struct mr_error){0};
    int status = mr_run(&spec, result, err);
    maps_left = reduces_left = 0;
    atomic_store(&stop, false);
    return status;
}

/* Stopped in a map, or (0) in the reduce task, whether that is done then or not; then it is kept.
 * Gives how many tasks were done. */
static uint32_t interrupt(unsigned in_map) {
    struct mr_run_result result;
    struct mr_run_journal about;
    struct mr_error err;
    maps_left = in_map;
    reduces_left = in_map ? 0 : 1;
    cr_assert_eq(run(&result, &err), MR_ERR_INTERRUPTED, "%s", err.text);
    cr_assert_not_null(strstr(err.text, "the same command goes on"));
    mr_run_result_fini(&result);
    err = (struct mr_error){0};
    cr_assert_eq(mr_run_fsck(state, &about, &err), 0, "%s", err.text);
    cr_assert_eq(about.job_count, (size_t)1);
    uint32_t done = about.jobs[0].maps_done + about.jobs[0].reduces_done;
    mr_run_journal_fini(&about);
    return done;
}

/* The path of a file that a task left; NULL: there is none. */
static const char *find(const char *name) {
    static char found[512];
    char pattern[600];
    glob_t all = {0};
    snprintf(pattern, sizeof pattern, "%s/outputs-*/%s", state, name);
    if (glob(pattern, 0, NULL, &all) != 0) {
        return NULL;
    }
    snprintf(found, sizeof found, "%s", all.gl_pathv[0]);
    globfree(&all);
    return found;
}

static void expect_end(uint32_t kept) {
    uint32_t ran = FILES + 1 - kept;
    struct mr_run_result result;
    struct mr_error err;
    cr_assert_eq(run(&result, &err), 0, "%s", err.text);
    cr_assert_eq(result.tasks_kept, kept, "%u kept", result.tasks_kept);
    cr_assert_eq(result.tasks_run, ran, "%u run", result.tasks_run);
    cr_assert_eq(result.output_records, (uint64_t)FILES);
    cr_assert_eq(result.rounds[0].books.records_read, (uint64_t)FILES);
    mr_run_result_fini(&result);
    cr_assert_null(find("*"));
}

Test(resume, what_is_done_is_kept) {
    setup();
    uint32_t done = interrupt(3);
    cr_assert_geq(done, 2u); /* what was under way may be done, too */
    expect_end(done);
    remove_scratch();
}

Test(resume, lost_and_damaged_files_are_made_again) {
    setup();
    interrupt(0);
    cr_assert_eq(unlink(find("map-0-1-*")), 0);
    cr_assert_eq(truncate(find("map-0-2-*"), 50), 0);
    struct mr_run_result result;
    struct mr_error err;
    cr_assert_eq(run(&result, &err), 0, "%s", err.text);
    /* The reduce task was done or not when it was stopped. */
    cr_assert(result.tasks_run == 0 || result.tasks_run == 3, "%u run", result.tasks_run);
    cr_assert_eq(result.output_records, (uint64_t)FILES);
    mr_run_result_fini(&result);
    remove_scratch();
}

Test(resume, lost_while_mapping) {
    setup();
    uint32_t done = interrupt(3);
    cr_assert_eq(unlink(find("map-0-0-*")), 0);
    int fd = open(find("map-0-1-*"), O_WRONLY);
    cr_assert(fd >= 0 && pwrite(fd, "?", 1, 80) == 1 && close(fd) == 0);
    expect_end(done - 2);
    remove_scratch();
}

Test(resume, what_nobody_needs_goes) {
    setup();
    interrupt(3);
    char stray[1100];
    const char *own = find("map-0-0-*");
    int folder = (int)(strrchr(own, '/') - own);
    static const char *const names[] = {"map-0-0-9", "pairs-0-0-1", "state-0", "next-1-1"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(stray, sizeof stray, "%.*s/%s", folder, own, names[i]);
        int fd = open(stray, O_WRONLY | O_CREAT, 0600);
        cr_assert(fd >= 0 && close(fd) == 0);
    }
    uint32_t done = interrupt(1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cr_assert_null(find(names[i]), "%s is there", names[i]);
    }
    cr_assert_not_null(find("map-0-0-1"));
    expect_end(done);
    remove_scratch();
}

/* An output that appeared keeps the run waiting, in the same words each time. */
Test(resume, an_output_that_appeared) {
    struct mr_run_result result;
    struct mr_error err[2];
    setup();
    uint32_t done = interrupt(3);
    cr_assert_eq(mkdir(output, 0700), 0);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(run(&result, &err[i]), MR_ERR_USAGE);
        mr_run_result_fini(&result);
    }
    cr_assert_str_eq(err[0].text, err[1].text);
    cr_assert_not_null(strstr(err[0].text, "without that output the same command goes on"));
    cr_assert_eq(rmdir(output), 0);
    expect_end(done);
    remove_scratch();
}
