/* test_failures: the master: attempts that fail: causes, logs, bad records, memory; outputs that
 * are lost. */
#include "play.h"

static void fail(struct actor *worker, const struct mr_wire_start *start,
                 const struct mr_wire_failed *how) {
    struct mr_wire_failed failed = *how;
    failed.job = start->job;
    failed.round = start->round;
    failed.phase = start->phase;
    failed.task = start->task;
    failed.attempt = start->attempt;
    failed.status = 1;
    actor_send(worker, MR_WIRE_FAILED, &failed);
}

/* The first cause is told, with task, attempt and node, and the end of the log, which is kept. */
Test(failures, cause) {
    static const struct job_plan plan = {
        .rounds = 1, .partitions = 1, .splits = 1, .output = "/o/d", .max_attempts = 2};
    struct play play;
    struct actor client, worker;
    struct mr_buffer spec = spec_of(&plan);
    struct taken taken;
    play_open(&play);
    play_submit(&play, &client, &spec);
    client_follow(&client, "1");
    worker_open(&worker, &play, "worker-1", 7, MR_CORE_MAPS, 1);
    worker.does_all = worker.is_mute = true;
    struct mr_wire_start start = actor_start(&worker);
    struct mr_wire_failed first = {.why = "/data/input:123: what is this?"};
    fail(&worker, &start, &first);
    start = actor_start(&worker);
    play_stop_master(&play); /* what was said first is remembered */
    play_start_master(&play);
    actor_close(&worker);
    actor_close(&client);
    actor_open(&client, &play, MR_NET_CLIENT);
    client_follow(&client, "1");
    worker_open(&worker, &play, "worker-1", 7, MR_CORE_MAPS, 1);
    worker.does_all = worker.is_mute = true;
    start = actor_start(&worker);
    cr_assert_eq(start.attempt, 2);
    struct mr_wire_failed second = {.why = "something else"};
    fail(&worker, &start, &second);
    actor_take(&client, MR_WIRE_ENDED, &taken);
    const struct mr_wire_row_job_line *line = &taken.is.ended_.jobs[0];
    cr_assert_eq(line->status, 1);
    cr_assert_not_null(strstr(line->why, "/data/input:123: what is this?"), "%s", line->why);
    cr_assert_not_null(strstr(line->why, "map task 0, attempt 1, on \"worker-1\""), "%s",
                       line->why);
    cr_assert_str_eq(taken.is.ended_.log, "what it said\nlast\n");
    taken_release(&taken);
    struct mr_wire_ask_log ask = {.job = "1", .phase = 3};
    actor_send(&client, MR_WIRE_ASK_LOG, &ask);
    actor_take(&client, MR_WIRE_LOG, &taken);
    cr_assert_eq(taken.is.log_.bytes.len, 18);
    cr_assert_str_eq(taken.is.log_.node, "worker-1");
    taken_release(&taken);
    actor_close(&client);
    actor_close(&worker);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* A bad record is found in steps that don't count, and set aside; a restart forgets none. */
Test(failures, bad_record) {
    static const struct job_plan plan = {
        .rounds = 1, .partitions = 1, .splits = 1, .output = "/o/d", .max_attempts = 1, .skip = 1};
    struct play play;
    struct actor client, worker, reducer;
    struct mr_buffer spec = spec_of(&plan);
    struct taken taken;
    play_open(&play);
    play_submit(&play, &client, &spec);
    worker_open(&worker, &play, "w", 7, MR_CORE_MAPS, 1);
    struct mr_wire_start start = actor_start(&worker);
    cr_assert_eq(start.care_block, UINT64_MAX);
    struct mr_wire_failed block = {.has_place = 1, .block = 100, .offset = 150, .is_crash = 1};
    fail(&worker, &start, &block);
    struct mr_wire_failed exact = {
        .has_place = 1, .is_exact = 1, .block = 100, .offset = 150, .is_crash = 1};
    for (int i = 0; i < 2; i++) {
        start = actor_start(&worker);
        cr_assert_eq(start.care_block, 100);
        fail(&worker, &start, &exact);
    }
    actor_take(&worker, MR_WIRE_START, &taken);
    cr_assert_eq(taken.is.start_.skips_count, 1);
    cr_assert_eq(taken.is.start_.skips[0].value, 150);
    taken_release(&taken);
    play_stop_master(&play);
    play_start_master(&play);
    actor_close(&worker);
    worker_open(&worker, &play, "w", 7, MR_CORE_MAPS, 1);
    actor_take(&worker, MR_WIRE_START, &taken);
    cr_assert_eq(taken.is.start_.skips_count, 1);
    start = taken.is.start_;
    start.skips = NULL;
    taken_release(&taken);
    struct mr_wire_row_aside aside = {150, 8, {"bad line", 8}};
    struct mr_account account = {.attempt = (uint32_t)start.attempt,
                                 .records_read = 3,
                                 .records_mapped = 2,
                                 .records_skipped = 1,
                                 .emitted = 2,
                                 .output_records = 2};
    struct mr_buffer bytes = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_account_put(&account, &bytes, &err), 0);
    struct mr_wire_done done = {.job = 1,
                                .attempt = start.attempt,
                                .account = {bytes.data, bytes.len},
                                .aside = &aside,
                                .aside_count = 1};
    actor_send(&worker, MR_WIRE_DONE, &done);
    mr_buffer_fini(&bytes);
    worker_open(&reducer, &play, "r", 7, MR_CORE_REDUCES, 1);
    start = actor_start(&reducer);
    account = (struct mr_account){.attempt = 1, .pairs_reduced = 2};
    cr_assert_eq(mr_account_put(&account, &bytes, &err), 0);
    struct mr_wire_done reduced = {
        .job = 1, .phase = 1, .attempt = 1, .account = {bytes.data, bytes.len}};
    PLAY_UNTIL(&play, actor_knows_all(&reducer, 0));
    actor_send(&reducer, MR_WIRE_DONE, &reduced);
    mr_buffer_fini(&bytes);
    actor_take(&reducer, MR_WIRE_PUBLISH, &taken); /* the books balance with what was set aside */
    struct mr_hash_128 side = mr_hash_xxh3_128("/data/input\t150\tbad line\n", 25);
    cr_assert_eq(taken.is.publish_.aside_high, side.high);
    taken_release(&taken);
    actor_close(&client);
    actor_close(&worker);
    actor_close(&reducer);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* An attempt that used too much memory is tried with half the buffers, once. */
Test(failures, memory) {
    static const struct job_plan plan = {
        .rounds = 1, .partitions = 1, .splits = 1, .output = "/o/d", .max_attempts = 9};
    struct play play;
    struct actor client, worker;
    struct mr_buffer spec = spec_of(&plan);
    struct taken taken;
    struct mr_wire_failed memory = {.is_memory = 1, .why = "used more than 20 MiB"};
    play_open(&play);
    play_submit(&play, &client, &spec);
    client_follow(&client, "1");
    worker_open(&worker, &play, "w", 7, MR_CORE_MAPS, 1);
    worker.does_all = worker.is_mute = true;
    struct mr_wire_start start = actor_start(&worker);
    cr_assert_eq(start.memory_shift, 0);
    fail(&worker, &start, &memory);
    start = actor_start(&worker);
    cr_assert_eq(start.memory_shift, 1);
    fail(&worker, &start, &memory);
    actor_take(&client, MR_WIRE_ENDED, &taken);
    cr_assert_not_null(strstr(taken.is.ended_.jobs[0].why, "20 MiB"));
    taken_release(&taken);
    actor_close(&client);
    actor_close(&worker);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* An attempt whose process spoke as none does is no failure of the job's code; but code that breaks
 * all of them is. */
Test(failures, broken) {
    static const struct job_plan plan = {
        .rounds = 1, .partitions = 1, .splits = 1, .output = "/o/d", .max_attempts = 2};
    struct play play;
    struct actor client, worker;
    struct mr_buffer spec = spec_of(&plan);
    struct taken taken;
    struct mr_wire_failed broken = {.is_broken = 1, .why = "it answered what nobody asked"};
    play_open(&play);
    play_submit(&play, &client, &spec);
    client_follow(&client, "1");
    worker_open(&worker, &play, "w", 7, MR_CORE_MAPS, 1);
    worker.does_all = worker.is_mute = true;
    for (uint64_t i = 1; i <= 10; i++) {
        struct mr_wire_start start = actor_start(&worker);
        cr_assert_eq(start.attempt, i);
        fail(&worker, &start, &broken);
        fail(&worker, &start, &broken); /* said twice it is one */
    }
    actor_take(&client, MR_WIRE_ENDED, &taken);
    cr_assert_not_null(strstr(taken.is.ended_.jobs[0].why, "what nobody asked"));
    cr_assert_not_null(strstr(taken.is.ended_.jobs[0].why, "attempt 9"), "%s",
                       taken.is.ended_.jobs[0].why); /* the first that counts */
    taken_release(&taken);
    actor_close(&client);
    actor_close(&worker);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* A map output that two reduce attempts can't read is made again, and they are told. */
Test(failures, output_lost) {
    static const struct job_plan plan = {
        .rounds = 1, .partitions = 1, .splits = 1, .output = "/o/d"};
    struct play play;
    struct actor client, mapper, reducer;
    struct mr_buffer spec = spec_of(&plan);
    play_open(&play);
    play_submit(&play, &client, &spec);
    client_follow(&client, "1");
    worker_open(&mapper, &play, "m", 7, MR_CORE_MAPS, 1);
    worker_open(&reducer, &play, "r", 7, MR_CORE_REDUCES, 1);
    struct mr_wire_start map = actor_start(&mapper);
    actor_done(&mapper, &map, 1);
    for (uint64_t i = 1; i <= 2; i++) {
        struct mr_wire_start start = actor_start(&reducer);
        cr_assert_eq(start.attempt, i);
        PLAY_UNTIL(&play, actor_knows_all(&reducer, 0));
        struct mr_wire_lost lost = {.job = 1,
                                    .phase = 1,
                                    .attempt = i,
                                    .lost_attempt = 1,
                                    .is_damaged = 1,
                                    .why = "its block 0 is damaged"};
        actor_send(&reducer, MR_WIRE_LOST, &lost);
        actor_expect(&reducer, MR_WIRE_ANSWER);
    }
    map = actor_start(&mapper);
    cr_assert_eq(map.attempt, 2);
    PLAY_UNTIL(&play, !actor_knows_all(&reducer, 0)); /* withdrawn */
    mapper.does_all = reducer.does_all = true;
    actor_done(&mapper, &map, 1);
    struct mr_wire_start start = actor_start(&reducer);
    actor_work(&reducer, &start);
    actor_expect(&client, MR_WIRE_ENDED);
    actor_close(&client);
    actor_close(&mapper);
    actor_close(&reducer);
    play_close(&play);
    mr_buffer_fini(&spec);
}
