/* test_namesakes: the master: workers of one name, workers that are said to be dead, and what is
 * left beside outputs. */
#include "lib/output/pending.h"
#include "play.h"

static const struct job_plan plain = {
    .rounds = 1, .partitions = 1, .splits = 1, .output = "/out/dir"};

static void open_as(struct actor *actor, struct play *play, const char *name, uint64_t identity) {
    actor_open(actor, play, MR_NET_MAPPER);
    actor->identity = identity;
    actor_register(actor, name, 100 + identity, MR_CORE_MAPS, 1, NULL, 0);
}

static void expect_turned_away(struct actor *actor, enum mr_wire_kind how) {
    struct taken taken;
    actor_take(actor, how, &taken);
    bool is_refused = how == MR_WIRE_REFUSED;
    cr_assert_not_null(strstr(is_refused ? taken.is.refused_.why : taken.is.fenced_.why,
                              "needs a name of its own"));
    cr_assert(!is_refused || taken.is.refused_.is_final);
    taken_release(&taken);
}

/* A second worker of a name is sent away, and the first goes on undisturbed. */
Test(namesakes, of_two_the_first) {
    struct play play;
    struct actor client, first, second;
    struct mr_buffer spec = spec_of(&plain);
    struct taken taken;
    play_open(&play);
    play_submit(&play, &client, &spec);
    open_as(&first, &play, "w", 1);
    actor_registered(&first);
    struct mr_wire_start start = actor_start(&first);
    open_as(&second, &play, "w", 2);
    expect_turned_away(&second, MR_WIRE_REFUSED);
    actor_done(&first, &start, 1);
    actor_take(&first, MR_WIRE_ANSWER, &taken);
    cr_assert_eq(taken.is.answer_.is_accepted, 1);
    taken_release(&taken);
    cr_assert_not(first.is_closed);
    /* While the first is out of reach, but may live, the second is told to come again. */
    actor_close(&first);
    actor_sync(&client);
    actor_register(&second, "w", 103, MR_CORE_MAPS, 1, NULL, 0);
    expect_turned_away(&second, MR_WIRE_FENCED);
    open_as(&first, &play, "w", 1); /* the same life */
    actor_registered(&first);
    actor_register(&second, "w", 104, MR_CORE_MAPS, 1, NULL, 0);
    expect_turned_away(&second, MR_WIRE_REFUSED);
    actor_close(&first);
    actor_close(&second);
    actor_close(&client);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* A machine that died took no leave: its connection stands, but nothing is heard of it. Who comes
 * under its name with another folder may be the same machine: it comes again until the lease has
 * ended, and is not sent away for good. */
Test(namesakes, one_of_which_nothing_is_heard) {
    struct play play;
    struct actor dead, again;
    bool is_told = false;
    play_open(&play);
    play.heartbeat_ms = 50;
    play_start_master(&play);
    open_as(&dead, &play, "w", 1);
    actor_registered(&dead);
    actor_open(&again, &play, MR_NET_MAPPER);
    again.identity = 2;
    uint64_t end = play_deadline();
    for (uint64_t i = 0; !is_told && uv_hrtime() < end; i++) {
        actor_register(&again, "w", 200 + i, MR_CORE_MAPS, 1, NULL, 0);
        PLAY_UNTIL(&play, actor_has(&again, MR_WIRE_REFUSED) || actor_has(&again, MR_WIRE_FENCED));
        is_told = actor_has(&again, MR_WIRE_FENCED); /* just now it may still have lived */
        expect_turned_away(&again, is_told ? MR_WIRE_FENCED : MR_WIRE_REFUSED);
    }
    cr_assert(is_told, "it is sent away for good");
    actor_close(&dead);
    actor_close(&again);
    play_close(&play);
}

/* Whose death is told is lost at once; not one that came back since, and serves elsewhere. */
Test(namesakes, who_is_said_to_be_dead) {
    struct play play;
    struct actor client, worker, other;
    struct mr_buffer spec = spec_of(&plain);
    play_open(&play);
    play_submit(&play, &client, &spec);
    open_as(&worker, &play, "w", 1);
    actor_registered(&worker);
    struct mr_wire_start start = actor_start(&worker);
    client_say_dead(&client, "w", "127.0.0.1:2");
    client_say_dead(&client, "nobody", "127.0.0.1:1");
    client_say_dead(&client, NULL, NULL);
    open_as(&other, &play, "o", 2);
    actor_registered(&other);
    actor_sync(&client);
    cr_assert_not(actor_has(&other, MR_WIRE_START));
    client_say_dead(&client, "w", "127.0.0.1:1");
    struct mr_wire_start again = actor_start(&other);
    cr_assert_eq(again.task, start.task);
    cr_assert_eq(again.attempt, 2);
    actor_expect(&worker, MR_WIRE_FENCED);
    client_say_dead(&client, "w", "127.0.0.1:1"); /* it is gone already */
    actor_close(&worker);
    actor_close(&other);
    actor_close(&client);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* A map output is lost when the reduce task has read it: that one ends, and so does the job, though
 * the map task runs again. */
Test(namesakes, a_map_task_again_in_vain) {
    struct play play;
    struct actor client, mapper, other, reducer;
    struct mr_buffer spec = spec_of(&plain);
    struct taken taken;
    play_open(&play);
    play_submit(&play, &client, &spec);
    client_follow(&client, "1");
    open_as(&mapper, &play, "m", 1);
    actor_registered(&mapper);
    struct mr_wire_start map = actor_start(&mapper);
    actor_work(&mapper, &map);
    worker_open(&reducer, &play, "r", 8, MR_CORE_REDUCES, 1);
    struct mr_wire_start reduce = actor_start(&reducer);
    PLAY_UNTIL(&play, actor_knows_all(&reducer, 0));
    open_as(&other, &play, "o", 2);
    actor_registered(&other);
    client_say_dead(&client, "m", "127.0.0.1:1");
    struct mr_wire_start again = actor_start(&other);
    reducer.does_all = true; /* the rest: publishing */
    actor_done(&reducer, &reduce, 1);
    actor_expect(&other, MR_WIRE_STOP);
    struct mr_wire_failed stopped = {.job = 1,
                                     .task = again.task,
                                     .attempt = again.attempt,
                                     .status = 6,
                                     .is_stopped = 1,
                                     .why = "stopped"};
    actor_send(&other, MR_WIRE_FAILED, &stopped);
    actor_take(&client, MR_WIRE_ENDED, &taken);
    cr_assert_eq(taken.is.ended_.jobs[0].status, 0, "%s", taken.is.ended_.jobs[0].why);
    taken_release(&taken);
    actor_close(&mapper);
    actor_close(&other);
    actor_close(&reducer);
    actor_close(&client);
    play_close(&play);
    mr_buffer_fini(&spec);
}

static void expect_clear(struct actor *actor, enum mr_pending_left found) {
    struct taken taken;
    struct mr_wire_cleared cleared = {.id = ID_A, .found = found};
    actor_take(actor, MR_WIRE_CLEAR, &taken);
    cr_assert_str_eq(taken.is.clear_.id, ID_A);
    cr_assert_str_eq(taken.is.clear_.output, "/out/dir");
    taken_release(&taken);
    actor_send(actor, MR_WIRE_CLEARED, &cleared);
}

/* A job that nobody works on is cancelled: it leaves a directory. */
static void leave_something(struct play *play) {
    struct actor client;
    struct mr_buffer spec = spec_of(&plain);
    struct mr_wire_cancel cancel = {"1"};
    actor_open(&client, play, MR_NET_CLIENT);
    (void)client_submit(&client, ID_A, &spec);
    client_follow(&client, "1");
    actor_send(&client, MR_WIRE_CANCEL, &cancel);
    actor_expect(&client, MR_WIRE_ENDED);
    actor_close(&client);
    mr_buffer_fini(&spec);
}

static void open_reducers(struct actor *reducers, uint64_t count, struct play *play) {
    for (uint64_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "r%d", (int)i);
        worker_open(&reducers[i], play, name, 8 + i, MR_CORE_REDUCES, 1);
    }
}

/* Whether one that comes now is asked for it. */
static bool is_to_be_cleared(struct play *play) {
    struct actor client, newcomer;
    actor_open(&client, play, MR_NET_CLIENT);
    actor_sync(&client);
    worker_open(&newcomer, play, "newcomer", 99, MR_CORE_REDUCES, 1);
    actor_sync(&client);
    bool is = actor_has(&newcomer, MR_WIRE_CLEAR);
    actor_close(&newcomer);
    actor_close(&client);
    return is;
}

/* Reducers are told of it one after the other until one removed it, after another life of the
 * master too. One that sees nothing there may not see the file system. */
Test(namesakes, what_is_left_beside_an_output) {
    struct play play;
    struct actor mapper, reducers[4];
    play_open(&play);
    play_start_master(&play);
    leave_something(&play);
    play_stop_master(&play);
    play_start_master(&play);
    worker_open(&mapper, &play, "m", 7, MR_CORE_MAPS, 1);
    open_reducers(reducers, 4, &play);
    expect_clear(&reducers[0], MR_PENDING_STAYS);
    expect_clear(&reducers[1], MR_PENDING_NOTHING);
    expect_clear(&reducers[2], MR_PENDING_DROPPED);
    cr_assert_not(is_to_be_cleared(&play), "it is done");
    cr_assert_not(actor_has(&reducers[3], MR_WIRE_CLEAR), "it is done");
    cr_assert_not(actor_has(&mapper, MR_WIRE_CLEAR), "it need not see outputs");
    for (int i = 0; i < 4; i++) {
        actor_close(&reducers[i]);
    }
    actor_close(&mapper);
    play_close(&play);
}

/* What all see is not there is not asked for any more. */
Test(namesakes, nothing_is_left_beside_an_output) {
    struct play play;
    struct actor reducers[2];
    play_open(&play);
    play_start_master(&play);
    leave_something(&play);
    open_reducers(reducers, 2, &play);
    expect_clear(&reducers[0], MR_PENDING_NOTHING);
    expect_clear(&reducers[1], MR_PENDING_NOTHING);
    cr_assert_not(is_to_be_cleared(&play), "all have said that nothing is there");
    for (int i = 0; i < 2; i++) {
        actor_close(&reducers[i]);
    }
    play_close(&play);
}

/* A worker that lives: what it said last, and heard. */
struct life {
    struct actor *actor;
    const char *name;
    uint64_t incarnation;
    uint64_t number;
    uint64_t renewed;
};

/* Says that it lives. On a machine so slow that it was given up nevertheless, it begins anew. */
static void live(struct life *life) {
    struct actor *actor = life->actor;
    struct mr_wire_heartbeat beat = {.number = ++life->number, .renewed = life->renewed};
    struct taken taken;
    actor_send(actor, MR_WIRE_HEARTBEAT, &beat);
    PLAY_UNTIL(actor->play, actor_has(actor, MR_WIRE_RENEWED) || actor_has(actor, MR_WIRE_FENCED));
    if (actor_has(actor, MR_WIRE_FENCED)) {
        actor_expect(actor, MR_WIRE_FENCED);
        actor_register(actor, life->name, ++life->incarnation, MR_CORE_REDUCES, 1, NULL, 0);
        actor_registered(actor);
        life->number = life->renewed = 0;
        return;
    }
    actor_take(actor, MR_WIRE_RENEWED, &taken);
    life->renewed = taken.is.renewed_.number;
    taken_release(&taken);
}

static void live_until_asked(struct life *life) {
    for (uint64_t end = play_deadline(); !actor_has(life->actor, MR_WIRE_CLEAR);) {
        cr_assert_lt(uv_hrtime(), end, "nobody is asked");
        live(life);
    }
}

/* Who dies with the answer is passed over; and where nobody could do it all are asked again, though
 * nobody comes. */
Test(namesakes, who_was_asked_to_clear_dies) {
    struct play play;
    struct actor client, reducers[2];
    struct life life = {.actor = &reducers[1], .name = "r1", .incarnation = 9};
    play_open(&play);
    play.lease_ms = 400;
    play_start_master(&play);
    leave_something(&play);
    actor_open(&client, &play, MR_NET_CLIENT);
    open_reducers(reducers, 2, &play);
    PLAY_UNTIL(&play, actor_has(&reducers[0], MR_WIRE_CLEAR));
    client_say_dead(&client, "r0", "127.0.0.1:1");
    for (int i = 0; i < 2; i++) {
        live_until_asked(&life);
        expect_clear(&reducers[1], i == 0 ? MR_PENDING_STAYS : MR_PENDING_DROPPED);
    }
    actor_sync(&client);
    cr_assert_not(is_to_be_cleared(&play), "it is done");
    for (int i = 0; i < 2; i++) {
        actor_close(&reducers[i]);
    }
    actor_close(&client);
    play_close(&play);
}
