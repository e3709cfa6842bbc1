/* test_node: a worker does what a master tells it, and bears what may happen to both. */
#include "tests/unit/worker/node/play.h"

#define UNRULY "misbehave.so"

/* ---- one worker -------------------------------------------------------------------------------*/

/* A job whose first map task waits at the line "wait" until the file `stage->dir`/go is there. */
static void begin_waiting(struct stage *stage, struct cast *cast, char began[STAGE_PATH]) {
    static char until[STAGE_PATH];
    stage_open(stage);
    snprintf(until, sizeof until, "%s/go", stage->dir);
    snprintf(began, STAGE_PATH, "%s/began", stage->dir);
    struct play play = {.plugin = UNRULY,
                        .partitions = 1,
                        .params = {{.name = "how", .value = "wait"},
                                   {.name = "at", .value = "wait"},
                                   {.name = "until", .value = until},
                                   {.name = "began", .value = began}},
                        .param_count = 4,
                        .texts = {"wait\n", "b\n"}};
    stage_plan(stage, &play);
    cast_prepare(stage, cast, "one");
    cast_start(stage, cast);
    stage_send_job(stage, 0);
}

Test(node, collected_parts_are_kept_and_served) {
    static struct cast cast;
    struct stage stage;
    struct play play = {.plugin = SUM, .partitions = 1, .is_collected = true, .texts = NUMBERS};
    struct heard heard;
    char path[STAGE_PATH];
    begin(&stage, &cast, &play);
    for (uint32_t i = 0; i < 2; i++) {
        stage_map(&stage, 0, i, 1, 1);
        stage_source(&stage, 0, i, 1, 0);
    }
    stage_start(&stage, 0, 1, 0, 1, 1);
    stage_hear(&stage, 0, MR_WIRE_DONE, &heard);
    mr_layout_release(&heard.held);
    stage_answer(&stage, 0, 1, 0, 1, true);
    stage_job_path(&cast, "out-0-1/part-00000", path);
    cr_assert(is_there(path));
    cast_end(&stage, &cast); /* killed or not: what is done is there when it comes back */
    cast_start(&stage, &cast);
    cr_assert_eq(stage.seats[0].held_count, 3u);
    bool has_part = false;
    for (size_t i = 0; i < 3; i++) {
        has_part |= stage.seats[0].held[i].phase == 3;
    }
    cr_assert(has_part);
    cr_assert(is_there(path));
    finish(&stage, &cast);
}

Test(node, failures_are_told_with_their_cause) {
    static struct cast cast;
    struct stage stage;
    struct play play = {.plugin = UNRULY,
                        .partitions = 1,
                        .params = {{.name = "how", .value = "fail"}, {.name = "at", .value = "x"}},
                        .param_count = 2,
                        .missing_input = "/nowhere/at/all",
                        .texts = {"a\nx\n", "b\n"}};
    struct heard heard;
    begin(&stage, &cast, &play);
    stage_start(&stage, 0, 0, 0, 1, 1);
    stage_hear(&stage, 0, MR_WIRE_FAILED, &heard);
    cr_assert_eq(heard.any.failed_.status, (uint64_t)-MR_ERR_JOB);
    cr_assert(strstr(heard.any.failed_.why, "not to my taste"), "%s", heard.any.failed_.why);
    cr_assert_eq(heard.any.failed_.has_place, 1u);
    cr_assert_eq(heard.any.failed_.offset, 2u);
    mr_layout_release(&heard.held);
    stage_answer(&stage, 0, 0, 0, 1, false);
    stage_start(&stage, 0, 0, 1, 1, 1);
    stage_hear(&stage, 0, MR_WIRE_FAILED, &heard);
    cr_assert(strstr(heard.any.failed_.why, "node one does not see \"/nowhere/at/all\""), "%s",
              heard.any.failed_.why);
    cr_assert_eq(heard.any.failed_.is_fatal, 0u);
    mr_layout_release(&heard.held);
    finish(&stage, &cast);
}

