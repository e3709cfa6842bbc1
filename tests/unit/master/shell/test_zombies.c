/* test_zombies: the master: workers that were given up, speak twice, or too late. */
#include "play.h"

static const struct job_plan plain = {
    .rounds = 1, .partitions = 1, .splits = 1, .output = "/out/dir"};

/* A worker starts again while its old self still speaks: what that says is void. */
Test(zombies, incarnations) {
    struct play play;
    struct actor client, old, now;
    struct mr_buffer spec = spec_of(&plain);
    struct taken taken;
    play_open(&play);
    play_submit(&play, &client, &spec);
    worker_open(&old, &play, "w", 7, MR_CORE_MAPS, 1);
    struct mr_wire_start first = actor_start(&old);
    cr_assert_eq(first.attempt, 1);
    worker_open(&now, &play, "w", 8, MR_CORE_MAPS, 1);
    cr_assert_eq(now.node, old.node);
    struct mr_wire_start second = actor_start(&now);
    cr_assert_eq(second.task, first.task);
    cr_assert_eq(second.attempt, 2);
    PLAY_UNTIL(&play, old.is_closed); /* its connection was closed */
    actor_close(&old);
    actor_open(&old, &play, MR_NET_MAPPER);
    actor_register(&old, "w", 7, MR_CORE_MAPS, 1, NULL, 0);
    actor_expect(&old, MR_WIRE_FENCED);
    actor_done(&old, &first, 1); /* on a connection that is no worker's: nobody hears it */
    actor_done(&now, &first, 1); /* of a life before: answered, not accepted */
    actor_take(&now, MR_WIRE_ANSWER, &taken);
    cr_assert_eq(taken.is.answer_.attempt, 1);
    cr_assert_eq(taken.is.answer_.is_accepted, 0);
    taken_release(&taken);
    for (int i = 0; i < 2; i++) { /* said twice, answered twice, alike */
        actor_done(&now, &second, 1);
        actor_take(&now, MR_WIRE_ANSWER, &taken);
        cr_assert_eq(taken.is.answer_.attempt, 2);
        cr_assert_eq(taken.is.answer_.is_accepted, 1);
        taken_release(&taken);
    }
    actor_close(&client);
    actor_close(&old);
    actor_close(&now);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* libuv makes its threads at the first test that needs one. */
__attribute__((constructor)) static void have_one_thread(void) {
    setenv("UV_THREADPOOL_SIZE", "1", 1);
}

/* A thing that keeps the only thread that writes journals until it is let go. */
struct gate {
    uv_work_t work;
    uv_sem_t sem;
};

static void wait_at_gate(uv_work_t *work) {
    uv_sem_wait(&((struct gate *)work->data)->sem);
}

static void gate_close(struct gate *gate, struct play *play) {
    cr_assert_eq(uv_sem_init(&gate->sem, 0), 0);
    gate->work.data = gate;
    cr_assert_eq(uv_queue_work(&play->loop, &gate->work, wait_at_gate, NULL), 0);
}

static uint64_t slots_of(struct actor *client) {
    struct mr_wire_ask_nodes ask = {0};
    struct taken taken;
    actor_send(client, MR_WIRE_ASK_NODES, &ask);
    actor_take(client, MR_WIRE_NODES, &taken);
    uint64_t slots = taken.is.nodes_.nodes_count ? taken.is.nodes_.nodes[0].slots : 0;
    taken_release(&taken);
    return slots;
}

static bool is_stopping(struct actor *client) {
    struct mr_wire_ask_jobs ask = {ID_A, 0};
    struct taken taken;
    actor_send(client, MR_WIRE_ASK_JOBS, &ask);
    actor_take(client, MR_WIRE_JOBS, &taken);
    bool is = strcmp(taken.is.jobs_.jobs[0].state, "stopping") == 0;
    taken_release(&taken);
    return is;
}

/* V5: what a worker holds is not needed any more since the job was cancelled: so it is told when
 * that is on disk, and not when its registration is. */
Test(zombies, nothing_ahead_of_the_disk) {
    static const struct job_plan plan = {
        .rounds = 1, .partitions = 1, .splits = 3, .output = "/out/dir"};
    struct play play;
    struct actor client, worker;
    struct gate gates[2];
    struct mr_buffer spec = spec_of(&plan);
    play_open(&play);
    play_submit(&play, &client, &spec);
    worker_open(&worker, &play, "w", 7, MR_CORE_MAPS, 1);
    struct mr_wire_start start = actor_start(&worker);
    actor_done(&worker, &start, 3);
    actor_expect(&worker, MR_WIRE_ANSWER);
    (void)actor_start(&worker); /* so that nothing is on its way to the disk any more */
    actor_close(&worker);
    actor_open(&worker, &play, MR_NET_MAPPER);
    gate_close(&gates[0], &play);
    struct mr_wire_row_held held = {ID_A, 0, 0, start.task, 1, 100 + start.task};
    actor_register(&worker, "w", 8, MR_CORE_MAPS, 2, &held, 1);
    bool is_known = false;
    for (uint64_t end = play_deadline(); !is_known && uv_hrtime() < end;) {
        is_known = slots_of(&client) == 2; /* the master knows of it, its journal can't yet */
    }
    gate_close(&gates[1], &play);
    struct mr_wire_cancel cancel = {ID_A};
    actor_send(&client, MR_WIRE_CANCEL, &cancel);
    bool stops = false;
    for (uint64_t end = play_deadline(); !stops && uv_hrtime() < end;) {
        stops = is_stopping(&client);
    }
    uv_sem_post(&gates[0].sem);
    actor_registered(&worker);
    struct mr_wire_heartbeat heartbeat = {.number = 1};
    actor_send(&worker, MR_WIRE_HEARTBEAT, &heartbeat);
    actor_expect(&worker, MR_WIRE_RENEWED);
    bool is_early = actor_has(&worker, MR_WIRE_DISCARD); /* it would have come before that */
    bool is_void = actor_has(&worker, MR_WIRE_START);    /* what is void when it is told */
    bool is_answered = actor_has(&client, MR_WIRE_RESULT);
    uv_sem_post(&gates[1].sem); /* who fails with a closed gate never ends */
    cr_assert(is_known && stops, "the master does not do what it is told");
    cr_assert(!is_early && !is_void && !is_answered);
    actor_expect(&worker, MR_WIRE_DISCARD);
    actor_expect(&client, MR_WIRE_RESULT);
    actor_close(&client);
    actor_close(&worker);
    play_close(&play);
    for (size_t i = 0; i < 2; i++) {
        uv_sem_destroy(&gates[i].sem);
    }
    mr_buffer_fini(&spec);
}

/* A connection alone is no life: a worker that comes back with the same incarnation goes on. */
Test(zombies, reconnects) {
    struct play play;
    struct actor client, worker;
    struct mr_buffer spec = spec_of(&plain);
    struct taken taken;
    play_open(&play);
    play_submit(&play, &client, &spec);
    worker_open(&worker, &play, "w", 7, MR_CORE_MAPS, 1);
    struct mr_wire_start start = actor_start(&worker);
    actor_close(&worker);
    worker_open(&worker, &play, "w", 7, MR_CORE_MAPS, 1);
    struct mr_wire_start again = actor_start(&worker);
    cr_assert_eq(again.attempt, start.attempt);
    actor_done(&worker, &start, 1);
    actor_take(&worker, MR_WIRE_ANSWER, &taken);
    cr_assert_eq(taken.is.answer_.is_accepted, 1);
    taken_release(&taken);
    actor_close(&client);
    actor_close(&worker);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* A worker whose heartbeats arrive, but that hears no renewal, is given up: its task runs again
 * elsewhere, and it is told when it can be. */
Test(zombies, deaf) {
    struct play play;
    struct actor client, deaf, other;
    struct mr_buffer spec = spec_of(&plain);
    play_open(&play);
    play.lease_ms = 400;
    play_submit(&play, &client, &spec);
    worker_open(&deaf, &play, "deaf", 7, MR_CORE_MAPS, 1);
    (void)actor_start(&deaf);
    worker_open(&other, &play, "other", 7, MR_CORE_MAPS, 1);
    uint64_t number = 0;
    uint64_t renewed = 0;
    uint64_t end = play_deadline();
    while (!actor_has(&deaf, MR_WIRE_FENCED) || !actor_has(&other, MR_WIRE_START)) {
        cr_assert_lt(uv_hrtime(), end, "a worker that hears no renewal is not given up");
        struct mr_wire_heartbeat beat = {.number = ++number};
        struct taken taken;
        if (!actor_has(&deaf, MR_WIRE_FENCED)) {
            actor_send(&deaf, MR_WIRE_HEARTBEAT, &beat);
        }
        beat.renewed = renewed;
        actor_send(&other, MR_WIRE_HEARTBEAT, &beat);
        actor_take(&other, MR_WIRE_RENEWED, &taken);
        renewed = taken.is.renewed_.number;
        taken_release(&taken);
    }
    struct mr_wire_start again = actor_start(&other);
    cr_assert_eq(again.attempt, 2);
    actor_register(&deaf, "deaf", 8, MR_CORE_MAPS, 1, NULL, 0); /* it begins a new life */
    actor_registered(&deaf);
    actor_close(&client);
    actor_close(&deaf);
    actor_close(&other);
    play_close(&play);
    mr_buffer_fini(&spec);
}
