/* test_peers: the master: peers that err, that stop in the middle, or go behind another's back. */
#include "play.h"

#include <dirent.h>

static const struct job_plan plain = {
    .rounds = 1, .partitions = 1, .splits = 1, .output = "/out/dir"};
static const struct job_plan collected = {.rounds = 1, .partitions = 1, .splits = 1};

#ifndef MR_TEST_IN_PROCESS /* a million slots are too many for a sanitizer */

/* A worker that the scheduler can't take in leaves no gap in the journal's list of nodes. */
Test(peers, turned_away) {
    struct play play;
    struct actor many, small;
    char name[16];
    play_open(&play);
    play_start_master(&play);
    actor_open(&many, &play, MR_NET_MAPPER);
    for (unsigned i = 0; i < MR_CORE_SLOTS_ALL_MAX / MR_CORE_SLOTS_MAX; i++) {
        snprintf(name, sizeof name, "w%u", i);
        actor_register(&many, name, i + 1, MR_CORE_MAPS, MR_CORE_SLOTS_MAX, NULL, 0);
        actor_registered(&many);
    }
    actor_register(&many, "too many", 5000, MR_CORE_MAPS, MR_CORE_SLOTS_MAX, NULL, 0);
    PLAY_UNTIL(&play, many.is_closed);
    actor_close(&many);
    worker_open(&many, &play, "w0", 6000, MR_CORE_MAPS, 1); /* there is room again */
    worker_open(&small, &play, "small", 7000, MR_CORE_MAPS, 1);
    uint32_t number = small.node;
    actor_close(&many);
    actor_close(&small);
    play_stop_master(&play);
    play_start_master(&play);
    worker_open(&small, &play, "small", 7001, MR_CORE_MAPS, 1);
    cr_assert_eq(small.node, number);
    actor_close(&small);
    play_close(&play);
}

#endif

