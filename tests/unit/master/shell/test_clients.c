/* test_clients: the master: what people ask: jobs, nodes, cancel, drain, collect; what it refuses.
 */
#include "play.h"

static const struct job_plan plain = {
    .rounds = 1, .partitions = 1, .splits = 2, .output = "/out/dir"};
static const struct job_plan collected = {.rounds = 1, .partitions = 1, .splits = 1};

static void ask_job(struct actor *client, const char *job, bool tasks, struct taken *taken) {
    struct mr_wire_ask_jobs ask = {job, tasks};
    actor_send(client, MR_WIRE_ASK_JOBS, &ask);
    actor_take(client, MR_WIRE_JOBS, taken);
}

static int result_of(struct actor *client) {
    struct taken taken;
    actor_take(client, MR_WIRE_RESULT, &taken);
    int status = -(int)taken.is.result_.status;
    taken_release(&taken);
    return status;
}

/* A job without workers waits, says why, and goes on when they come. */
Test(clients, waiting) {
    struct play play;
    struct actor client, mapper;
    struct mr_buffer spec = spec_of(&plain);
    struct taken taken;
    play_open(&play);
    play_submit(&play, &client, &spec);
    ask_job(&client, "0123", false, &taken);
    cr_assert_str_eq(taken.is.jobs_.jobs[0].state, "waiting");
    cr_assert_str_eq(taken.is.jobs_.jobs[0].why, "no worker is there");
    taken_release(&taken);
    worker_open(&mapper, &play, "m", 7, MR_CORE_MAPS, 1);
    mapper.does_all = true;
    struct mr_wire_start start = actor_start(&mapper);
    ask_job(&client, "1", true, &taken);
    cr_assert_str_eq(taken.is.jobs_.jobs[0].state, "running");
    cr_assert_eq(taken.is.jobs_.follows, 1);
    taken_release(&taken);
    actor_take(&client, MR_WIRE_JOBS, &taken);
    cr_assert_eq(taken.is.jobs_.tasks_count, 3);
    cr_assert_str_eq(taken.is.jobs_.tasks[0].state, "running");
    cr_assert_str_eq(taken.is.jobs_.tasks[0].node, "m");
    cr_assert_str_eq(taken.is.jobs_.tasks[2].state, "ready");
    taken_release(&taken);
    actor_expect(&client, MR_WIRE_JOBS);
    actor_done(&mapper, &start, 1);
    PLAY_UNTIL(&play, mapper.starts == 2);
    for (int i = 0; i < 2; i++) {
        actor_expect(&mapper, MR_WIRE_ANSWER);
    }
    ask_job(&client, "1", false, &taken);
    cr_assert_str_eq(taken.is.jobs_.jobs[0].state, "waiting");
    cr_assert_str_eq(taken.is.jobs_.jobs[0].why, "no reducer is there");
    cr_assert_eq(taken.is.jobs_.jobs[0].maps_done, 2);
    cr_assert_eq(taken.is.jobs_.jobs[0].bytes_done, 20);
    taken_release(&taken);
    struct mr_wire_ask_jobs none = {"77", 0};
    actor_send(&client, MR_WIRE_ASK_JOBS, &none);
    cr_assert_eq(result_of(&client), MR_ERR_USAGE);
    actor_close(&client);
    actor_close(&mapper);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* A cancelled job stops what runs, and ends as interrupted; a second time is too late. */
Test(clients, cancel) {
    struct play play;
    struct actor client, mapper;
    struct mr_buffer spec = spec_of(&plain);
    struct taken taken;
    struct mr_wire_cancel cancel = {"1"};
    play_open(&play);
    play_submit(&play, &client, &spec);
    client_follow(&client, "1");
    worker_open(&mapper, &play, "m", 7, MR_CORE_MAPS, 1);
    struct mr_wire_start start = actor_start(&mapper);
    actor_send(&client, MR_WIRE_CANCEL, &cancel);
    cr_assert_eq(result_of(&client), 0);
    actor_expect(&mapper, MR_WIRE_STOP);
    struct mr_wire_failed stopped = {
        .job = 1, .task = start.task, .attempt = 1, .status = 6, .is_stopped = 1, .why = "stopped"};
    actor_send(&mapper, MR_WIRE_FAILED, &stopped);
    actor_take(&client, MR_WIRE_ENDED, &taken);
    cr_assert_eq(-(int)taken.is.ended_.jobs[0].status, MR_ERR_INTERRUPTED);
    cr_assert_str_eq(taken.is.ended_.jobs[0].why, "it was cancelled");
    taken_release(&taken);
    actor_expect(&mapper, MR_WIRE_FORGET);
    actor_send(&client, MR_WIRE_CANCEL, &cancel);
    cr_assert_eq(result_of(&client), MR_ERR_USAGE);
    actor_close(&client);
    actor_close(&mapper);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* The output is brought to the client; a part that can't be had is made again. */
Test(clients, collect) {
    struct play play;
    struct actor client, worker;
    struct mr_buffer spec = spec_of(&collected);
    struct taken taken;
    struct mr_wire_collect collect = {"1"};
    play_open(&play);
    play_submit(&play, &client, &spec);
    actor_send(&client, MR_WIRE_COLLECT, &collect);
    worker_open(&worker, &play, "w", 7, MR_CORE_DOES_BOTH, 2);
    worker.does_all = true;
    struct mr_wire_start start = actor_start(&worker);
    actor_work(&worker, &start);
    actor_take(&client, MR_WIRE_PARTS, &taken);
    cr_assert_eq(taken.is.parts_.parts_count, 1);
    cr_assert_eq(taken.is.parts_.parts[0].node, worker.node);
    cr_assert_eq(taken.is.parts_.parts[0].attempt, 1);
    taken_release(&taken);
    actor_take(&client, MR_WIRE_PEER, &taken);
    cr_assert_str_eq(taken.is.peer_.address, "127.0.0.1:1");
    taken_release(&taken);
    struct mr_wire_collected lost = {
        .job = "1", .status = 4, .why = "no", .has_lost = 1, .lost_task = 0, .lost_attempt = 1};
    actor_send(&client, MR_WIRE_COLLECTED, &lost);
    actor_take(&client, MR_WIRE_PARTS, &taken);
    cr_assert_eq(taken.is.parts_.parts[0].attempt, 2);
    taken_release(&taken);
    struct mr_wire_collected done = {.job = "1"};
    actor_send(&client, MR_WIRE_COLLECTED, &done);
    actor_take(&client, MR_WIRE_ENDED, &taken);
    cr_assert_eq(taken.is.ended_.jobs[0].status, 0);
    taken_release(&taken);
    actor_close(&client);
    actor_close(&worker);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* A node that drains gets nothing new; one that leaves is let go when nothing of it is needed. */
Test(clients, drain) {
    struct play play;
    struct actor client, mapper, reducer;
    struct mr_buffer spec = spec_of(&plain);
    struct taken taken;
    struct mr_wire_drain drain = {"m", 0};
    struct mr_wire_ask_nodes ask = {0};
    struct mr_wire_leave leave = {"SIGTERM"};
    play_open(&play);
    play_start_master(&play);
    actor_open(&client, &play, MR_NET_CLIENT);
    worker_open(&mapper, &play, "m", 7, MR_CORE_MAPS, 1);
    mapper.does_all = true;
    actor_send(&client, MR_WIRE_DRAIN, &drain);
    cr_assert_eq(result_of(&client), 0);
    actor_send(&client, MR_WIRE_ASK_NODES, &ask);
    actor_take(&client, MR_WIRE_NODES, &taken);
    cr_assert_eq(taken.is.nodes_.nodes_count, 1);
    cr_assert_str_eq(taken.is.nodes_.nodes[0].state, "draining");
    taken_release(&taken);
    (void)client_submit(&client, ID_A, &spec);
    actor_sync(&client);
    cr_assert_eq(mapper.starts, 0);
    drain.back = 1;
    actor_send(&client, MR_WIRE_DRAIN, &drain);
    cr_assert_eq(result_of(&client), 0);
    for (int i = 0; i < 2; i++) {
        actor_expect(&mapper, MR_WIRE_ANSWER);
    }
    actor_send(&mapper, MR_WIRE_LEAVE, &leave);
    actor_sync(&client);
    cr_assert(!actor_has(&mapper, MR_WIRE_DRAINED)); /* its outputs are needed */
    worker_open(&reducer, &play, "r", 7, MR_CORE_REDUCES, 1);
    reducer.does_all = true;
    struct mr_wire_start start = actor_start(&reducer);
    actor_work(&reducer, &start);
    actor_expect(&mapper, MR_WIRE_DRAINED);
    actor_close(&mapper);
    do {
        actor_send(&client, MR_WIRE_ASK_NODES, &ask);
        actor_take(&client, MR_WIRE_NODES, &taken);
        if (taken.is.nodes_.nodes_count == 1) {
            break;
        }
        taken_release(&taken);
    } while (true);
    cr_assert_str_eq(taken.is.nodes_.nodes[0].name, "r");
    taken_release(&taken);
    actor_close(&client);
    actor_close(&reducer);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* What it does not take: a job whose blobs can't be had, that is malformed, under a wrong id. */
Test(clients, refused) {
    struct play play;
    struct actor client;
    struct job_plan bad = plain;
    bad.partitions = 0;
    struct mr_buffer spec = spec_of(&bad);
    struct mr_hash_128 hash = mr_hash_xxh3_128(spec.data, spec.len);
    struct mr_wire_submit submit = {"short", hash.high, hash.low};
    play_open(&play);
    play_start_master(&play);
    actor_open(&client, &play, MR_NET_CLIENT);
    client.does_all = true;
    actor_send(&client, MR_WIRE_SUBMIT, &submit);
    cr_assert_eq(result_of(&client), MR_ERR_USAGE);
    client.blobs[client.blob_count++] = (struct mr_bytes){spec.data, spec.len};
    submit.id = ID_A;
    actor_send(&client, MR_WIRE_SUBMIT, &submit);
    cr_assert_neq(result_of(&client), 0);
    submit.spec_low++; /* which the client can't give */
    actor_send(&client, MR_WIRE_SUBMIT, &submit);
    PLAY_UNTIL(&play, client.is_closed);
    actor_close(&client);
    actor_open(&client, &play, MR_NET_CLIENT); /* others are not touched by that */
    actor_sync(&client);
    actor_register(&client, "m", 7, MR_CORE_MAPS, 1, NULL, 0); /* not for a client to say */
    PLAY_UNTIL(&play, client.is_closed);
    actor_close(&client);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* Whoever publishes is lost: another does it; one that fails: another tries. */
Test(clients, publish) {
    struct play play;
    struct actor client, workers[2];
    struct mr_buffer spec = spec_of(&plain);
    struct taken taken;
    play_open(&play);
    play_submit(&play, &client, &spec);
    client_follow(&client, "1");
    worker_open(&workers[0], &play, "w0", 7, MR_CORE_DOES_BOTH, 2);
    for (int i = 0; i < 2; i++) {
        struct mr_wire_start start = actor_start(&workers[0]);
        actor_work(&workers[0], &start);
    }
    workers[0].is_mute = false;
    struct mr_wire_start reduce = actor_start(&workers[0]);
    PLAY_UNTIL(&play, actor_knows_all(&workers[0], 0));
    actor_work(&workers[0], &reduce);
    actor_expect(&workers[0], MR_WIRE_PUBLISH);
    worker_open(&workers[1], &play, "w1", 7, MR_CORE_DOES_BOTH, 2);
    actor_close(&workers[0]);
    worker_open(&workers[0], &play, "w0", 8, MR_CORE_DOES_BOTH, 2); /* a new life */
    actor_take(&workers[1], MR_WIRE_PUBLISH, &taken);
    cr_assert_eq(taken.is.publish_.parts_count, 1);
    taken_release(&taken);
    struct mr_wire_published failed = {.job = 1, .status = 4, .why = "no space"};
    actor_send(&workers[1], MR_WIRE_PUBLISHED, &failed);
    actor_expect(&workers[0], MR_WIRE_PUBLISH);
    struct mr_wire_published published = {.job = 1};
    actor_send(&workers[1], MR_WIRE_PUBLISHED, &failed); /* not its business any more */
    actor_send(&workers[0], MR_WIRE_PUBLISHED, &published);
    actor_take(&client, MR_WIRE_ENDED, &taken);
    cr_assert_eq(taken.is.ended_.jobs[0].status, 0);
    taken_release(&taken);
    actor_close(&client);
    actor_close(&workers[0]);
    actor_close(&workers[1]);
    play_close(&play);
    mr_buffer_fini(&spec);
}