Test(node, output_that_is_not_seen_is_told) {
    static struct cast cast;
    struct stage stage;
    struct heard heard;
    begin(&stage, &cast, &sum_play); /* nobody prepared the output */
    for (uint32_t i = 0; i < 2; i++) {
        stage_map(&stage, 0, i, 1, 1);
        stage_source(&stage, 0, i, 1, 0);
    }
    stage_start(&stage, 0, 1, 0, 1, 1);
    stage_hear(&stage, 0, MR_WIRE_FAILED, &heard);
    cr_assert(strstr(heard.any.failed_.why, "one") && strstr(heard.any.failed_.why, "/out"), "%s",
              heard.any.failed_.why);
    cr_assert_eq(heard.any.failed_.is_fatal, 0u);
    mr_layout_release(&heard.held);
    finish(&stage, &cast);
}

Test(node, logs_are_kept) {
    static struct cast cast;
    struct stage stage;
    struct play play = {.plugin = UNRULY,
                        .partitions = 1,
                        .params = {{.name = "how", .value = "abort"}, {.name = "at", .value = "x"}},
                        .param_count = 2,
                        .texts = {"a\nx\n", "b\n"}};
    struct heard heard;
    begin(&stage, &cast, &play);
    stage_start(&stage, 0, 0, 0, 1, 1);
    stage_hear(&stage, 0, MR_WIRE_FAILED, &heard);
    cr_assert_eq(heard.any.failed_.is_crash, 1u);
    mr_layout_release(&heard.held);
    struct mr_wire_ask_log ask = {.job = STAGE_ID, .round = UINT32_MAX};
    stage_send(&stage, 0, MR_WIRE_ASK_LOG, &ask);
    stage_hear(&stage, 0, MR_WIRE_LOG, &heard);
    cr_assert_eq(heard.any.log_.job, STAGE_JOB);
    cr_assert_eq(heard.any.log_.attempt, 1u);
    cr_assert_eq(heard.any.log_.follows, 0u);
    cr_assert_str_eq(heard.any.log_.node, "one");
    mr_layout_release(&heard.held);
    ask.task = 5; /* of which there is none */
    stage_send(&stage, 0, MR_WIRE_ASK_LOG, &ask);
    stage_hear(&stage, 0, MR_WIRE_LOG, &heard);
    cr_assert_eq(heard.any.log_.total, 0u);
    mr_layout_release(&heard.held);
    finish(&stage, &cast);
}

Test(node, attempt_is_stopped) {
    static struct cast cast;
    struct stage stage;
    struct heard heard;
    char began[STAGE_PATH];
    begin_waiting(&stage, &cast, began);
    stage_start(&stage, 0, 0, 0, 1, 1);
    stage_until(&stage, is_there(began));
    struct mr_wire_stop stop = {.job = STAGE_JOB, .attempt = 1};
    stage_send(&stage, 0, MR_WIRE_STOP, &stop);
    stage_hear(&stage, 0, MR_WIRE_FAILED, &heard);
    cr_assert_eq(heard.any.failed_.is_stopped, 1u);
    mr_layout_release(&heard.held);
    stop.attempt = 9; /* one that is not here */
    stage_send(&stage, 0, MR_WIRE_STOP, &stop);
    stage_hear(&stage, 0, MR_WIRE_FAILED, &heard);
    cr_assert_eq(heard.any.failed_.attempt, 9u);
    mr_layout_release(&heard.held);
    finish(&stage, &cast);
}

/* ---- what may happen --------------------------------------------------------------------------*/

