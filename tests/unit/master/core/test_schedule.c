/* test_schedule: who gets a free slot: locality, fair shares, tasks that run again, backups. */
#include "tests/unit/master/core/shell.h"

/* Starts of a job, and of a node, in the last event. */
static unsigned starts_of(uint32_t job, uint32_t node) {
    unsigned count = 0;
    for (size_t i = 0; i < last_effects.count; i++) {
        const struct mr_core_effect *effect = &last_effects.items[i];
        count += effect->kind == MR_CORE_START && (job == 0 || effect->job == job) &&
                 (node == MR_CORE_NONE || effect->worker.node == node);
    }
    return count;
}

Test(schedule, a_task_goes_where_its_input_lies) {
    struct mr_core *core = make_core();
    const uint32_t hosts[4 * MR_CORE_HOSTS_OF_TASK] = {
        3, 2, MR_CORE_NONE, 1, MR_CORE_NONE, MR_CORE_NONE, 0, 3, 1, 9, 9, 9};
    for (uint32_t node = 0; node < 4; node++) {
        (void)answer(core, node_up(node, 1, MR_CORE_MAPS, 1));
    }
    struct mr_core_event event = submit(JOB, 4, 1);
    event.shape.hosts = hosts;
    cr_assert_str_eq(answer(core, event), "SSSS");
    unsigned local = 0;
    for (size_t i = 0; i < 4; i++) {
        struct mr_core_effect start = effect_of(MR_CORE_START, i);
        for (size_t k = 0; k < MR_CORE_HOSTS_OF_TASK; k++) {
            local += hosts[start.attempt.task * MR_CORE_HOSTS_OF_TASK + k] == start.worker.node;
        }
    }
    cr_assert_eq(local, 3u); /* nobody is host 9 */
    mr_core_destroy(reload(core));
}

Test(schedule, a_freed_node_takes_its_own_input_first) {
    struct mr_core *core = make_core();
    uint32_t hosts[6 * MR_CORE_HOSTS_OF_TASK];
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        hosts[i] = MR_CORE_NONE;
    }
    hosts[5 * MR_CORE_HOSTS_OF_TASK] = 0;
    hosts[4 * MR_CORE_HOSTS_OF_TASK] = 0;
    (void)answer(core, node_up(0, 1, MR_CORE_MAPS, 1));
    struct mr_core_event event = submit(JOB, 6, 1);
    event.shape.hosts = hosts;
    static const uint32_t order[] = {4, 5, 0, 1, 2, 3};
    (void)answer(core, event);
    core = reload(core);
    for (size_t i = 0; i < 6; i++) {
        struct mr_core_effect start = effect_of(MR_CORE_START, 0);
        cr_assert_eq(start.attempt.task, order[i], "%zu: task %u", i, start.attempt.task);
        (void)answer(core, report(MR_CORE_ATTEMPT_DONE, 0));
    }
    mr_core_destroy(core);
}

Test(schedule, tasks_spread_over_the_nodes) {
    struct mr_core *core = make_core();
    for (uint32_t node = 0; node < 3; node++) {
        (void)answer(core, node_up(node, 1, MR_CORE_MAPS, 4));
    }
    (void)answer(core, submit(JOB, 6, 1));
    for (uint32_t node = 0; node < 3; node++) {
        cr_assert_eq(starts_of(JOB, node), 2u);
    }
    mr_core_destroy(core);
}

/* Ends the attempt that started first among those of `job`, over and over, and counts who starts.
 */
static void run_down(struct mr_core *core, unsigned events, unsigned starts[3]) {
    struct mr_core_effect running[64];
    size_t count = 0;
    for (size_t i = 0; i < last_effects.count; i++) {
        running[count++] = last_effects.items[i];
    }
    for (unsigned n = 0; n < events; n++) {
        struct mr_core_event event = {.kind = MR_CORE_ATTEMPT_DONE,
                                      .worker = running[n].worker,
                                      .attempt = running[n].attempt};
        (void)answer(core, event);
        running[count++] = effect_of(MR_CORE_START, 0);
        starts[running[count - 1].job]++;
    }
}

Test(schedule, jobs_share_slots_by_weight) {
    struct mr_core *core = make_core();
    unsigned starts[3] = {0};
    (void)answer(core, submit(1, 100, 1));
    struct mr_core_event heavy = submit(2, 100, 1);
    heavy.weight = 3;
    (void)answer(core, heavy);
    (void)answer(core, node_up(0, 1, MR_CORE_MAPS, 8));
    cr_assert_eq(starts_of(1, 0), 2u);
    cr_assert_eq(starts_of(2, 0), 6u);
    core = reload(core);
    run_down(core, 40, starts);
    cr_assert_eq(starts[1], 10u);
    cr_assert_eq(starts[2], 30u);
    mr_core_destroy(core);
}

