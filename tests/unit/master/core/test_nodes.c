/* test_nodes: workers that come, go, come back, drain and are set aside. */
#include "tests/unit/master/core/shell.h"

Test(nodes, what_a_lost_node_ran_and_held_is_made_again) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_DOES_BOTH, 2));
    (void)answer(core, submit(JOB, 3, 1));
    (void)answer(core, done(MR_PHASE_MAP, 0, 1));
    cr_assert_eq(mr_core_node(core, 0).held, 1u);
    core = reload(core);
    cr_assert_eq(mr_core_node(core, 0).held, 1u);
    cr_assert_str_eq(answer(core, of_node(MR_CORE_NODE_LOST, 0, 2)), ""); /* another incarnation */
    cr_assert_str_eq(answer(core, of_node(MR_CORE_NODE_LOST, 0, 1)), "DDDt");
    cr_assert_eq(mr_core_job(core, JOB).maps_open, 3u);
    cr_assert_eq(mr_core_job(core, JOB).running, 0u);
    cr_assert_str_eq(answer(core, done(MR_PHASE_MAP, 1, 1)), "f");           /* it still speaks */
    cr_assert_str_eq(answer(core, node_up(0, 1, MR_CORE_DOES_BOTH, 2)), ""); /* void */
    cr_assert_eq(mr_core_node(core, 0).state, MR_CORE_NODE_GONE);
    core = reload(core);
    cr_assert_str_eq(answer(core, node_up(0, 2, MR_CORE_DOES_BOTH, 3)), "SSS");
    mr_core_destroy(core);
}

Test(nodes, lost_attempts_do_not_count_as_failures) {
    struct mr_core *core = make_core();
    (void)answer(core, submit(JOB, 1, 1)); /* at most 2 failures */
    for (uint64_t life = 1; life < 50; life++) {
        cr_assert_str_eq(answer(core, node_up(0, life, MR_CORE_MAPS, 1)), life > 1 ? "DS" : "S");
    }
    cr_assert_eq(mr_core_job(core, JOB).state, MR_CORE_JOB_RUNNING);
    mr_core_destroy(core);
}

Test(nodes, a_worker_that_comes_back_keeps_the_outputs_it_offers) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_MAPS, 2));
    (void)answer(core, node_up(1, 1, MR_CORE_REDUCES, 1));
    (void)answer(core, submit(JOB, 2, 1));
    (void)answer(core, done(MR_PHASE_MAP, 0, 1));
    cr_assert_str_eq(answer(core, done(MR_PHASE_MAP, 1, 1)), "AMS");
    const struct mr_core_attempt held[] = {
        {JOB, 0, MR_PHASE_MAP, 0, 1}, {JOB, 0, MR_PHASE_MAP, 1, 9}, {7, 0, MR_PHASE_MAP, 0, 1}};
    struct mr_core_event back = node_up(0, 2, MR_CORE_MAPS, 2);
    back.held = held;
    back.held_count = 3;
    cr_assert_str_eq(answer(core, back), "DDDtS"); /* two not needed; map 1 is made again */
    cr_assert_eq(effect_of(MR_CORE_START, 0).attempt.task, 1u);
    cr_assert_eq(mr_core_winner(core, JOB, MR_PHASE_MAP, 0).worker.incarnation, 2u);
    cr_assert_eq(mr_core_node(core, 0).held, 1u);
    cr_assert_str_eq(answer(core, back), ""); /* said twice */
    core = reload(core);
    cr_assert_eq(mr_core_node(core, 0).held, 1u);
    mr_core_destroy(core);
}

Test(nodes, a_draining_node_ends_what_it_runs_and_says_when_it_may_go) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_DOES_BOTH, 1));
    (void)answer(core, submit(JOB, 1, 1));
    cr_assert_str_eq(answer(core, of_node(MR_CORE_NODE_DRAIN, 0, 1)), "");
    core = reload(core);
    cr_assert_str_eq(answer(core, done(MR_PHASE_MAP, 0, 1)), "AM"); /* the reduce waits */
    (void)answer(core, node_up(1, 1, MR_CORE_DOES_BOTH, 1));
    struct mr_core_event reduce = report(MR_CORE_ATTEMPT_DONE, 0);
    cr_assert_eq(reduce.worker.node, 1u);
    cr_assert_str_eq(answer(core, reduce), "AR");
    cr_assert_str_eq(answer(core, last_round(0)), "P");
    cr_assert_str_eq(answer(core, of_job(MR_CORE_PUBLISHED, 0)), "OtF"); /* it holds nothing now */
    cr_assert_eq(effect_of(MR_CORE_TELL, 0).news, MR_CORE_TELL_NODE_DRAINED);
    cr_assert_str_eq(answer(core, of_node(MR_CORE_NODE_LOST, 0, 1)), "");
    mr_core_destroy(core);
}

