/* scheduler: what an event costs the scheduler's core, and a task in memory.
 *
 * usage: scheduler [NODES [TASKS [SLOTS]]]
 *
 * One job of TASKS map tasks with three hosts each and a tenth as many reduces, on NODES nodes;
 * every started attempt is answered in random order, one in fifty fails. Prints the time an event,
 * whole job included, the memory a task, and the longest event. */
#include "master/core/core.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct running {
    struct mr_core_worker worker;
    struct mr_core_attempt attempt;
};

struct bench {
    struct mr_core *core;
    struct running *running;
    size_t count;
    uint64_t events;
    uint64_t seed;
    double longest;
    bool is_finished;
};

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static uint64_t draw(struct bench *bench) {
    bench->seed ^= bench->seed << 13;
    bench->seed ^= bench->seed >> 7;
    bench->seed ^= bench->seed << 17;
    return bench->seed;
}

/* Applies an event and acts on its effects; an event of many effects is not one of the longest. */
static void apply(struct bench *bench, const struct mr_core_event *event) {
    struct mr_core_effects effects;
    struct mr_error err = {0};
    double start = bench->events % 64 ? 0 : seconds();
    if (mr_core_apply(bench->core, event, bench->events, &effects, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    double took = start > 0 ? seconds() - start : 0;
    bench->longest = took > bench->longest && effects.count < 8 ? took : bench->longest;
    bench->events++;
    for (size_t i = 0; i < effects.count; i++) {
        const struct mr_core_effect *effect = &effects.items[i];
        if (effect->kind == MR_CORE_START) {
            bench->running[bench->count++] = (struct running){effect->worker, effect->attempt};
        } else if (effect->kind == MR_CORE_FINISHED) {
            bench->is_finished = true;
        }
    }
}

static void answer_one(struct bench *bench) {
    size_t at = draw(bench) % bench->count;
    struct running one = bench->running[at];
    bench->running[at] = bench->running[--bench->count];
    bool fails = draw(bench) % 50 == 0 && one.attempt.attempt < 3;
    struct mr_core_event event = {.kind = fails ? MR_CORE_ATTEMPT_FAILED : MR_CORE_ATTEMPT_DONE,
                                  .worker = one.worker,
                                  .attempt = one.attempt,
                                  .status = fails ? MR_ERR_IO : 0};
    apply(bench, &event);
}

static uint32_t number(int argc, char **argv, int at, uint32_t fallback) {
    return argc > at ? (uint32_t)strtoul(argv[at], NULL, 10) : fallback;
}

int main(int argc, char **argv) {
    uint32_t nodes = number(argc, argv, 1, 1000);
    uint32_t tasks = number(argc, argv, 2, 100000);
    uint32_t slots = number(argc, argv, 3, 16);
    struct bench bench = {.seed = 88172645463325252u};
    struct mr_error err = {0};
    bench.running = calloc((size_t)nodes * slots, sizeof *bench.running);
    uint32_t *hosts = calloc((size_t)tasks * MR_CORE_HOSTS_OF_TASK, sizeof *hosts);
    if (!bench.running || !hosts || mr_core_create(NULL, &bench.core, &err)) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    for (size_t i = 0; i < (size_t)tasks * MR_CORE_HOSTS_OF_TASK; i++) {
        hosts[i] = (uint32_t)(draw(&bench) % nodes);
    }
    for (uint32_t node = 0; node < nodes; node++) {
        struct mr_core_event up = {.kind = MR_CORE_NODE_UP,
                                   .worker = {node, 1},
                                   .host = node,
                                   .roles = MR_CORE_DOES_BOTH,
                                   .slots = slots};
        apply(&bench, &up);
    }
    struct mr_core_event submit = {.kind = MR_CORE_SUBMIT,
                                   .job = 1,
                                   .shape = {tasks, tasks / 10 + 1, hosts},
                                   .max_attempts = 10};
    size_t before = mallinfo2().uordblks;
    double start = seconds();
    apply(&bench, &submit);
    size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    while (bench.count > 0) {
        answer_one(&bench);
    }
    struct mr_core_event closed = {.kind = MR_CORE_ROUND_CLOSED, .job = 1};
    struct mr_core_event published = {.kind = MR_CORE_PUBLISHED, .job = 1};
    apply(&bench, &closed);
    apply(&bench, &published);
    double took = seconds() - start;
    printf("%u nodes, %u + %u tasks: %.3f us an event (%" PRIu64
           " events), longest %.1f us, %.0f bytes a task\n",
           nodes, tasks, tasks / 10 + 1, took * 1e6 / (double)(bench.events - nodes),
           bench.events - nodes, bench.longest * 1e6,
           (double)(after - before) / (double)(tasks + tasks / 10 + 1));
    mr_core_destroy(bench.core);
    free(bench.running);
    free(hosts);
    return bench.is_finished ? 0 : 1;
}