/* F17, F23: the answer is lost with the connection: the worker asks again, as the same one. */
Test(node, unanswered_results_are_told_again) {
    static struct cast cast;
    struct stage stage;
    struct heard heard;
    begin(&stage, &cast, &sum_play);
    uint64_t incarnation = stage.seats[0].incarnation;
    for (unsigned i = 0; i < 3; i++) {
        if (i == 0) {
            stage_start(&stage, 0, 0, 0, 1, 1);
        }
        stage_hear(&stage, 0, MR_WIRE_DONE, &heard);
        cr_assert_eq(heard.any.done_.attempt, 1u);
        mr_layout_release(&heard.held);
        mr_conn_drop(stage.seats[0].conn, NULL);
        stage_until(&stage, stage.seats[0].registrations == i + 2);
        cr_assert_eq(stage.seats[0].incarnation, incarnation);
        cr_assert_eq(stage.seats[0].held_count, 1u);
        stage_send_job(&stage, 0);
        stage_start(&stage, 0, 0, 0, 1, 1); /* outstanding, as far as the master knows */
    }
    stage_hear(&stage, 0, MR_WIRE_DONE, &heard);
    mr_layout_release(&heard.held);
    stage_answer(&stage, 0, 0, 0, 1, true);
    finish(&stage, &cast);
}

/* F8, F9, F15: a worker that was given up ends what it runs, keeps what it has, and is another. */
Test(node, fenced_worker_begins_anew) {
    static struct cast cast;
    struct stage stage;
    char began[STAGE_PATH];
    begin_waiting(&stage, &cast, began);
    stage_map(&stage, 0, 1, 1, 1);
    stage_start(&stage, 0, 0, 0, 1, 1);
    stage_until(&stage, is_there(began));
    uint64_t incarnation = stage.seats[0].incarnation;
    struct mr_wire_fenced fenced = {.why = "it was silent"};
    stage_send(&stage, 0, MR_WIRE_FENCED, &fenced);
    stage_until(&stage, stage.seats[0].registrations == 2);
    cr_assert_neq(stage.seats[0].incarnation, incarnation);
    cr_assert_eq(stage.seats[0].held_count, 1u);
    cr_assert_eq(stage.seats[0].held[0].task, 1u);
    stage_send_job(&stage, 0);
    stage_map(&stage, 0, 1, 2, 1);                         /* and it works */
    cr_assert_null(stage_find(&stage, 0, MR_WIRE_FAILED)); /* nothing is said of what is void */
    cr_assert_null(stage_find(&stage, 0, MR_WIRE_DONE));
    finish(&stage, &cast);
}

/* F11, F12, F13: nothing is renewed: the worker gives up by itself. */
Test(node, lease_that_is_not_renewed_ends) {
    static struct cast cast;
    struct stage stage;
    char began[STAGE_PATH];
    begin_waiting(&stage, &cast, began);
    stage_start(&stage, 0, 0, 0, 1, 1);
    stage_until(&stage, is_there(began));
    uint64_t incarnation = stage.seats[0].incarnation;
    stage.lease_ms = 400; /* told with the next registration */
    mr_conn_drop(stage.seats[0].conn, NULL);
    stage_until(&stage, stage.seats[0].registrations == 2);
    cr_assert_eq(stage.seats[0].incarnation, incarnation);
    stage.is_mute = true;
    stage_until(&stage, stage.seats[0].incarnation != incarnation);
    cr_assert(cast_said(&cast, "renewed nothing"));
    stage.is_mute = false;
    stage_until(&stage, stage.seats[0].conn);
    finish(&stage, &cast);
}

/* It stands still for a moment each time it has registered again. */
static void say_slowly(void *arg, const char *text) {
    cast_say(arg, text);
    if (strstr(text, "registered again")) {
        usleep(2300000);
    }
}

/* What the master said while the worker itself stood still is heard: it is no silence. */
Test(node, standstill_of_ones_own_is_no_silence) {
    static struct cast cast;
    struct stage stage;
    stage_open(&stage);
    cast_prepare(&stage, &cast, "one");
    cast.options.is_verbose = true;
    cast.options.say = say_slowly;
    cast_start(&stage, &cast);
    stage.lease_ms = 4000; /* of which half is too long a silence */
    mr_conn_drop(stage.seats[0].conn, NULL);
    stage_until(&stage, cast_said(&cast, "registered again"));
    stage.sequence += 7; /* which the next renewal tells */
    stage_until(&stage, has_noted(&cast, "sequence 47"));
    cr_assert_not(cast_said(&cast, "says nothing"));
    finish(&stage, &cast);
}

