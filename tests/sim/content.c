/* content: what tasks make, as numbers: the output of a task is a hash of all that it read. */
#include "tests/sim/content.h"

uint64_t content_map(const struct sim *sim, const struct mr_core_attempt *attempt, uint64_t side) {
    uint64_t content =
        random_join(random_join(attempt->job, attempt->round), random_join(attempt->task, side));
    uint64_t chance = sim_number(sim, 'u', sim_attempt_key(attempt), 0) % 1000;
    bool is_other = chance < sim->plan->job[attempt->job].unstable;
    return is_other ? random_join(content, attempt->attempt) : content;
}

uint64_t content_part(const struct mr_core_attempt *attempt, const uint64_t *read, uint32_t count) {
    uint64_t content = random_join(attempt->job, attempt->task);
    for (uint32_t i = 0; i < count; i++) {
        content = random_join(content, read[i]);
    }
    return content;
}

uint64_t content_add_part(uint64_t result, uint64_t part) {
    return random_join(result, part);
}

uint64_t content_expected_part(const struct sim *sim, uint32_t job, uint32_t round, uint32_t task) {
    const struct plan_job *about = &sim->plan->job[job];
    uint64_t read[PLAN_TASKS_MAX];
    uint64_t side = 0;
    for (uint32_t i = 0; i < round; i++) {
        uint64_t result = 0;
        for (uint32_t part = 0; part < about->reduces[i]; part++) {
            result = content_add_part(result, content_expected_part(sim, job, i, part));
        }
        side = result;
    }
    struct mr_core_attempt attempt = {.job = job, .round = round};
    for (uint32_t i = 0; i < about->maps[round]; i++) {
        attempt.task = i;
        read[i] = content_map(sim, &attempt, side);
    }
    attempt.phase = MR_PHASE_REDUCE;
    attempt.task = task;
    return content_part(&attempt, read, about->maps[round]);
}

struct mr_core_shape content_shape(struct sim *sim, uint32_t job, uint32_t round) {
    const struct plan_job *about = &sim->plan->job[job];
    struct mr_core_shape shape = {.map_tasks = about->maps[round],
                                  .reduce_tasks = about->reduces[round]};
    if (about->has_hosts) {
        size_t count = (size_t)shape.map_tasks * MR_CORE_HOSTS_OF_TASK;
        uint32_t *hosts = sim_take(sim, count * sizeof *hosts + 1);
        for (size_t i = 0; i < count; i++) {
            uint64_t host = sim_number(sim, 'h', (uint64_t)job << 32 | round, i) % 5;
            hosts[i] = host == 4 ? MR_CORE_NONE : (uint32_t)host;
        }
        shape.hosts = hosts;
    }
    return shape;
}