Test(schedule, a_job_alone_gets_everything) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_MAPS, 8));
    (void)answer(core, submit(1, 20, 1));
    cr_assert_eq(starts_of(1, 0), 8u);
    (void)answer(core, submit(2, 20, 1));
    cr_assert_eq(starts_of(2, 0), 0u); /* nothing is taken away */
    mr_core_destroy(core);
}

Test(schedule, what_failed_runs_elsewhere_and_before_what_has_not_started) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_MAPS, 2));
    (void)answer(core, submit(JOB, 2, 1));
    (void)answer(core, node_up(1, 1, MR_CORE_MAPS, 1));
    cr_assert_str_eq(answer(core, failed(MR_PHASE_MAP, 0, 1)), "fDtS");
    struct mr_core_effect start = effect_of(MR_CORE_START, 0);
    cr_assert_eq(start.worker.node, 1u); /* though node 0 has a free slot too */
    cr_assert_eq(start.attempt.task, 0u);
    cr_assert_eq(start.attempt.attempt, 2u);
    mr_core_destroy(core);

    core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_MAPS, 1));
    (void)answer(core, submit(JOB, 2, 1));
    cr_assert_str_eq(answer(core, failed(MR_PHASE_MAP, 0, 1)), "fDtS"); /* the only node there is */
    cr_assert_eq(effect_of(MR_CORE_START, 0).attempt.task, 0u);
    mr_core_destroy(core);
}

Test(schedule, reduces_wait_for_the_maps_or_start_early_where_nobody_maps) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_DOES_BOTH, 3));
    (void)answer(core, node_up(1, 1, MR_CORE_REDUCES, 3));
    cr_assert_str_eq(answer(core, submit(1, 1, 2)), "S");
    struct mr_core_event early = submit(2, 1, 2);
    early.is_early = true;
    cr_assert_str_eq(answer(core, early), "SSS");
    cr_assert_eq(starts_of(2, 1), 2u); /* its reduces, on the node that only reduces */
    cr_assert_str_eq(answer(core, done(MR_PHASE_MAP, 0, 1)), "AMSS");
    mr_core_destroy(reload(core));
}

Test(schedule, a_backup_runs_on_another_node_and_the_first_to_end_wins) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_DOES_BOTH, 1));
    (void)answer(core, submit(JOB, 1, 1));
    struct mr_core_event backup = of_attempt(MR_CORE_BACKUP, MR_PHASE_MAP, 0, 1);
    cr_assert_str_eq(answer(core, backup), ""); /* there is no other node */
    (void)answer(core, node_up(1, 1, MR_CORE_DOES_BOTH, 2));
    cr_assert_str_eq(answer(core, backup), "S");
    struct mr_core_event second = report(MR_CORE_ATTEMPT_DONE, 0);
    cr_assert_eq(second.worker.node, 1u);
    cr_assert_str_eq(answer(core, backup), ""); /* not a third one */
    core = reload(core);
    cr_assert_str_eq(answer(core, second), "AXMS");
    cr_assert_str_eq(answer(core, done(MR_PHASE_MAP, 0, 1)), "fD"); /* the slower one */
    cr_assert_eq(mr_core_winner(core, JOB, MR_PHASE_MAP, 0).attempt, 2u);
    mr_core_destroy(core);
}

Test(schedule, a_task_fails_only_when_its_backup_has_failed_too) {
    struct mr_core *core = make_core();
    (void)answer(core, node_up(0, 1, MR_CORE_MAPS, 1));
    (void)answer(core, submit(JOB, 1, 1));
    (void)answer(core, node_up(1, 1, MR_CORE_MAPS, 1));
    (void)answer(core, of_attempt(MR_CORE_BACKUP, MR_PHASE_MAP, 0, 1));
    cr_assert_str_eq(answer(core, failed(MR_PHASE_MAP, 0, 1)), "fDt"); /* the other goes on */
    cr_assert_str_eq(answer(core, from(failed(MR_PHASE_MAP, 0, 2), 1, 1)), "fDOF");
    cr_assert_eq(effect_of(MR_CORE_FINISHED, 0).attempt.attempt, 1u); /* the first cause */
    mr_core_destroy(core);
}
