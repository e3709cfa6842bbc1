/* core: decides what runs where. A pure state machine: no clock, no files, no threads.
 *
 * In come events (what a shell was asked or has seen), out go effects (what the shell is to do).
 * The job is always in one of the states below; set_state is the only writer, and `allowed` says
 * which steps there are:
 *
 *     IDLE -> OPENING -> MAPPING -> REDUCING -> PUBLISHING -> FINISHED
 *                ^                     |
 *                +----- round done ----+
 *     OPENING, MAPPING or REDUCING -> STOPPING -> FINISHED      after a failure or a cancel
 *
 * The rows of `events` say which states an event fits; any other pair is refused with its reason
 * and changes nothing. A cancel fits every job: it comes from people, at any time. Where the job
 * has ended, is ending, or its output is being put in place, it comes too late and changes nothing.
 *
 * Invariants, after every event:
 * - a slot runs at most one attempt, and a task has at most one running attempt;
 * - no task is ready beside a free slot while the job maps or reduces;
 * - the attempts of the current phase are the only ones running, since phases do not overlap;
 * - FINISHED is given once, when nothing runs any more, and no effect follows it.
 *
 * Work per event is O(1), but for opening a round (its tasks), a failure (the slots) and a new node
 * (its slots). Memory is taken when a node comes up and when a round opens, before anything is
 * changed; the rest of the machine can't fail. A task's attempts follow one another: what failed
 * runs again at once, on the slot that it leaves, so that a hopeless job ends soon. The job fails
 * with the first cause of the task that used up its attempts, or with the status of a fatal
 * failure. */
#include "master/core/core.h"

#include "lib/base/check.h"
#include "lib/base/error.h"

#include <stdlib.h>

#define NONE UINT32_MAX

/* The most effects of one event besides one for each slot: maps done, round done, publish,
 * finished. */
#define EFFECTS_BESIDE_SLOTS 4

enum state { IDLE, OPENING, MAPPING, REDUCING, PUBLISHING, STOPPING, FINISHED, STATES };

static const char *const state_names[STATES] = {
    [IDLE] = "not submitted", [OPENING] = "waiting for its round", [MAPPING] = "mapping",
    [REDUCING] = "reducing",  [PUBLISHING] = "publishing",         [STOPPING] = "stopping",
    [FINISHED] = "finished",
};

static const bool allowed[STATES][STATES] = {
    [IDLE] = {[OPENING] = true},
    [OPENING] = {[MAPPING] = true, [STOPPING] = true},
    [MAPPING] = {[REDUCING] = true, [STOPPING] = true},
    [REDUCING] = {[OPENING] = true, [PUBLISHING] = true, [STOPPING] = true},
    [PUBLISHING] = {[FINISHED] = true},
    [STOPPING] = {[FINISHED] = true},
};

struct task {
    uint32_t attempts; /* started so far: the number of the running one, if any */
    uint32_t winner;   /* the attempt that is done; 0: none yet */
    uint32_t slot;     /* of the running attempt, or NONE */
    int first_cause;   /* the status of its first failure */
};

/* The tasks of one phase of the current round. */
struct phase {
    struct task *tasks;
    uint32_t count;
    uint32_t fresh; /* tasks from here on have not run yet */
    uint32_t open;  /* tasks without a winner */
};

struct slot {
    struct mr_core_attempt attempt; /* what it runs; attempt.attempt 0: it is free */
    uint32_t below;                 /* in the stack of free slots, or NONE */
};

struct mr_core {
    enum state state;
    uint32_t rounds;
    uint32_t max_attempts;
    uint32_t round;
    enum mr_phase running; /* the phase that `state` stands for, or stood for */
    struct phase phases[2];
    struct slot *slots;
    uint32_t slot_count;
    uint32_t slot_free; /* top of the stack of free slots, or NONE */
    uint32_t busy;      /* slots that run an attempt */
    int status;         /* how the job ends */
    struct mr_core_effect *effects;
    size_t effect_count;
    size_t effect_cap;
};