/* What a worker says of an attempt that another runs does not take that attempt from it. */
Test(peers, not_its_own) {
    struct play play;
    struct actor client, own, other;
    struct mr_buffer spec = spec_of(&plain);
    struct mr_wire_heartbeat heartbeat = {.number = 1};
    struct taken taken;
    play_open(&play);
    play_submit(&play, &client, &spec);
    worker_open(&own, &play, "own", 7, MR_CORE_MAPS, 1);
    struct mr_wire_start start = actor_start(&own);
    actor_close(&own);
    worker_open(&other, &play, "other", 8, MR_CORE_MAPS, 1);
    actor_done(&other, &start, 1);
    actor_take(&other, MR_WIRE_ANSWER, &taken);
    cr_assert_eq(taken.is.answer_.is_accepted, 0);
    taken_release(&taken);
    worker_open(&own, &play, "own", 7, MR_CORE_MAPS, 1);
    actor_send(&own, MR_WIRE_HEARTBEAT, &heartbeat);
    actor_expect(&own, MR_WIRE_RENEWED);
    cr_assert(actor_has(&own, MR_WIRE_START));
    actor_close(&client);
    actor_close(&own);
    actor_close(&other);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* A list of what a worker holds takes time in its length, in whatever order it is. */
Test(peers, holds_much) {
    enum { ROWS = 8192, MESSAGES = MR_TEST_FEWER(24, 3) };
    struct play play;
    struct actor worker;
    static struct mr_wire_row_held rows[ROWS];
    static char ids[ROWS][MR_WIRE_ID_MAX];
    struct mr_wire_more_held more = {.held = rows, .held_count = ROWS, .held_follows = 1};
    struct mr_wire_register said = {.incarnation = 7,
                                    .identity = 1,
                                    .name = "w",
                                    .host = "host",
                                    .roles = MR_CORE_MAPS,
                                    .slots = 1,
                                    .address = "127.0.0.1:1",
                                    .scratch = "/nowhere",
                                    .held_follows = 1};
    play_open(&play);
    play_start_master(&play);
    actor_open(&worker, &play, MR_NET_MAPPER);
    actor_send(&worker, MR_WIRE_REGISTER, &said);
    for (unsigned message = 0; message < MESSAGES; message++) {
        for (unsigned i = 0; i < ROWS; i++) { /* each of a job of its own, which nobody knows */
            snprintf(ids[i], sizeof ids[i], "%032x", message * ROWS + i);
            rows[i] = (struct mr_wire_row_held){.id = ids[i], .attempt = 1};
        }
        more.held_follows = message + 1 < MESSAGES;
        actor_send(&worker, MR_WIRE_MORE_HELD, &more);
    }
    actor_registered(&worker);
    for (unsigned i = 0; i < MESSAGES * ROWS; i++) {
        actor_expect(&worker, MR_WIRE_FORGET);
    }
    actor_close(&worker);
    play_close(&play);
}

static uint64_t parts_attempt(struct actor *client) {
    struct taken taken;
    actor_take(client, MR_WIRE_PARTS, &taken);
    cr_assert_eq(taken.is.parts_.parts_count, 1);
    uint64_t attempt = taken.is.parts_.parts[0].attempt;
    taken_release(&taken);
    return attempt;
}

/* Runs a job until its parts were offered; then its worker begins anew and holds nothing. */
static void lose_parts(struct play *play, struct actor *client, struct actor *worker,
                       const struct mr_buffer *spec) {
    struct mr_wire_collect collect = {"1"};
    play_open(play);
    play_start_master(play);
    actor_open(client, play, MR_NET_CLIENT);
    (void)client_submit(client, ID_A, spec);
    actor_send(client, MR_WIRE_COLLECT, &collect);
    worker_open(worker, play, "w", 7, MR_CORE_DOES_BOTH, 2);
    worker->does_all = true;
    struct mr_wire_start start = actor_start(worker);
    actor_work(worker, &start);
    cr_assert_eq(parts_attempt(client), 1);
    actor_close(worker);
    worker_open(worker, play, "w", 8, MR_CORE_DOES_BOTH, 2);
}

static void do_again(struct actor *worker) {
    struct mr_wire_start start = actor_start(worker);
    worker->does_all = true;
    actor_work(worker, &start);
    while (actor_has(worker, MR_WIRE_START)) {
        start = actor_start(worker);
        actor_work(worker, &start);
    }
}

/* Parts that were lost after they were offered are offered again when they were made again. */
Test(peers, parts_again) {
    struct play play;
    struct actor client, worker;
    struct mr_buffer spec = spec_of(&collected);
    struct mr_wire_collected done = {.job = "1"};
    lose_parts(&play, &client, &worker, &spec);
    do_again(&worker);
    cr_assert_eq(parts_attempt(&client), 2);
    actor_send(&client, MR_WIRE_COLLECTED, &done);
    actor_expect(&client, MR_WIRE_ENDED);
    actor_close(&client);
    actor_close(&worker);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* A client that has all, and says so while a part is made again, need not collect it. */
Test(peers, collected_meanwhile) {
    struct play play;
    struct actor client, worker;
    struct mr_buffer spec = spec_of(&collected);
    struct mr_wire_collected done = {.job = "1"};
    struct taken taken;
    lose_parts(&play, &client, &worker, &spec);
    actor_send(&client, MR_WIRE_COLLECTED, &done);
    actor_sync(&client);
    cr_assert(!actor_has(&client, MR_WIRE_ENDED));
    do_again(&worker);
    actor_take(&client, MR_WIRE_ENDED, &taken);
    cr_assert_eq(taken.is.ended_.jobs[0].status, 0);
    taken_release(&taken);
    actor_close(&client);
    actor_close(&worker);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* An output whose parts vanish whenever they are to be put in place is given up, with that reason.
 */
Test(peers, parts_vanish) {
    struct play play;
    struct actor client, worker;
    struct mr_buffer spec = spec_of(&plain);
    struct taken taken;
    int losses = 0;
    play_open(&play);
    play_submit(&play, &client, &spec);
    client_follow(&client, "1");
    worker_open(&worker, &play, "w", 7, MR_CORE_DOES_BOTH, 2);
    while (!actor_has(&client, MR_WIRE_ENDED)) {
        PLAY_UNTIL(&play, actor_has(&client, MR_WIRE_ENDED) || actor_has(&worker, MR_WIRE_START) ||
                              actor_has(&worker, MR_WIRE_PUBLISH));
        if (actor_has(&worker, MR_WIRE_START)) {
            struct mr_wire_start start = actor_start(&worker);
            actor_done(&worker, &start, 1);
        } else if (actor_has(&worker, MR_WIRE_PUBLISH)) {
            actor_take(&worker, MR_WIRE_PUBLISH, &taken);
            struct mr_wire_published lost = {.job = 1,
                                             .status = 4,
                                             .why = "a part is gone",
                                             .has_lost = 1,
                                             .lost_attempt = taken.is.publish_.parts[0].attempt};
            taken_release(&taken);
            actor_send(&worker, MR_WIRE_PUBLISHED, &lost);
            cr_assert_lt(++losses, 200);
        }
    }
    actor_take(&client, MR_WIRE_ENDED, &taken);
    cr_assert_eq(-(int)taken.is.ended_.jobs[0].status, MR_ERR_IO);
    cr_assert_not_null(strstr(taken.is.ended_.jobs[0].why, "a part is gone"));
    taken_release(&taken);
    actor_close(&client);
    actor_close(&worker);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* A client that was asked for a blob and has stopped does not hold up another that has it. */
Test(peers, stopped_in_the_middle) {
    struct play play;
    struct actor stopped, client;
    struct mr_buffer spec = spec_of(&plain);
    struct mr_hash_128 hash = mr_hash_xxh3_128(spec.data, spec.len);
    struct mr_wire_submit submit = {ID_B, hash.high, hash.low};
    play_open(&play);
    play.lease_ms = 300; /* three of them without a byte are too many */
    play_start_master(&play);
    actor_open(&stopped, &play, MR_NET_CLIENT);
    actor_send(&stopped, MR_WIRE_SUBMIT, &submit);
    actor_expect(&stopped, MR_WIRE_WANT);
    actor_open(&client, &play, MR_NET_CLIENT);
    (void)client_submit(&client, ID_A, &spec);
    PLAY_UNTIL(&play, stopped.is_closed);
    actor_close(&stopped);
    actor_close(&client);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* A worker that began to send what a turn made, and stopped, neither. */
Test(peers, turns_in_the_middle) {
    struct play play;
    struct actor stopped, client;
    struct mr_buffer spec = spec_of(&plain);
    struct mr_wire_heartbeat heartbeat = {.number = 1};
    struct mr_hash_128 hash = mr_hash_xxh3_128(spec.data, spec.len);
    struct mr_wire_blob head = {hash.high, hash.low, spec.len, 0};
    struct mr_error err = {0};
    play_open(&play);
    play.lease_ms = 300; /* three of them without a byte are too many */
    play_start_master(&play);
    worker_open(&stopped, &play, "w", 7, MR_CORE_REDUCES, 1);
    (void)!mr_wire_send_piece(stopped.conn, MR_WIRE_BLOB, &head, (struct mr_bytes){spec.data, 4},
                              &err);
    actor_send(&stopped, MR_WIRE_HEARTBEAT, &heartbeat);
    actor_expect(&stopped, MR_WIRE_RENEWED);
    actor_open(&client, &play, MR_NET_CLIENT);
    (void)client_submit(&client, ID_A, &spec);
    actor_close(&stopped);
    actor_close(&client);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* Files of blobs that are not whole. */
static int count_unfinished(const struct play *play) {
    char path[160];
    int count = 0;
    snprintf(path, sizeof path, "%s/blobs", play->state);
    DIR *dir = opendir(path);
    cr_assert_not_null(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        count += strncmp(entry->d_name, "new-", 4) == 0;
    }
    closedir(dir);
    return count;
}

static void send_half(struct actor *actor, struct mr_hash_128 hash) {
    struct mr_wire_blob head = {hash.high, hash.low, 1000, 0};
    struct mr_error err = {0};
    (void)!mr_wire_send_piece(actor->conn, MR_WIRE_BLOB, &head, (struct mr_bytes){"half", 4}, &err);
}

/* What has come of a blob goes with the peer that sent it: a client, or a worker unasked. */
Test(peers, gone_in_the_middle) {
    struct play play;
    struct actor client, worker;
    struct mr_hash_128 hash = {1, 2};
    struct mr_wire_submit submit = {ID_A, hash.high, hash.low};
    play_open(&play);
    play_start_master(&play);
    actor_open(&client, &play, MR_NET_CLIENT);
    actor_send(&client, MR_WIRE_SUBMIT, &submit);
    actor_expect(&client, MR_WIRE_WANT);
    send_half(&client, hash);
    worker_open(&worker, &play, "w", 7, MR_CORE_REDUCES, 1);
    send_half(&worker, (struct mr_hash_128){3, 4});
    PLAY_UNTIL(&play, count_unfinished(&play) == 2);
    actor_close(&client);
    actor_close(&worker);
    PLAY_UNTIL(&play, count_unfinished(&play) == 0);
    play_close(&play);
}

/* A short lease has heartbeats that fit into it; a long heartbeat does not fit into the usual one.
 */
Test(peers, heartbeats) {
    struct play play;
    struct actor worker;
    struct taken taken;
    struct mr_error err = {0};
    int exit_status = 0;
    struct mr_master_options options = {.listen = "127.0.0.1:0", .allow_root = true};
    play_open(&play);
    options.state = play.state;
    options.secret = play.secret_path;
    options.heartbeat_ms = 8000;
    cr_assert_eq(mr_master_open(&play.loop, &options, play_on_ended, &play, &play.master,
                                &exit_status, &err),
                 MR_ERR_USAGE);
    cr_assert_eq(exit_status, MR_MASTER_EXIT_CONFIG);
    err = (struct mr_error){0};
    play.master = NULL;
    options.heartbeat_ms = 0;
    options.lease_ms = 800;
    cr_assert_eq(mr_master_open(&play.loop, &options, play_on_ended, &play, &play.master,
                                &exit_status, &err),
                 0, "%s", err.text);
    snprintf(play.address, sizeof play.address, "%s", mr_master_address(play.master));
    actor_open(&worker, &play, MR_NET_MAPPER);
    actor_register(&worker, "w", 7, MR_CORE_MAPS, 1, NULL, 0);
    actor_take(&worker, MR_WIRE_REGISTERED, &taken);
    cr_assert_leq(taken.is.registered_.heartbeat_ms, 201);
    taken_release(&taken);
    actor_close(&worker);
    play_close(&play);
}

/* A client that asks and asks, and takes no answer, is not heard until it does. */
Test(peers, takes_no_answers) {
    struct play play;
    struct actor client;
    char name[MR_WIRE_NAME_MAX] = {0};
    struct mr_wire_ask_jobs ask = {.job = memset(name, 'x', sizeof name - 1)};
    uint64_t asked = 0;
    play_open(&play);
    play_start_master(&play);
    actor_open(&client, &play, MR_NET_CLIENT);
    mr_conn_pause(client.conn);
    while (!mr_conn_is_full(client.conn)) {
        for (int i = 0; i < 500; i++, asked++) {
            actor_send(&client, MR_WIRE_ASK_JOBS, &ask);
        }
        uv_run(&play.loop, UV_RUN_NOWAIT);
        cr_assert_lt(asked, 400000, "all that was asked was heard");
    }
    mr_conn_resume(client.conn);
    for (; asked > 0; asked--) {
        actor_expect(&client, MR_WIRE_RESULT);
        if (asked % 256 == 0) { /* else looking at what came would pass for taking nothing */
            uv_run(&play.loop, UV_RUN_NOWAIT);
        }
    }
    actor_close(&client);
    play_close(&play);
}