/* F8: it is killed, and comes back. */
Test(node, restarted_worker_offers_what_it_made) {
    static struct cast cast;
    struct stage stage;
    char path[STAGE_PATH];
    char stray[STAGE_PATH];
    begin(&stage, &cast, &sum_play);
    stage_map(&stage, 0, 0, 1, 1);
    stage_map(&stage, 0, 1, 1, 1);
    uint64_t incarnation = stage.seats[0].incarnation;
    cast_end(&stage, &cast);
    stage_job_path(&cast, "own/map-0-1-1", path); /* one was cut off by the fall */
    cr_assert_eq(truncate(path, 100), 0);
    stage_job_path(&cast, "map-0-0-9", stray);
    stage_write(stray, "half of an attempt's");
    cast_start(&stage, &cast);
    cr_assert_neq(stage.seats[0].incarnation, incarnation);
    cr_assert_eq(stage.seats[0].held_count, 1u);
    cr_assert_eq(stage.seats[0].held[0].task, 0u);
    cr_assert(!is_there(path) && !is_there(stray));
    stage_job_path(&cast, "map-0-0-1", path);
    cr_assert(is_there(path));
    stage_forget(&stage, 0, &cast); /* by its id: no JOB came on this connection */
    finish(&stage, &cast);
}

/* F7: the master's journal is an old backup. What it saw the worker tells; refused, it asks again
 * and says so once; it goes on by itself when the right one is there, or by an operator's word. */
Test(node, older_journal_is_refused) {
    static struct cast cast;
    struct stage stage;
    const struct seat *seat = &stage.seats[0];
    stage_open(&stage);
    cast_prepare(&stage, &cast, "one");
    cast_start(&stage, &cast);
    cr_assert_eq(seat->saw.epoch, 0u);
    stage.sequence += 7; /* which the next renewal tells */
    stage_until(&stage, has_noted(&cast, "sequence 47"));
    cast_end(&stage, &cast);
    stage.refuses = "the journal is older than it was";
    unsigned before = seat->registrations;
    atomic_store(&cast.is_ready, false);
    cr_assert_eq(pthread_create(&cast.thread, NULL, cast_main, &cast), 0);
    stage_until(&stage, seat->registrations > before + 3); /* again and again */
    cr_assert_eq(seat->saw.epoch, 3u);
    cr_assert_eq(seat->saw.start, stage.start);
    cr_assert_eq(seat->saw.sequence, 47u);
    cr_assert_eq(cast_count(&cast, "the journal is older than it was; trying again"), 1u);
    cr_assert(!atomic_load(&cast.is_ready));
    stage.refuses = NULL;
    stage_until(&stage, atomic_load(&cast.is_ready));
    cast_end(&stage, &cast);
    stage.refuses = "the journal is older than it was";
    stage.start++; /* as another journal has it */
    stage.sequence = 5;
    cast.options.accept_older_journal = true;
    cast_start(&stage, &cast);
    cast_end(&stage, &cast);
    cast.options.accept_older_journal = false; /* it is of this one now */
    stage.refuses = NULL;
    cast_start(&stage, &cast);
    cr_assert_eq(seat->saw.start, stage.start);
    cr_assert_eq(seat->saw.sequence, 5u);
    finish(&stage, &cast);
}

/* Writes over bytes of a file. */
static void spoil(const char *path, const char *old, const char *text) {
    struct mr_buffer bytes = {0};
    stage_read(path, &bytes);
    char *at = memmem(bytes.data, bytes.len, old, strlen(old));
    cr_assert_not_null(at, "%s", path);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    cr_assert_eq(pwrite(fd, text, strlen(text), at - bytes.data), (ssize_t)strlen(text));
    (void)close(fd);
    mr_buffer_fini(&bytes);
}

