/* test_rounds: the master: jobs of several rounds, and jobs that loop. */
#include "master/local/fsck.h"
#include "play.h"

#include <inttypes.h>

static const struct job_plan rounds = {
    .rounds = 3, .partitions = 2, .splits = 2, .output = "/out/dir"};
static const struct job_plan loop = {
    .rounds = 1, .partitions = 1, .splits = 2, .output = "/out/dir", .loops = true};

/* What one task gives: with two reduce tasks each reads one pair of each map task, and so on: the
 * books of a round balance whoever reads what. */
static void do_task(struct actor *actor, const struct mr_wire_start *start, uint32_t maps) {
    struct mr_account account = {.attempt = (uint32_t)start->attempt};
    struct mr_buffer bytes = {0};
    struct mr_error err = {0};
    bool is_map = start->phase == MR_PHASE_MAP;
    account.records_read = account.records_mapped = is_map;
    account.emitted = account.output_records = is_map ? start->partitions : 0;
    account.pairs_reduced = is_map ? 0 : maps;
    account.groups = account.groups_with_output = account.records_out = !is_map;
    cr_assert_eq(mr_account_put(&account, &bytes, &err), 0);
    struct mr_wire_done done = {.job = start->job,
                                .round = start->round,
                                .phase = start->phase,
                                .task = start->task,
                                .attempt = start->attempt,
                                .digest = start->task,
                                .account = {bytes.data, bytes.len}};
    actor_send(actor, MR_WIRE_DONE, &done);
    mr_buffer_fini(&bytes);
}

/* Does all tasks of a round of two maps and `reduces` reduce tasks, on a worker with four slots. */
static void do_round(struct actor *worker, uint64_t round, uint32_t reduces) {
    struct mr_wire_start starts[8];
    for (uint32_t i = 0; i < 2; i++) {
        starts[i] = actor_start(worker);
        cr_assert_eq(starts[i].round, round);
        cr_assert_eq(starts[i].phase, MR_PHASE_MAP);
    }
    do_task(worker, &starts[0], 2);
    do_task(worker, &starts[1], 2);
    for (uint32_t i = 0; i < reduces; i++) {
        starts[i] = actor_start(worker);
        cr_assert_eq(starts[i].round, round);
        cr_assert_eq(starts[i].phase, MR_PHASE_REDUCE);
        cr_assert(actor_knows_all(worker, round));
        do_task(worker, &starts[i], 2);
    }
}

/* Waits until the worker knows that `total` pairs are there for tasks of this round. */
static void expect_pairs(struct actor *worker, uint64_t round, size_t total) {
    struct taken taken;
    do {
        actor_take(worker, MR_WIRE_SOURCES, &taken);
        if (taken.is.sources_.phase == MR_PHASE_REDUCE) {
            taken_release(&taken);
            continue;
        }
        break;
    } while (true);
    cr_assert_eq(taken.is.sources_.round, round);
    cr_assert_eq(taken.is.sources_.total, total);
    cr_assert_eq(taken.is.sources_.sources_count, total);
    cr_assert_eq(taken.is.sources_.sources[0].node, worker->node);
    taken_release(&taken);
}

static void expect_done(struct actor *client) {
    struct taken taken;
    actor_take(client, MR_WIRE_ENDED, &taken);
    cr_assert_eq(taken.is.ended_.jobs[0].status, 0, "%s",
                 taken.is.ended_.jobs[0].why ? taken.is.ended_.jobs[0].why : "");
    taken_release(&taken);
}

static void answer_publish(struct actor *worker) {
    struct taken taken;
    actor_take(worker, MR_WIRE_PUBLISH, &taken);
    struct mr_wire_published published = {.job = taken.is.publish_.job};
    taken_release(&taken);
    actor_send(worker, MR_WIRE_PUBLISHED, &published);
}

