/* test_results: what counts, what comes too late, what is made again, and when a job gives up. */
#include "tests/unit/master/core/shell.h"

/* A job of two maps and two reduces on a node of two slots, its maps done. */
static struct mr_core *reducing(void) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_DOES_BOTH, 2));
    (void)answer(core, submit(JOB, 2, 2));
    (void)answer(core, done(MR_PHASE_MAP, 0, 1));
    cr_assert_str_eq(answer(core, done(MR_PHASE_MAP, 1, 1)), "AMSS");
    return core;
}

static struct mr_core_event lost(uint32_t reduce, uint32_t attempt, uint32_t map,
                                 uint32_t map_attempt) {
    struct mr_core_event event = of_attempt(MR_CORE_OUTPUT_LOST, MR_PHASE_REDUCE, reduce, attempt);
    event.lost_task = map;
    event.lost_attempt = map_attempt;
    return event;
}

Test(results, a_repeated_result_has_the_same_answer) {
    struct mr_core *core = reducing();
    cr_assert_str_eq(answer(core, done(MR_PHASE_REDUCE, 0, 1)), "A");
    core = reload(core);
    cr_assert_str_eq(answer(core, done(MR_PHASE_REDUCE, 0, 1)), "A");
    cr_assert_str_eq(answer(core, done(MR_PHASE_MAP, 1, 1)), "A");
    cr_assert_str_eq(answer(core, failed(MR_PHASE_REDUCE, 0, 1)), "f");
    cr_assert_eq(mr_core_winner(core, JOB, MR_PHASE_REDUCE, 0).attempt, 1u);
    mr_core_destroy(core);
}

Test(results, only_the_attempt_that_was_started_counts) {
    struct mr_core *core = reducing();
    struct mr_core_event good = done(MR_PHASE_REDUCE, 0, 1);
    struct mr_core_event wrong[6] = {good, good, good, good, good, good};
    wrong[0].attempt.attempt = 2;
    wrong[1].attempt.round = 1;
    wrong[2].attempt.job = 2;
    wrong[3].attempt.task = 5;
    wrong[4].worker.node = 7;
    wrong[5].worker.incarnation = 2;
    for (size_t i = 0; i < 6; i++) {
        cr_assert_str_eq(answer(core, wrong[i]), "f", "%zu", i);
    }
    cr_assert_str_eq(answer(core, good), "A");
    mr_core_destroy(core);
}

Test(results, the_job_fails_with_the_first_cause_of_the_task_that_used_up_its_attempts) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_MAPS, 2));
    struct mr_core_event event = submit(JOB, 2, 1);
    event.max_attempts = 3;
    (void)answer(core, event);
    static const int causes[] = {MR_ERR_JOB, MR_ERR_IO, MR_ERR_NOMEM};
    for (uint32_t attempt = 1; attempt <= 3; attempt++) {
        event = failed(MR_PHASE_MAP, 1, attempt);
        event.status = causes[attempt - 1];
        cr_assert_str_eq(answer(core, event), attempt < 3 ? "fDtS" : "fDXO");
    }
    cr_assert_str_eq(answer(core, failed(MR_PHASE_MAP, 0, 1)), "fDF");
    struct mr_core_effect end = effect_of(MR_CORE_FINISHED, 0);
    cr_assert_eq(end.status, MR_ERR_JOB);
    cr_assert_eq(end.attempt.task, 1u);
    cr_assert_eq(end.attempt.attempt, 1u);
    mr_core_destroy(core);
}

Test(results, uncounted_failures_do_not_use_up_attempts_but_end_some_time) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_MAPS, 1));
    (void)answer(core, submit(JOB, 1, 1)); /* at most 2 failures */
    struct mr_core_event event = failed(MR_PHASE_MAP, 0, 1);
    event.is_uncounted = true;
    unsigned rounds = 0;
    while (strcmp(answer(core, event), "fDtS") == 0) {
        event.attempt.attempt++;
        rounds++;
        cr_assert_lt(rounds, 10000u);
    }
    cr_assert_gt(rounds, 1000u);
    cr_assert_eq(mr_core_job(core, JOB).state, MR_CORE_JOB_FINISHED);
    mr_core_destroy(core);
}

Test(results, one_report_moves_the_reduce_two_have_the_map_made_again) {
    struct mr_core *core = reducing();
    cr_assert_str_eq(answer(core, lost(0, 1, 1, 1)), "fDS"); /* perhaps it was the network */
    cr_assert_eq(effect_of(MR_CORE_START, 0).attempt.phase, MR_PHASE_REDUCE);
    core = reload(core);
    cr_assert_str_eq(answer(core, lost(0, 2, 1, 1)), "fDDtS"); /* the reduce waits for it now */
    struct mr_core_effect start = effect_of(MR_CORE_START, 0);
    cr_assert_eq(start.attempt.phase, MR_PHASE_MAP);
    cr_assert_eq(start.attempt.task, 1u);
    cr_assert_eq(mr_core_job(core, JOB).maps_open, 1u);
    cr_assert_str_eq(answer(core, done(MR_PHASE_MAP, 1, 2)), "AMS");
    cr_assert_str_eq(answer(core, lost(1, 1, 1, 1)), "fDS"); /* stale: that one is gone */
    cr_assert_eq(mr_core_job(core, JOB).maps_open, 0u);
    mr_core_destroy(core);
}