/* Has node 0 fail so many attempts. */
static const char *fail_node(struct mr_core *core, unsigned times) {
    const char *text = "";
    for (unsigned n = 0; n < times; n++) {
        struct mr_core_event event = failed(MR_PHASE_MAP, n, 1);
        text = answer(core, event);
    }
    return text;
}

Test(nodes, a_node_that_fails_repeatedly_is_set_aside_and_taken_back) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_MAPS, 4));
    (void)answer(core, submit(JOB, 4, 1));
    (void)answer(core, node_up(1, 1, MR_CORE_MAPS, 4));
    (void)answer(core, node_up(2, 1, MR_CORE_MAPS, 4));
    cr_assert_str_eq(fail_node(core, 3), "fDttS");
    cr_assert_eq(mr_core_node(core, 0).state, MR_CORE_NODE_SET_ASIDE);
    core = reload(core);
    cr_assert_eq(mr_core_node(core, 0).state, MR_CORE_NODE_SET_ASIDE);
    cr_assert_eq(mr_core_node(core, 0).busy, 1u); /* what it runs goes on */
    struct mr_core_event tick = {.kind = MR_CORE_TICK};
    clock_ms = 2000;
    (void)answer(core, tick);
    uint64_t woke = 0;
    while (last_effects.items[0].kind != MR_CORE_PROPOSE) { /* the nodes stay in touch meanwhile */
        woke = effect_of(MR_CORE_WAKE_AT, 0).time_ms;
        cr_assert_gt(woke, clock_ms);
        clock_ms = woke;
        for (uint32_t node = 0; node < 3; node++) {
            (void)answer(core, of_node(MR_CORE_HEARD, node, 1));
        }
        (void)answer(core, tick);
    }
    cr_assert_eq(last_effects.items[0].proposed, MR_CORE_NODE_BACK);
    cr_assert_eq(clock_ms, 62000u);
    (void)answer(core, mr_core_proposal(&last_effects.items[0]));
    cr_assert_eq(mr_core_node(core, 0).state, MR_CORE_NODE_READY);
    mr_core_destroy(core);
}

Test(nodes, one_that_drains_can_be_taken_back) {
    struct mr_core *core = make_core();
    struct mr_core_event event = {.kind = MR_CORE_NODE_DRAIN, .worker = {0, 1}};
    cr_assert_str_eq(answer(core, node_up(0, 1, MR_CORE_DOES_BOTH, 1)), "");
    cr_assert_str_eq(answer(core, event), "t");
    cr_assert_str_eq(answer(core, submit(JOB, 1, 1)), "");
    event.kind = MR_CORE_NODE_BACK;
    cr_assert_str_eq(answer(core, event), "S");
    cr_assert_str_eq(answer(core, event), "");
    cr_assert_eq(mr_core_node(core, 0).state, MR_CORE_NODE_READY);
    mr_core_destroy(reload(core));
}

Test(nodes, no_more_than_a_third_is_set_aside) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_MAPS, 4));
    (void)answer(core, submit(JOB, 4, 1));
    (void)answer(core, node_up(1, 1, MR_CORE_MAPS, 4));
    cr_assert_str_eq(fail_node(core, 4), "fDtS");
    cr_assert_eq(mr_core_node(core, 0).state, MR_CORE_NODE_READY); /* one of two */
    mr_core_destroy(core);
}

Test(nodes, the_only_one_for_a_role_is_not_set_aside) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_MAPS, 4));
    (void)answer(core, submit(JOB, 4, 1));
    (void)answer(core, node_up(1, 1, MR_CORE_REDUCES, 4));
    (void)answer(core, node_up(2, 1, MR_CORE_REDUCES, 4));
    cr_assert_str_eq(fail_node(core, 4), "fDtS");
    cr_assert_eq(mr_core_node(core, 0).state,
                 MR_CORE_NODE_READY); /* of three, but who else maps? */
    mr_core_destroy(core);
}

Test(nodes, numbers_may_have_gaps) {
    struct mr_core *core = make_core();
    (void)answer(core, submit(JOB, 2, 1));
    cr_assert_str_eq(answer(core, node_up(MR_CORE_NODES_MAX - 1, 1, MR_CORE_MAPS, 2)), "SS");
    cr_assert_eq(mr_core_node(core, 17).state, MR_CORE_NODE_GONE);
    mr_core_destroy(reload(core));
}