Test(rounds, three) {
    struct play play;
    struct actor client, worker;
    struct mr_buffer spec = spec_of(&rounds);
    play_open(&play);
    play_submit(&play, &client, &spec);
    client_follow(&client, "1");
    worker_open(&worker, &play, "w", 7, MR_CORE_DOES_BOTH, 4);
    do_round(&worker, 0, 2);
    for (int i = 0; i < 4; i++) {
        actor_expect(&worker, MR_WIRE_ANSWER);
    }
    play_stop_master(&play); /* in the middle of a round that reads pairs */
    play_start_master(&play);
    actor_close(&worker);
    worker_open(&worker, &play, "w", 7, MR_CORE_DOES_BOTH, 4);
    expect_pairs(&worker, 1, 2);
    do_round(&worker, 1, 2);
    expect_pairs(&worker, 2, 2);
    do_round(&worker, 2, 2);
    answer_publish(&worker);
    actor_close(&client);
    actor_open(&client, &play, MR_NET_CLIENT);
    client_follow(&client, "1");
    expect_done(&client);
    actor_close(&client);
    actor_close(&worker);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* A worker that is there does nothing for the job any more. */
static void retire(struct actor *client, struct actor *worker) {
    struct mr_wire_drain drain = {"holder", 0};
    actor_send(client, MR_WIRE_DRAIN, &drain);
    actor_expect(client, MR_WIRE_RESULT);
    struct mr_wire_start early = actor_start(worker);
    struct mr_wire_failed stopped = {.job = 1,
                                     .round = early.round,
                                     .phase = early.phase,
                                     .task = early.task,
                                     .attempt = early.attempt,
                                     .status = 6,
                                     .is_stopped = 1};
    actor_send(worker, MR_WIRE_FAILED, &stopped);
    actor_expect(worker, MR_WIRE_ANSWER);
}

/* The next of this round. What began before it is stopped, whether it was told to begin or not. */
static struct mr_wire_start start_of_round(struct actor *worker, uint64_t round) {
    for (;;) {
        PLAY_UNTIL(worker->play,
                   actor_has(worker, MR_WIRE_STOP) || actor_has(worker, MR_WIRE_START));
        if (actor_has(worker, MR_WIRE_STOP)) {
            struct taken taken;
            actor_take(worker, MR_WIRE_STOP, &taken);
            struct mr_wire_failed stopped = {.job = 1,
                                             .round = taken.is.stop_.round,
                                             .phase = taken.is.stop_.phase,
                                             .task = taken.is.stop_.task,
                                             .attempt = taken.is.stop_.attempt,
                                             .status = 6,
                                             .is_stopped = 1};
            taken_release(&taken);
            actor_send(worker, MR_WIRE_FAILED, &stopped);
            continue;
        }
        struct mr_wire_start start = actor_start(worker);
        if (start.round == round) {
            return start;
        }
    }
}

/* Pairs that were lost with their worker, after their round was closed: the job begins again. */
Test(rounds, begins_again) {
    struct play play;
    struct actor client, holder, other;
    struct mr_buffer spec = spec_of(&rounds);
    play_open(&play);
    play_submit(&play, &client, &spec);
    client_follow(&client, "1");
    worker_open(&holder, &play, "holder", 7, MR_CORE_DOES_BOTH, 4);
    do_round(&holder, 0, 2);
    expect_pairs(&holder, 1, 2);
    /* It comes back without what it held; another tries to read that. */
    actor_close(&holder);
    actor_open(&holder, &play, MR_NET_REDUCER);
    actor_register(&holder, "holder", 8, MR_CORE_REDUCES, 1, NULL, 0);
    actor_registered(&holder);
    retire(&client, &holder);
    worker_open(&other, &play, "other", 7, MR_CORE_DOES_BOTH, 4);
    for (int i = 0; i < 2; i++) {
        struct mr_wire_start start = actor_start(&other);
        cr_assert_eq(start.round, 1);
        struct mr_wire_lost lost = {.job = 1,
                                    .round = 1,
                                    .phase = MR_PHASE_MAP,
                                    .task = start.task,
                                    .attempt = start.attempt,
                                    .lost_task = start.task,
                                    .lost_attempt = 1,
                                    .why = "it is gone"};
        actor_send(&other, MR_WIRE_LOST, &lost);
    }
    actor_close(&holder);
    for (int i = 0; i < 4; i++) {
        struct mr_wire_start start = start_of_round(&other, 3);
        cr_assert_eq(start.phase, i < 2 ? MR_PHASE_MAP : MR_PHASE_REDUCE);
        do_task(&other, &start, 2);
    }
    do_round(&other, 4, 2);
    do_round(&other, 5, 2);
    answer_publish(&other);
    expect_done(&client);
    actor_close(&client);
    actor_close(&other);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* ---- loops ------------------------------------------------------------------------------------*/

static struct mr_bytes text_of(const char *text) {
    return (struct mr_bytes){text, strlen(text)};
}

/* Answers the turn of a pass. */
static void turn(struct actor *worker, uint64_t pass, const char *state, const char *lines,
                 bool again) {
    struct taken taken;
    struct mr_buffer bytes = {0};
    struct mr_account account = {0};
    struct mr_error err = {0};
    struct mr_hash_128 state_name = mr_hash_xxh3_128(state, strlen(state));
    struct mr_hash_128 lines_name = mr_hash_xxh3_128(lines, strlen(lines));
    actor_take(worker, MR_WIRE_TURN, &taken);
    cr_assert_eq(taken.is.turn_.pass, pass);
    account.attempt = (uint32_t)taken.is.turn_.attempt;
    cr_assert_eq(mr_account_put(&account, &bytes, &err), 0);
    struct mr_wire_turned turned = {.job = 1,
                                    .attempt = taken.is.turn_.attempt,
                                    .pass = pass,
                                    .again = again,
                                    .state_len = strlen(state),
                                    .state_high = state_name.high,
                                    .state_low = state_name.low,
                                    .lines_len = strlen(lines),
                                    .lines_high = lines_name.high,
                                    .lines_low = lines_name.low,
                                    .lines_records = 1,
                                    .account = {bytes.data, bytes.len}};
    taken_release(&taken);
    if (pass != 1) { /* else the master asks for them */
        actor_send_blob(worker, text_of(lines));
        actor_send_blob(worker, text_of(state));
    }
    actor_send(worker, MR_WIRE_TURNED, &turned);
    for (int i = 0; pass == 1 && i < 2; i++) {
        actor_take(worker, MR_WIRE_WANT, &taken);
        bool is_state = taken.is.want_.high == state_name.high;
        taken_release(&taken);
        actor_send_blob(worker, text_of(is_state ? state : lines));
    }
    mr_buffer_fini(&bytes);
}

static void do_pass(struct actor *worker, uint64_t pass, const char *state) {
    struct mr_hash_128 name = mr_hash_xxh3_128(state, strlen(state));
    struct mr_wire_start starts[2] = {actor_start(worker), actor_start(worker)};
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(starts[i].pass, pass);
        cr_assert_eq(starts[i].round, pass - 1);
        cr_assert_eq(starts[i].state_high, name.high);
        cr_assert_eq(starts[i].state_len, strlen(state));
        do_task(worker, &starts[i], 2);
    }
    struct mr_wire_start start = actor_start(worker);
    cr_assert_eq(start.phase, MR_PHASE_REDUCE);
    cr_assert_eq(start.is_last, 0);
    do_task(worker, &start, 2);
}

/* A power cut may take, or empty, the files of what is short: the journal has it. */
static void lose_blob(const struct play *play, const char *text, bool is_emptied) {
    char path[sizeof play->state + 64];
    struct mr_hash_128 name = mr_hash_xxh3_128(text, strlen(text));
    snprintf(path, sizeof path, "%s/blobs/%016" PRIx64 "%016" PRIx64, play->state, name.high,
             name.low);
    cr_assert_eq(is_emptied ? truncate(path, 0) : unlink(path), 0, "%s", path);
}

Test(rounds, loop) {
    struct play play;
    struct actor client, worker;
    struct mr_buffer spec = spec_of(&loop);
    struct taken taken;
    play_open(&play);
    play_submit(&play, &client, &spec);
    worker_open(&worker, &play, "w", 7, MR_CORE_DOES_BOTH, 4);
    turn(&worker, 0, "state one", "first\n", false); /* start: a pass follows, whatever it says */
    do_pass(&worker, 1, "state one");
    turn(&worker, 1, "state two", "second\n", true);
    (void)actor_has(&worker, MR_WIRE_START);
    actor_sync(&client);
    play_stop_master(&play); /* between two passes */
    lose_blob(&play, "state two", false);
    lose_blob(&play, "first\n", true);
    play_start_master(&play);
    actor_close(&client);
    actor_open(&client, &play, MR_NET_CLIENT);
    client_follow(&client, "1");
    actor_close(&worker);
    worker_open(&worker, &play, "w", 7, MR_CORE_DOES_BOTH, 4);
    do_pass(&worker, 2, "state two");
    turn(&worker, 2, "state three", "third\n", false);
    actor_take(&worker, MR_WIRE_PUBLISH, &taken);
    cr_assert_eq(taken.is.publish_.parts_count, 0);
    struct mr_hash_128 lines = mr_hash_xxh3_128("first\nsecond\nthird\n", 19);
    cr_assert_eq(taken.is.publish_.lines_high, lines.high);
    cr_assert_eq(taken.is.publish_.lines_low, lines.low);
    taken_release(&taken);
    struct mr_wire_published published = {.job = 1};
    actor_send(&worker, MR_WIRE_PUBLISHED, &published);
    expect_done(&client);
    actor_close(&client);
    actor_close(&worker);
    play_close(&play);
    mr_buffer_fini(&spec);
}

static void expect_state(struct actor *client, const char *state) {
    struct mr_wire_ask_jobs ask = {"1", 0};
    struct taken taken;
    bool is = false;
    for (uint64_t end = play_deadline(); !is && uv_hrtime() < end;) {
        actor_send(client, MR_WIRE_ASK_JOBS, &ask);
        actor_take(client, MR_WIRE_JOBS, &taken);
        is = strcmp(taken.is.jobs_.jobs[0].state, state) == 0;
        taken_release(&taken);
    }
    cr_assert(is, "the job does not become %s", state);
}

/* A loop whose output waits to be collected, for days maybe: its journal is whole. */
Test(rounds, a_loop_that_waits_is_no_damage) {
    static const struct job_plan plan = {.rounds = 1, .partitions = 1, .splits = 2, .loops = true};
    struct play play;
    struct actor client, worker;
    struct mr_buffer spec = spec_of(&plan);
    struct mr_run_journal about;
    struct mr_error err = {0};
    play_open(&play);
    play_submit(&play, &client, &spec);
    worker_open(&worker, &play, "w", 7, MR_CORE_DOES_BOTH, 4);
    turn(&worker, 0, "state one", "first\n", true);
    do_pass(&worker, 1, "state one");
    turn(&worker, 1, "state two", "second\n", false);
    expect_state(&client, "uncollected");
    actor_sync(&client);
    actor_close(&worker);
    actor_close(&client);
    play_stop_master(&play);
    cr_assert_eq(mr_fsck_look(play.state, &about, &err), 0, "%s", err.text);
    cr_assert_eq(about.job_count, 1);
    cr_assert_str_eq(about.jobs[0].state, "publishing");
    mr_run_journal_fini(&about);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* A turn that fails is tried again, as any task, and the job ends by its first cause. */
Test(rounds, turn_fails) {
    static const struct job_plan plan = {.rounds = 1,
                                         .partitions = 1,
                                         .splits = 2,
                                         .output = "/o/d",
                                         .loops = true,
                                         .max_attempts = 2};
    struct play play;
    struct actor client, worker;
    struct mr_buffer spec = spec_of(&plan);
    struct taken taken;
    play_open(&play);
    play_submit(&play, &client, &spec);
    client_follow(&client, "1");
    worker_open(&worker, &play, "w", 7, MR_CORE_DOES_BOTH, 4);
    for (uint64_t i = 1; i <= 2; i++) {
        char why[32];
        snprintf(why, sizeof why, "failure %d", (int)i);
        actor_take(&worker, MR_WIRE_TURN, &taken);
        cr_assert_eq(taken.is.turn_.attempt, i);
        taken_release(&taken);
        struct mr_wire_turned turned = {
            .job = 1, .attempt = i, .status = 1, .why = why, .account = {"", 0}};
        actor_send(&worker, MR_WIRE_TURNED, &turned);
    }
    actor_take(&worker, MR_WIRE_ASK_LOG, &taken);
    cr_assert_eq(taken.is.ask_log_.phase, 2);
    struct mr_wire_log log = {.job = 1,
                              .round = taken.is.ask_log_.round,
                              .phase = 2,
                              .attempt = taken.is.ask_log_.attempt};
    taken_release(&taken);
    actor_send(&worker, MR_WIRE_LOG, &log);
    actor_take(&client, MR_WIRE_ENDED, &taken);
    cr_assert_eq(taken.is.ended_.jobs[0].status, 1);
    cr_assert_not_null(strstr(taken.is.ended_.jobs[0].why, "failure 1"));
    cr_assert_not_null(strstr(taken.is.ended_.jobs[0].why, "turn"));
    cr_assert_eq(taken.is.ended_.jobs[0].maps_done, 0, "it was the start: no task was done");
    cr_assert_eq(taken.is.ended_.jobs[0].reduces_done, 0);
    taken_release(&taken);
    actor_close(&client);
    actor_close(&worker);
    play_close(&play);
    mr_buffer_fini(&spec);
}
