/* shell: what the tests of master/core speak to it with: events made short, effects as letters. */
#ifndef MR_TESTS_CORE_SHELL_H
#define MR_TESTS_CORE_SHELL_H

#include "master/core/core.h"

#include "tests/unit/master/core/answers.h"
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOB 1u

/* The effects of the last event. */
static struct {
    struct mr_core_effect items[4096];
    size_t count;
} last_effects;
static uint64_t clock_ms; /* what the next event is told */

__attribute__((unused)) static struct mr_core *make_core(void) {
    struct mr_core *core = NULL;
    struct mr_error err = {0};
    clock_ms = 1000;
    cr_assert_eq(mr_core_create(NULL, &core, &err), 0, "%s", err.text);
    return core;
}

static char letter_of(const struct mr_core_effect *effect) {
    return effect->kind == MR_CORE_ANSWER && effect->is_accepted ? ACCEPTED
                                                                 : effect_letters[effect->kind];
}

/* The effects of an event as letters, "-" where it is refused. */
static const char *answer(struct mr_core *core, struct mr_core_event event) {
    static char text[4097];
    struct mr_error err = {0};
    struct mr_core_effects effects;
    int status = mr_core_apply(core, &event, clock_ms, &effects, &err);
    last_effects.count = effects.count;
    if (status) {
        cr_assert_eq(err.code, MR_ERR_INTERNAL, "%s", err.text);
        cr_assert_gt(strlen(err.text), 0u);
        cr_assert_eq(effects.count, 0u);
        return "-";
    }
    memcpy(last_effects.items, effects.items, effects.count * sizeof *effects.items);
    for (size_t i = 0; i < last_effects.count; i++) {
        text[i] = letter_of(&last_effects.items[i]);
    }
    text[last_effects.count] = '\0';
    return text;
}

/* The n-th effect of this kind that the last event had. */
__attribute__((unused)) static struct mr_core_effect effect_of(enum mr_core_effect_kind kind,
                                                               size_t n) {
    for (size_t i = 0; i < last_effects.count; i++) {
        if (last_effects.items[i].kind == kind && n-- == 0) {
            return last_effects.items[i];
        }
    }
    cr_assert_fail("the last event has no such effect: %s", mr_terms_effect_name(kind));
    return (struct mr_core_effect){0};
}

__attribute__((unused)) static struct mr_core_event submit(uint32_t job, uint32_t map_tasks,
                                                           uint32_t reduce_tasks) {
    return (struct mr_core_event){.kind = MR_CORE_SUBMIT,
                                  .job = job,
                                  .shape = {map_tasks, reduce_tasks, NULL},
                                  .max_attempts = 2};
}

__attribute__((unused)) static struct mr_core_event next_round(uint32_t round, uint32_t map_tasks,
                                                               uint32_t reduce_tasks) {
    return (struct mr_core_event){.kind = MR_CORE_ROUND_CLOSED,
                                  .job = JOB,
                                  .round = round,
                                  .has_next = true,
                                  .shape = {map_tasks, reduce_tasks, NULL}};
}

__attribute__((unused)) static struct mr_core_event last_round(uint32_t round) {
    return (struct mr_core_event){.kind = MR_CORE_ROUND_CLOSED, .job = JOB, .round = round};
}

__attribute__((unused)) static struct mr_core_event round_again(uint32_t round, uint32_t maps,
                                                                uint32_t reduces) {
    return (struct mr_core_event){.kind = MR_CORE_ROUND_AGAIN,
                                  .job = JOB,
                                  .round = round,
                                  .shape = {.map_tasks = maps, .reduce_tasks = reduces}};
}

__attribute__((unused)) static struct mr_core_event of_job(enum mr_core_event_kind kind,
                                                           int status) {
    return (struct mr_core_event){.kind = kind, .job = JOB, .status = status};
}

__attribute__((unused)) static struct mr_core_event node_up(uint32_t node, uint64_t incarnation,
                                                            enum mr_core_role roles,
                                                            uint32_t slots) {
    return (struct mr_core_event){.kind = MR_CORE_NODE_UP,
                                  .worker = {node, incarnation},
                                  .host = node,
                                  .roles = roles,
                                  .slots = slots};
}

__attribute__((unused)) static struct mr_core_event of_node(enum mr_core_event_kind kind,
                                                            uint32_t node, uint64_t incarnation) {
    return (struct mr_core_event){.kind = kind, .worker = {node, incarnation}};
}

/* An event about an attempt of JOB's round 0 that node 0 runs. */
__attribute__((unused)) static struct mr_core_event of_attempt(enum mr_core_event_kind kind,
                                                               enum mr_phase phase, uint32_t task,
                                                               uint32_t attempt) {
    return (struct mr_core_event){.kind = kind,
                                  .worker = {0, 1},
                                  .attempt = {JOB, 0, phase, task, attempt},
                                  .status = kind == MR_CORE_ATTEMPT_FAILED ? MR_ERR_IO : 0};
}

__attribute__((unused)) static struct mr_core_event done(enum mr_phase phase, uint32_t task,
                                                         uint32_t attempt) {
    return of_attempt(MR_CORE_ATTEMPT_DONE, phase, task, attempt);
}

__attribute__((unused)) static struct mr_core_event failed(enum mr_phase phase, uint32_t task,
                                                           uint32_t attempt) {
    return of_attempt(MR_CORE_ATTEMPT_FAILED, phase, task, attempt);
}

/* The same event, from another worker. */
__attribute__((unused)) static struct mr_core_event from(struct mr_core_event event, uint32_t node,
                                                         uint64_t incarnation) {
    event.worker = (struct mr_core_worker){node, incarnation};
    return event;
}

/* What the worker that got the n-th START of the last event says of it. */
__attribute__((unused)) static struct mr_core_event report(enum mr_core_event_kind kind, size_t n) {
    struct mr_core_effect start = effect_of(MR_CORE_START, n);
    return (struct mr_core_event){.kind = kind,
                                  .worker = start.worker,
                                  .attempt = start.attempt,
                                  .status = kind == MR_CORE_ATTEMPT_FAILED ? MR_ERR_IO : 0};
}

/* A core that was saved and loaded; the first one is gone. */
__attribute__((unused)) static struct mr_core *reload(struct mr_core *core) {
    struct mr_error err = {0};
    struct mr_core *loaded = NULL;
    char *bytes = NULL;
    size_t len = 0;
    uint64_t before = 0;
    uint64_t after = 0;
    cr_assert_eq(mr_core_save(core, &bytes, &len, &err), 0, "%s", err.text);
    cr_assert_eq(mr_core_hash(core, &before, &err), 0);
    cr_assert_eq(mr_core_load(NULL, bytes, len, &loaded, &err), 0, "%s", err.text);
    cr_assert_eq(mr_core_hash(loaded, &after, &err), 0);
    cr_assert_eq(before, after);
    free(bytes);
    mr_core_destroy(core);
    return loaded;
}

#endif
