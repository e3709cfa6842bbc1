/* test_watch: leases, gaps of the clock, and slow attempts. */
#include "tests/unit/master/core/shell.h"

static const struct mr_core_event tick = {.kind = MR_CORE_TICK};

/* Ticks at this time: "p" for each proposal. */
static const char *tick_at(struct mr_core *core, uint64_t time_ms) {
    static char text[64];
    clock_ms = time_ms;
    (void)answer(core, tick);
    size_t count = 0;
    for (size_t i = 0; i < last_effects.count; i++) {
        count += last_effects.items[i].kind == MR_CORE_PROPOSE;
    }
    memset(text, 'p', count);
    text[count] = '\0';
    return text;
}

Test(watch, a_worker_that_is_not_heard_for_a_lease_is_lost) {
    struct mr_core *core = make_core();
    cr_assert_str_eq(tick_at(core, 500), "");
    clock_ms = 1000;
    (void)answer(core, node_up(0, 1, MR_CORE_MAPS, 1));
    (void)answer(core, node_up(1, 1, MR_CORE_MAPS, 1));
    for (uint64_t now = 2000; now < 11000; now += 1000) {
        cr_assert_str_eq(tick_at(core, now), "");
        (void)answer(core, of_node(MR_CORE_HEARD, 1, 1));
        (void)answer(core, of_node(MR_CORE_HEARD, 0, 2)); /* another incarnation: nothing */
    }
    cr_assert_str_eq(tick_at(core, 10999), "");
    cr_assert_eq(effect_of(MR_CORE_WAKE_AT, 0).time_ms, 11000u);
    cr_assert_str_eq(tick_at(core, 11000), "p");
    struct mr_core_event proposal = mr_core_proposal(&last_effects.items[0]);
    cr_assert_eq(proposal.kind, MR_CORE_NODE_LOST);
    cr_assert_eq(proposal.worker.node, 0u);
    cr_assert_eq(mr_core_node(core, 0).state, MR_CORE_NODE_READY); /* until it is applied */
    (void)answer(core, proposal);
    cr_assert_eq(mr_core_node(core, 0).state, MR_CORE_NODE_GONE);
    cr_assert_str_eq(tick_at(core, 12000), "");
    mr_core_destroy(core);
}

Test(watch, after_a_gap_of_the_clock_every_lease_begins_anew) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_MAPS, 1));
    cr_assert_str_eq(tick_at(core, 2000), "");
    cr_assert_str_eq(tick_at(core, 3602000), ""); /* an hour of sleep */
    for (uint64_t now = 3603000; now < 3612000; now += 1000) {
        cr_assert_str_eq(tick_at(core, now), "");
    }
    cr_assert_str_eq(tick_at(core, 3612000), "p");
    mr_core_destroy(core);
}

Test(watch, after_a_restart_every_lease_begins_anew) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_MAPS, 1));
    core = reload(core);
    cr_assert_str_eq(tick_at(core, 500000), "");
    for (uint64_t now = 501000; now < 510000; now += 1000) {
        cr_assert_str_eq(tick_at(core, now), "");
    }
    cr_assert_str_eq(tick_at(core, 510000), "p");
    mr_core_destroy(core);
}

Test(watch, after_a_replay_every_lease_begins_anew) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_MAPS, 1)); /* replayed, an hour later */
    cr_assert_str_eq(tick_at(core, 3601000), "");
    cr_assert_str_eq(tick_at(core, 3602000), "");
    mr_core_destroy(core);
}

/* Eight maps on two nodes of four slots; seven end after a second, the eighth is still at work. */
static struct mr_core *with_one_left(void) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_MAPS, 4));
    (void)answer(core, node_up(1, 1, MR_CORE_MAPS, 4));
    (void)answer(core, submit(JOB, 8, 1));
    struct mr_core_event results[8];
    for (size_t i = 0; i < 8; i++) {
        results[i] = report(MR_CORE_ATTEMPT_DONE, i);
    }
    clock_ms = 2000;
    for (size_t i = 0; i < 7; i++) {
        (void)answer(core, results[i]);
    }
    struct mr_core_event progress = results[7];
    progress.kind = MR_CORE_PROGRESS;
    progress.permille = 200;
    (void)answer(core, progress);
    return core;
}

static const char *tick_in_touch(struct mr_core *core, uint64_t time_ms) {
    (void)answer(core, of_node(MR_CORE_HEARD, 0, 1));
    (void)answer(core, of_node(MR_CORE_HEARD, 1, 1));
    return tick_at(core, time_ms);
}

Test(watch, the_slowest_attempt_gets_a_backup) {
    struct mr_core *core = with_one_left();
    cr_assert_str_eq(tick_in_touch(core, 2000), "");  /* no longer than the others took */
    cr_assert_str_eq(tick_in_touch(core, 2001), "p"); /* a fifth of the way: 4 s are left */
    struct mr_core_event backup = mr_core_proposal(&last_effects.items[0]);
    cr_assert_eq(backup.kind, MR_CORE_BACKUP);
    cr_assert_str_eq(answer(core, backup), "S");
    cr_assert_neq(effect_of(MR_CORE_START, 0).worker.node, backup.worker.node);
    cr_assert_str_eq(tick_in_touch(core, 3000), ""); /* one is enough */
    mr_core_destroy(core);
}

Test(watch, an_attempt_that_gets_on_needs_no_backup) {
    struct mr_core *core = with_one_left();
    struct mr_core_event progress = of_attempt(MR_CORE_PROGRESS, MR_PHASE_MAP, 7, 1);
    progress.worker.node = 1;
    progress.permille = 900;
    (void)answer(core, progress);
    cr_assert_str_eq(tick_in_touch(core, 2001), "");
    cr_assert_str_eq(tick_in_touch(core, 4000), "");
    mr_core_destroy(core);
}

Test(watch, nothing_is_backed_up_while_tasks_wait) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_MAPS, 4));
    (void)answer(core, submit(JOB, 100, 1));
    clock_ms = 2000;
    (void)answer(core, done(MR_PHASE_MAP, 0, 1));
    (void)answer(core, done(MR_PHASE_MAP, 1, 1));
    (void)answer(core, done(MR_PHASE_MAP, 2, 1));
    for (uint64_t now = 3000; now < 60000; now += 1000) {
        cr_assert_str_eq(tick_in_touch(core, now), "");
    }
    mr_core_destroy(core);
}