int mr_core_create(struct mr_core **core, struct mr_error *err) {
    struct mr_core *made = calloc(1, sizeof *made);
    struct mr_core_effect *effects = calloc(EFFECTS_BESIDE_SLOTS, sizeof *effects);
    if (!made || !effects) {
        free(effects);
        free(made);
        return mr_error_nomem(err, "making the scheduler");
    }
    made->slot_free = NONE;
    made->effects = effects;
    made->effect_cap = EFFECTS_BESIDE_SLOTS;
    *core = made;
    return 0;
}

void mr_core_destroy(struct mr_core *core) {
    if (!core) {
        return;
    }
    free(core->phases[MR_PHASE_MAP].tasks);
    free(core->phases[MR_PHASE_REDUCE].tasks);
    free(core->slots);
    free(core->effects);
    free(core);
}

typedef int (*handler)(struct mr_core *core, const struct mr_core_event *event,
                       struct mr_error *err);

static int submit(struct mr_core *core, const struct mr_core_event *event, struct mr_error *err);
static int open_round(struct mr_core *core, const struct mr_core_event *event,
                      struct mr_error *err);
static int add_node(struct mr_core *core, const struct mr_core_event *event, struct mr_error *err);
static int end_attempt(struct mr_core *core, const struct mr_core_event *event,
                       struct mr_error *err);
static int fail_attempt(struct mr_core *core, const struct mr_core_event *event,
                        struct mr_error *err);
static int end_publishing(struct mr_core *core, const struct mr_core_event *event,
                          struct mr_error *err);
static int cancel(struct mr_core *core, const struct mr_core_event *event, struct mr_error *err);

#define IN(state) (1u << (state))
#define RUNNING (IN(MAPPING) | IN(REDUCING) | IN(STOPPING))
#define SUBMITTED (IN(OPENING) | RUNNING | IN(PUBLISHING) | IN(FINISHED))

static const struct {
    const char *name;
    handler apply;
    unsigned fits;    /* the states it fits */
    bool has_failure; /* its `status` says what went wrong */
} events[] = {
    [MR_CORE_SUBMIT] = {"submit", submit, IN(IDLE), false},
    [MR_CORE_ROUND_OPEN] = {"round open", open_round, IN(OPENING), false},
    [MR_CORE_NODE_UP] = {"node up", add_node, IN(IDLE) | SUBMITTED, false},
    [MR_CORE_ATTEMPT_DONE] = {"attempt done", end_attempt, RUNNING, false},
    [MR_CORE_ATTEMPT_FAILED] = {"attempt failed", fail_attempt, RUNNING, true},
    [MR_CORE_PUBLISHED] = {"published", end_publishing, IN(PUBLISHING), false},
    [MR_CORE_PUBLISH_FAILED] = {"publish failed", end_publishing, IN(PUBLISHING), true},
    [MR_CORE_CANCEL] = {"cancel", cancel, SUBMITTED, true},
};

int mr_core_apply(struct mr_core *core, const struct mr_core_event *event,
                  struct mr_core_effects *effects, struct mr_error *err) {
    int status = 0;
    core->effect_count = 0;
    if ((size_t)event->kind >= sizeof events / sizeof *events) {
        status = mr_error_set(err, MR_ERR_INTERNAL, "the scheduler knows no event %u",
                              (unsigned)event->kind);
    } else if (!(events[event->kind].fits & IN(core->state))) {
        status = mr_error_set(err, MR_ERR_INTERNAL, "\"%s\" does not fit a job that is %s",
                              events[event->kind].name, state_names[core->state]);
    } else if (events[event->kind].has_failure && event->status >= 0) {
        status = mr_error_set(err, MR_ERR_INTERNAL, "\"%s\" without the status of a failure",
                              events[event->kind].name);
    } else {
        status = events[event->kind].apply(core, event, err);
    }
    effects->items = core->effects;
    effects->count = core->effect_count;
    return status;
}

uint32_t mr_core_winner(const struct mr_core *core, enum mr_phase phase, uint32_t task) {
    const struct phase *asked = &core->phases[phase];
    return task < asked->count ? asked->tasks[task].winner : 0;
}