static void check_file_has(const char *path, const char *text) {
    struct mr_buffer bytes = {0};
    stage_read(path, &bytes);
    cr_assert_not_null(memmem(bytes.data, bytes.len, text, strlen(text)), "%s", path);
    mr_buffer_fini(&bytes);
}

/* F26: what the disk spoiled while the worker was down is not what was submitted. */
Test(node, spoiled_spec_comes_anew) {
    static struct cast cast;
    struct stage stage;
    char path[STAGE_PATH];
    begin(&stage, &cast, &sum_play);
    stage_map(&stage, 0, 0, 1, 1);
    cast_end(&stage, &cast);
    stage_job_path(&cast, "spec", path);
    spoil(path, "a test", "b test");
    cast_start(&stage, &cast);
    stage_send_job(&stage, 0);
    stage_map(&stage, 0, 1, 1, 1);
    check_file_has(path, "a test");
    finish(&stage, &cast);
}

Test(node, spoiled_plugin_comes_anew) {
    static struct cast cast;
    struct stage stage;
    char path[STAGE_PATH];
    begin(&stage, &cast, &sum_play);
    stage_map(&stage, 0, 0, 1, 1);
    cast_end(&stage, &cast);
    stage_job_path(&cast, "code/job.so", path);
    spoil(path, "\177ELF", "gone");
    cast_start(&stage, &cast);
    cr_assert_eq(stage.seats[0].held_count, 1u); /* what it made is well */
    stage_send_job(&stage, 0);
    stage_map(&stage, 0, 1, 1, 1);
    check_file_has(path, "\177ELF");
    finish(&stage, &cast);
}

/* What could not be had once, for want of room perhaps, is asked for with the next attempt. */
Test(node, what_a_job_lacked_is_asked_for_again) {
    static struct cast cast;
    struct stage stage;
    struct heard heard;
    stage_open(&stage);
    stage_plan(&stage, &sum_play);
    stage.blobs[0].hash.high ^= 1; /* the plugin: the master does not find it */
    cast_prepare(&stage, &cast, "one");
    cast_start(&stage, &cast);
    stage_send_job(&stage, 0);
    stage_start(&stage, 0, 0, 0, 1, 1);
    stage_hear(&stage, 0, MR_WIRE_FAILED, &heard);
    cr_assert_eq(heard.any.failed_.is_fatal, 0u);
    mr_layout_release(&heard.held);
    stage_answer(&stage, 0, 0, 0, 1, false);
    stage.blobs[0].hash.high ^= 1;
    stage_start(&stage, 0, 0, 0, 2, 1);
    stage_until(&stage,
                stage_find(&stage, 0, MR_WIRE_DONE) || stage_find(&stage, 0, MR_WIRE_FAILED));
    cr_assert_null(stage_find(&stage, 0, MR_WIRE_FAILED));
    finish(&stage, &cast);
}

/* A job that ended while the worker was away: it holds nothing of it, but its code and its logs. */
Test(node, jobs_of_which_nothing_is_held_are_named) {
    static struct cast cast;
    struct stage stage;
    struct heard heard;
    char path[STAGE_PATH];
    begin(&stage, &cast, &sum_play);
    stage_start(&stage, 0, 0, 0, 1, 1);
    stage_hear(&stage, 0, MR_WIRE_DONE, &heard);
    mr_layout_release(&heard.held);
    stage_answer(&stage, 0, 0, 0, 1, false);
    stage_job_path(&cast, "map-0-0-1", path);
    stage_until(&stage, !is_there(path));
    mr_conn_drop(stage.seats[0].conn, NULL);
    stage_until(&stage, stage.seats[0].registrations == 2);
    cr_assert_eq(stage.seats[0].held_count, 1u);
    cr_assert_eq(stage.seats[0].held[0].phase, 2u);
    cr_assert_eq(stage.seats[0].held[0].attempt, 0u);
    stage_forget(&stage, 0, &cast); /* by its id: no JOB came on this connection */
    mr_conn_drop(stage.seats[0].conn, NULL);
    stage_until(&stage, stage.seats[0].registrations == 3);
    cr_assert_eq(stage.seats[0].held_count, 0u);
    finish(&stage, &cast);
}