Test(results, an_output_that_is_never_readable_ends_the_job) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_DOES_BOTH, 1));
    (void)answer(core, submit(JOB, 1, 1));
    unsigned events = 0;
    while (mr_core_job(core, JOB).state == MR_CORE_JOB_RUNNING) {
        struct mr_core_effect start = effect_of(MR_CORE_START, 0);
        struct mr_core_event event = report(MR_CORE_ATTEMPT_DONE, 0);
        if (start.attempt.phase == MR_PHASE_REDUCE) {
            event = report(MR_CORE_OUTPUT_LOST, 0);
            event.lost_attempt = mr_core_winner(core, JOB, MR_PHASE_MAP, 0).attempt;
        }
        (void)answer(core, event);
        cr_assert_lt(++events, 1000u);
    }
    cr_assert_eq(effect_of(MR_CORE_FINISHED, 0).status, MR_ERR_IO);
    mr_core_destroy(core);
}

Test(results, other_records_than_before_restart_every_reduce) {
    struct mr_core *core = reducing();
    (void)answer(core, done(MR_PHASE_REDUCE, 0, 1));
    (void)answer(core, lost(1, 1, 0, 1));
    cr_assert_str_eq(answer(core, lost(1, 2, 0, 1)), "fDDtS");
    struct mr_core_event again = done(MR_PHASE_MAP, 0, 2);
    again.digest = 1; /* the first time it was 0 */
    cr_assert_str_eq(answer(core, again), "AtDtMSS");
    cr_assert_eq(effect_of(MR_CORE_TELL, 0).news, MR_CORE_TELL_NOT_DETERMINISTIC);
    cr_assert_eq(effect_of(MR_CORE_DISCARD, 0).attempt.phase, MR_PHASE_REDUCE);
    cr_assert_eq(mr_core_job(core, JOB).reduces_open, 2u);
    mr_core_destroy(reload(core));
}

Test(results, other_records_than_before_fail_a_strict_job) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_DOES_BOTH, 1));
    struct mr_core_event event = submit(JOB, 1, 1);
    event.is_strict = true;
    (void)answer(core, event);
    (void)answer(core, done(MR_PHASE_MAP, 0, 1));
    (void)answer(core, lost(0, 1, 0, 1));
    (void)answer(core, lost(0, 2, 0, 1));
    event = done(MR_PHASE_MAP, 0, 2);
    event.digest = 1;
    cr_assert_str_eq(answer(core, event), "AtOF");
    cr_assert_eq(effect_of(MR_CORE_FINISHED, 0).status, MR_ERR_JOB);
    mr_core_destroy(core);
}

Test(results, a_lost_part_opens_its_task_again_until_the_output_is_in_place) {
    struct mr_core *core = reducing();
    struct mr_core_event part = of_attempt(MR_CORE_PART_LOST, MR_PHASE_REDUCE, 0, 1);
    (void)answer(core, done(MR_PHASE_REDUCE, 0, 1));
    cr_assert_str_eq(answer(core, done(MR_PHASE_REDUCE, 1, 1)), "AR");
    cr_assert_str_eq(answer(core, last_round(0)), "P");
    core = reload(core);
    cr_assert_str_eq(answer(core, part), "DtS");
    cr_assert_str_eq(answer(core, part), ""); /* said twice */
    cr_assert_str_eq(answer(core, done(MR_PHASE_REDUCE, 0, 2)), "AR");
    cr_assert_str_eq(answer(core, last_round(0)), "P");
    cr_assert_str_eq(answer(core, of_job(MR_CORE_PUBLISHED, 0)), "OF");
    cr_assert_str_eq(answer(core, part), "");
    mr_core_destroy(core);
}

Test(results, a_lost_part_needs_the_maps_of_a_node_that_is_gone) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_MAPS, 2));
    (void)answer(core, node_up(1, 1, MR_CORE_REDUCES, 1));
    (void)answer(core, submit(JOB, 2, 1));
    (void)answer(core, done(MR_PHASE_MAP, 0, 1));
    (void)answer(core, done(MR_PHASE_MAP, 1, 1));
    cr_assert_str_eq(answer(core, from(done(MR_PHASE_REDUCE, 0, 1), 1, 1)), "AR");
    cr_assert_str_eq(answer(core, of_node(MR_CORE_NODE_LOST, 0, 1)), ""); /* nobody reads them */
    (void)answer(core, node_up(2, 1, MR_CORE_MAPS, 2));
    cr_assert_str_eq(answer(core, of_attempt(MR_CORE_PART_LOST, MR_PHASE_REDUCE, 0, 1)),
                     "DtDtDtSS");
    core = reload(core);
    cr_assert_eq(mr_core_job(core, JOB).maps_open, 2u);
    mr_core_destroy(core);
}

Test(results, a_map_that_was_given_up_runs_again_when_a_part_is_lost) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_MAPS, 1));
    (void)answer(core, node_up(1, 1, MR_CORE_REDUCES, 1));
    (void)answer(core, submit(JOB, 1, 1));
    (void)answer(core, done(MR_PHASE_MAP, 0, 1));
    (void)answer(core, of_node(MR_CORE_NODE_LOST, 0, 1));
    cr_assert_str_eq(answer(core, node_up(2, 1, MR_CORE_MAPS, 1)), "S");
    struct mr_core_event map = report(MR_CORE_ATTEMPT_FAILED, 0);
    /* the reduce had read it all, so nobody wants the map any more */
    cr_assert_str_eq(answer(core, from(done(MR_PHASE_REDUCE, 0, 1), 1, 1)), "AXR");
    cr_assert_str_eq(answer(core, map), "fD");
    cr_assert_str_eq(answer(core, of_attempt(MR_CORE_PART_LOST, MR_PHASE_REDUCE, 0, 1)), "DtS");
    cr_assert_eq(effect_of(MR_CORE_START, 0).attempt.phase, MR_PHASE_MAP);
    mr_core_destroy(core);
}