static void set_state(struct mr_core *core, enum state to) {
    MR_CHECK(allowed[core->state][to]);
    core->state = to;
}

static struct mr_core_effect *add_effect(struct mr_core *core, enum mr_core_effect_kind kind) {
    MR_CHECK(core->effect_count < core->effect_cap);
    struct mr_core_effect *effect = &core->effects[core->effect_count++];
    *effect = (struct mr_core_effect){.kind = kind, .round = core->round};
    return effect;
}

static int submit(struct mr_core *core, const struct mr_core_event *event, struct mr_error *err) {
    if (event->rounds == 0 || event->max_attempts == 0) {
        return mr_error_set(err, MR_ERR_INTERNAL, "a job of no rounds, or of no attempts");
    }
    core->rounds = event->rounds;
    core->max_attempts = event->max_attempts;
    set_state(core, OPENING);
    return 0;
}

static struct phase make_phase(uint32_t count) {
    struct phase made = {.count = count, .open = count};
    made.tasks = calloc((size_t)count + 1, sizeof *made.tasks); /* never of no bytes */
    for (uint32_t i = 0; made.tasks && i < count; i++) {
        made.tasks[i].slot = NONE;
    }
    return made;
}

static void advance(struct mr_core *core);

static int open_round(struct mr_core *core, const struct mr_core_event *event,
                      struct mr_error *err) {
    struct phase map = make_phase(event->map_tasks);
    struct phase reduce = make_phase(event->reduce_tasks);
    if (!map.tasks || !reduce.tasks) {
        free(map.tasks);
        free(reduce.tasks);
        return mr_error_nomem(err, "listing a round's tasks");
    }
    free(core->phases[MR_PHASE_MAP].tasks);
    free(core->phases[MR_PHASE_REDUCE].tasks);
    core->phases[MR_PHASE_MAP] = map;
    core->phases[MR_PHASE_REDUCE] = reduce;
    core->running = MR_PHASE_MAP;
    set_state(core, MAPPING);
    advance(core);
    return 0;
}

static void release_slot(struct mr_core *core, uint32_t slot) {
    core->slots[slot].attempt = (struct mr_core_attempt){0};
    core->slots[slot].below = core->slot_free;
    core->slot_free = slot;
}

static int add_node(struct mr_core *core, const struct mr_core_event *event, struct mr_error *err) {
    if (core->slots || event->slots == 0) {
        return mr_error_set(err, MR_ERR_INTERNAL, "a node without slots, or a second one");
    }
    size_t cap = (size_t)event->slots + EFFECTS_BESIDE_SLOTS;
    struct slot *slots = calloc(event->slots, sizeof *slots);
    struct mr_core_effect *effects = calloc(cap, sizeof *effects);
    if (!slots || !effects) {
        free(effects);
        free(slots);
        return mr_error_nomem(err, "listing a node's slots");
    }
    free(core->effects);
    core->effects = effects;
    core->effect_cap = cap;
    core->slots = slots;
    core->slot_count = event->slots;
    for (uint32_t i = event->slots; i-- > 0;) { /* so that the first is taken first */
        release_slot(core, i);
    }
    advance(core);
    return 0;
}

/* The task whose running attempt this is; NULL, with the reason, where it is not one that is
 * expected. */
static struct task *find_running(struct mr_core *core, const struct mr_core_attempt *attempt,
                                 struct mr_error *err) {
    struct phase *phase = &core->phases[core->running];
    if (attempt->round == core->round && attempt->phase == core->running &&
        attempt->task < phase->count) {
        struct task *task = &phase->tasks[attempt->task];
        if (task->slot != NONE && task->attempts == attempt->attempt) {
            return task;
        }
    }
    mr_error_set(err, MR_ERR_INTERNAL, "round %u, %s task %u: attempt %u is not running",
                 attempt->round, attempt->phase == MR_PHASE_MAP ? "map" : "reduce", attempt->task,
                 attempt->attempt);
    return NULL;
}

static void free_slot_of(struct mr_core *core, struct task *task) {
    release_slot(core, task->slot);
    task->slot = NONE;
    core->busy--;
}