/* F1: the master goes and comes back: what runs runs on. */
Test(node, attempts_outlive_a_master) {
    static struct cast cast;
    struct stage stage;
    struct heard heard;
    char began[STAGE_PATH];
    char go[STAGE_PATH];
    begin_waiting(&stage, &cast, began);
    stage_start(&stage, 0, 0, 0, 1, 1);
    stage_until(&stage, is_there(began));
    uint64_t incarnation = stage.seats[0].incarnation;
    mr_listener_close(stage.listener);
    mr_conn_drop(stage.seats[0].conn, NULL);
    stage_until(&stage, stage.listener_closed && !stage.seats[0].conn);
    snprintf(go, sizeof go, "%s/go", stage.dir);
    stage_write(go, "");
    stage_until(&stage, cast_said(&cast, "trying again"));
    stage.epoch++;
    stage_listen(&stage);
    stage_until(&stage, stage.seats[0].registrations == 2);
    cr_assert_eq(stage.seats[0].incarnation, incarnation);
    stage_hear(&stage, 0, MR_WIRE_DONE, &heard);
    mr_layout_release(&heard.held);
    finish(&stage, &cast);
}

/* ---- beginning and ending ---------------------------------------------------------------------*/

Test(node, drains_and_ends) {
    static struct cast cast;
    struct stage stage;
    struct heard heard;
    stage_open(&stage);
    cast_prepare(&stage, &cast, "one");
    cast_start(&stage, &cast);
    mr_node_end(&cast.stop, false);
    stage_hear(&stage, 0, MR_WIRE_LEAVE, &heard);
    mr_layout_release(&heard.held);
    cr_assert(!atomic_load(&cast.has_ended));
    struct mr_wire_drained drained = {.node = 0};
    stage_send(&stage, 0, MR_WIRE_DRAINED, &drained);
    cast_join(&stage, &cast);
    cast.options.drain_timeout_ms = 20; /* nobody lets it go: it goes by itself */
    cast_start(&stage, &cast);
    mr_node_end(&cast.stop, false);
    cast_join(&stage, &cast);
    stage_close(&stage);
}

Test(node, refusal_to_start_names_all_reasons) {
    struct mr_error err = {0};
    struct stage stage;
    static struct cast cast;
    stage_open(&stage);
    cast_prepare(&stage, &cast, "one");
    cast_start(&stage, &cast);
    struct mr_node_options options = cast.options;
    options.secret = "/nowhere/key";
    options.master = "nonsense";
    options.name = "two"; /* on the scratch of the first */
    cr_assert(mr_node_run(&options, NULL, &err) != 0);
    cr_assert(strstr(err.text, "/nowhere/key"), "%s", err.text);
    cr_assert(strstr(err.text, "nonsense"), "%s", err.text);
    cr_assert(strstr(err.text, "is held by another worker"), "%s", err.text);
    finish(&stage, &cast);
}

Test(node, unnamed_worker_finds_its_folder_again) {
    static struct cast cast;
    struct stage stage;
    char name[64];
    stage_open(&stage);
    cast_prepare(&stage, &cast, "one");
    cast.options.name = NULL;
    cast.options.scratch = NULL;
    setenv("TMPDIR", stage.dir, 1);
    cast_start(&stage, &cast);
    snprintf(name, sizeof name, "%s", stage.seats[0].name);
    cr_assert(strstr(name, "-mapper-"), "%s", name);
    cast_end(&stage, &cast);
    cast_start(&stage, &cast);
    cast_end(&stage, &cast);
    cr_assert_eq(stage.seats[0].registrations, 2u);
    unsetenv("TMPDIR");
    stage_close(&stage);
}