static int end_attempt(struct mr_core *core, const struct mr_core_event *event,
                       struct mr_error *err) {
    struct task *task = find_running(core, &event->attempt, err);
    if (!task) {
        return err->code;
    }
    free_slot_of(core, task);
    if (core->state != STOPPING) {
        task->winner = event->attempt.attempt;
        core->phases[core->running].open--;
    }
    advance(core);
    return 0;
}

static void start(struct mr_core *core, uint32_t index);
static void stop_all(struct mr_core *core, int status);

static int fail_attempt(struct mr_core *core, const struct mr_core_event *event,
                        struct mr_error *err) {
    struct task *task = find_running(core, &event->attempt, err);
    if (!task) {
        return err->code;
    }
    free_slot_of(core, task);
    if (task->attempts == 1) {
        task->first_cause = event->status;
    }
    if (core->state == STOPPING) {
        advance(core);
    } else if (event->fatal || task->attempts >= core->max_attempts) {
        stop_all(core, event->fatal ? event->status : task->first_cause);
    } else {
        start(core, event->attempt.task);
    }
    return 0;
}

static void finish(struct mr_core *core) {
    set_state(core, FINISHED);
    add_effect(core, MR_CORE_FINISHED)->status = core->status;
}

static int end_publishing(struct mr_core *core, const struct mr_core_event *event,
                          struct mr_error *err) {
    (void)err;
    core->status = event->kind == MR_CORE_PUBLISHED ? 0 : event->status;
    finish(core);
    return 0;
}

static int cancel(struct mr_core *core, const struct mr_core_event *event, struct mr_error *err) {
    (void)err;
    if (allowed[core->state][STOPPING]) {
        stop_all(core, event->status);
    }
    return 0;
}

static void stop_all(struct mr_core *core, int status) {
    core->status = status;
    set_state(core, STOPPING);
    for (uint32_t i = 0; i < core->slot_count; i++) {
        if (core->slots[i].attempt.attempt > 0) {
            struct mr_core_effect *effect = add_effect(core, MR_CORE_STOP);
            effect->attempt = core->slots[i].attempt;
            effect->slot = i;
        }
    }
    advance(core);
}

static void end_maps(struct mr_core *core) {
    add_effect(core, MR_CORE_MAPS_DONE);
    core->running = MR_PHASE_REDUCE;
    set_state(core, REDUCING);
}

static void end_round(struct mr_core *core) {
    add_effect(core, MR_CORE_ROUND_DONE);
    if (core->round + 1 < core->rounds) {
        core->round++;
        set_state(core, OPENING);
    } else {
        add_effect(core, MR_CORE_PUBLISH);
        set_state(core, PUBLISHING);
    }
}

static void start_ready(struct mr_core *core);

/* Goes on as far as the job can without another event. */
static void advance(struct mr_core *core) {
    if (core->state == MAPPING && core->phases[MR_PHASE_MAP].open == 0) {
        end_maps(core);
    }
    if (core->state == REDUCING && core->phases[MR_PHASE_REDUCE].open == 0) {
        end_round(core);
    }
    if (core->state == STOPPING && core->busy == 0) {
        finish(core);
    }
    if (core->state == MAPPING || core->state == REDUCING) {
        start_ready(core);
    }
}

/* Every free slot gets a task that has not run yet, as long as there are any. */
static void start_ready(struct mr_core *core) {
    struct phase *phase = &core->phases[core->running];
    while (core->slot_free != NONE && phase->fresh < phase->count) {
        start(core, phase->fresh++);
    }
}

/* Starts the next attempt of a task of the running phase, on a slot that is free. */
static void start(struct mr_core *core, uint32_t index) {
    struct task *task = &core->phases[core->running].tasks[index];
    task->attempts++;
    task->slot = core->slot_free;
    struct slot *slot = &core->slots[task->slot];
    core->slot_free = slot->below;
    core->busy++;
    slot->attempt = (struct mr_core_attempt){core->round, core->running, index, task->attempts};
    struct mr_core_effect *effect = add_effect(core, MR_CORE_START);
    effect->attempt = slot->attempt;
    effect->slot = task->slot;
}
