/* test_core: every state and event, and the scheduler's invariants under seeded random schedules.
 *
 * The tests see the core as a shell does: events in, effects out. `model` is such a shell; it keeps
 * books of its own about slots, tasks and attempts, and compares them with every effect. */
#include "master/core/core.h"

#include "tests/unit/test.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#define TASKS_MAX 8
#define SLOTS_MAX 5
#define EVENTS_MAX 1024

/* One letter an effect. */
static const char letters[] = {
    [MR_CORE_START] = 'S',      [MR_CORE_STOP] = 'X',    [MR_CORE_MAPS_DONE] = 'M',
    [MR_CORE_ROUND_DONE] = 'R', [MR_CORE_PUBLISH] = 'P', [MR_CORE_FINISHED] = 'F',
};

/* The effects of an event as letters, "-" where it is refused. */
static const char *answer(struct mr_core *core, struct mr_core_event event) {
    static char text[64];
    struct mr_core_effects effects;
    struct mr_error err = {0};
    if (mr_core_apply(core, &event, &effects, &err)) {
        cr_assert_eq(err.code, MR_ERR_INTERNAL);
        cr_assert_gt(strlen(err.text), 0u);
        cr_assert_eq(effects.count, 0u);
        return "-";
    }
    for (size_t i = 0; i < effects.count; i++) {
        text[i] = letters[effects.items[i].kind];
    }
    text[effects.count] = '\0';
    return text;
}

static struct mr_core *make_core(void) {
    struct mr_core *core = NULL;
    struct mr_error err = {0};
    cr_assert_eq(mr_core_create(&core, &err), 0);
    return core;
}

static struct mr_core_event submit(uint32_t rounds, uint32_t max_attempts) {
    return (struct mr_core_event){
        .kind = MR_CORE_SUBMIT, .rounds = rounds, .max_attempts = max_attempts};
}

static struct mr_core_event round_open(uint32_t map_tasks, uint32_t reduce_tasks) {
    return (struct mr_core_event){
        .kind = MR_CORE_ROUND_OPEN, .map_tasks = map_tasks, .reduce_tasks = reduce_tasks};
}

static struct mr_core_event node_up(uint32_t slots) {
    return (struct mr_core_event){.kind = MR_CORE_NODE_UP, .slots = slots};
}

static struct mr_core_event done(enum mr_phase phase, uint32_t task, uint32_t attempt) {
    return (struct mr_core_event){.kind = MR_CORE_ATTEMPT_DONE,
                                  .attempt = {0, phase, task, attempt}};
}

static struct mr_core_event failed(enum mr_phase phase, uint32_t task, uint32_t attempt,
                                   int status) {
    return (struct mr_core_event){
        .kind = MR_CORE_ATTEMPT_FAILED, .attempt = {0, phase, task, attempt}, .status = status};
}

static struct mr_core_event fatally(struct mr_core_event event) {
    event.fatal = true;
    return event;
}

static struct mr_core_event of_status(enum mr_core_event_kind kind, int status) {
    return (struct mr_core_event){.kind = kind, .status = status};
}

enum place { IDLE, OPENING, MAPPING, REDUCING, PUBLISHING, STOPPING, FINISHED, PLACES };

/* A job of one round, two maps and a reduce on two slots, brought to a state. */
static struct mr_core *reach(enum place place) {
    struct mr_core *core = make_core();
    cr_assert_str_eq(answer(core, node_up(2)), "");
    if (place >= OPENING) {
        cr_assert_str_eq(answer(core, submit(1, 2)), "");
    }
    if (place >= MAPPING) {
        cr_assert_str_eq(answer(core, round_open(2, 1)), "SS");
    }
    if (place == STOPPING) {
        cr_assert_str_eq(answer(core, fatally(failed(MR_PHASE_MAP, 0, 1, MR_ERR_JOB))), "X");
        return core;
    }
    if (place >= REDUCING) {
        cr_assert_str_eq(answer(core, done(MR_PHASE_MAP, 0, 1)), "");
        cr_assert_str_eq(answer(core, done(MR_PHASE_MAP, 1, 1)), "MS");
    }
    if (place >= PUBLISHING) {
        cr_assert_str_eq(answer(core, done(MR_PHASE_REDUCE, 0, 1)), "RP");
    }
    if (place == FINISHED) {
        cr_assert_str_eq(answer(core, of_status(MR_CORE_PUBLISHED, 0)), "F");
    }
    return core;
}

Test(core, every_state_answers_every_event) {
    enum { KINDS = MR_CORE_CANCEL + 1 };
    static const char *const answers[PLACES][KINDS] = {
        /* submit, round open, node up, done, failed, published, publish failed, cancel */
        [IDLE] = {"", "-", "-", "-", "-", "-", "-", "-"},
        [OPENING] = {"-", "SS", "-", "-", "-", "-", "-", "F"},
        [MAPPING] = {"-", "-", "-", "", "S", "-", "-", "XX"},
        [REDUCING] = {"-", "-", "-", "RP", "S", "-", "-", "X"},
        [PUBLISHING] = {"-", "-", "-", "-", "-", "F", "F", ""},
        [STOPPING] = {"-", "-", "-", "F", "F", "-", "-", ""},
        [FINISHED] = {"-", "-", "-", "-", "-", "-", "-", ""},
    };
    for (enum place place = IDLE; place < PLACES; place++) {
        enum mr_phase phase = place == REDUCING ? MR_PHASE_REDUCE : MR_PHASE_MAP;
        uint32_t task = place == STOPPING ? 1 : 0;
        const struct mr_core_event events[KINDS] = {
            submit(1, 2),
            round_open(2, 1),
            node_up(2),
            done(phase, task, 1),
            failed(phase, task, 1, MR_ERR_JOB),
            of_status(MR_CORE_PUBLISHED, 0),
            of_status(MR_CORE_PUBLISH_FAILED, MR_ERR_IO),
            of_status(MR_CORE_CANCEL, MR_ERR_INTERRUPTED),
        };
        for (int i = 0; i < KINDS; i++) {
            struct mr_core *core = reach(place);
            const char *got = answer(core, events[i]);
            cr_assert(strcmp(got, answers[place][i]) == 0, "state %d, event %d: %s", (int)place, i,
                      got);
            mr_core_destroy(core);
        }
    }
}

Test(core, refuses_malformed_events) {
    struct mr_core *core = reach(IDLE);
    cr_assert_str_eq(answer(core, submit(0, 1)), "-");
    cr_assert_str_eq(answer(core, submit(1, 0)), "-");
    cr_assert_str_eq(answer(core, of_status((enum mr_core_event_kind)99, 0)), "-");
    mr_core_destroy(core);
    core = reach(MAPPING);
    cr_assert_str_eq(answer(core, of_status(MR_CORE_CANCEL, 0)), "-");
    cr_assert_str_eq(answer(core, failed(MR_PHASE_MAP, 0, 1, 0)), "-");
    mr_core_destroy(core);
    core = make_core();
    cr_assert_str_eq(answer(core, node_up(0)), "-");
    mr_core_destroy(core);
}

Test(core, refuses_stale_attempts) {
    struct mr_core *core = reach(MAPPING);
    struct mr_core_event other_round = done(MR_PHASE_MAP, 0, 1);
    other_round.attempt.round = 1;
    cr_assert_str_eq(answer(core, other_round), "-");
    cr_assert_str_eq(answer(core, done(MR_PHASE_REDUCE, 0, 1)), "-");
    cr_assert_str_eq(answer(core, done(MR_PHASE_MAP, 2, 1)), "-");
    cr_assert_str_eq(answer(core, done(MR_PHASE_MAP, 0, 2)), "-");
    cr_assert_str_eq(answer(core, failed(MR_PHASE_MAP, 0, 1, MR_ERR_IO)), "S");
    cr_assert_str_eq(answer(core, done(MR_PHASE_MAP, 0, 1)), "-");
    cr_assert_str_eq(answer(core, done(MR_PHASE_MAP, 0, 2)), "");
    cr_assert_str_eq(answer(core, done(MR_PHASE_MAP, 0, 2)), "-");
    cr_assert_eq(mr_core_winner(core, MR_PHASE_MAP, 0), 2u);
    cr_assert_eq(mr_core_winner(core, MR_PHASE_MAP, 1), 0u);
    cr_assert_eq(mr_core_winner(core, MR_PHASE_MAP, 7), 0u);
    mr_core_destroy(core);
}

Test(core, a_node_may_come_up_at_any_time) {
    struct mr_core *core = make_core();
    cr_assert_str_eq(answer(core, submit(1, 1)), "");
    cr_assert_str_eq(answer(core, round_open(2, 1)), "");
    cr_assert_str_eq(answer(core, node_up(3)), "SS");
    mr_core_destroy(core);

    core = make_core(); /* a round of no tasks needs no node */
    cr_assert_str_eq(answer(core, submit(2, 1)), "");
    cr_assert_str_eq(answer(core, round_open(0, 0)), "MR");
    cr_assert_str_eq(answer(core, round_open(0, 0)), "MRP");
    cr_assert_str_eq(answer(core, node_up(1)), "");
    cr_assert_str_eq(answer(core, of_status(MR_CORE_PUBLISHED, 0)), "F");
    mr_core_destroy(core);
}

static int status_of_end(struct mr_core *core, struct mr_core_event event) {
    struct mr_core_effects effects;
    struct mr_error err = {0};
    cr_assert_eq(mr_core_apply(core, &event, &effects, &err), 0);
    cr_assert_geq(effects.count, 1u);
    cr_assert_eq(effects.items[effects.count - 1].kind, MR_CORE_FINISHED);
    return effects.items[effects.count - 1].status;
}

Test(core, ends_with_the_first_cause) {
    struct mr_core *core = reach(REDUCING);
    cr_assert_str_eq(answer(core, failed(MR_PHASE_REDUCE, 0, 1, MR_ERR_IO)), "S");
    cr_assert_eq(status_of_end(core, failed(MR_PHASE_REDUCE, 0, 2, MR_ERR_JOB)), MR_ERR_IO);
    mr_core_destroy(core);

    core = reach(REDUCING);
    cr_assert_str_eq(answer(core, failed(MR_PHASE_REDUCE, 0, 1, MR_ERR_IO)), "S");
    struct mr_core_event fatal = fatally(failed(MR_PHASE_REDUCE, 0, 2, MR_ERR_JOB));
    cr_assert_eq(status_of_end(core, fatal), MR_ERR_JOB);
    mr_core_destroy(core);

    core = reach(
        STOPPING); /* ended by MR_ERR_JOB: neither a cancel nor another failure changes that */
    cr_assert_str_eq(answer(core, of_status(MR_CORE_CANCEL, MR_ERR_INTERRUPTED)), "");
    cr_assert_eq(status_of_end(core, failed(MR_PHASE_MAP, 1, 1, MR_ERR_IO)), MR_ERR_JOB);
    mr_core_destroy(core);

    core = reach(STOPPING); /* what is done too late wins nothing */
    cr_assert_eq(status_of_end(core, done(MR_PHASE_MAP, 1, 1)), MR_ERR_JOB);
    cr_assert_eq(mr_core_winner(core, MR_PHASE_MAP, 1), 0u);
    mr_core_destroy(core);

    core = reach(PUBLISHING);
    cr_assert_str_eq(answer(core, of_status(MR_CORE_CANCEL, MR_ERR_INTERRUPTED)), "");
    cr_assert_eq(status_of_end(core, of_status(MR_CORE_PUBLISHED, 0)), 0);
    mr_core_destroy(core);
}

/* The seed of the schedule that runs, told by what fails in it. */
static uint64_t current_seed;

#define HOLDS(condition) cr_assert(condition, "seed %" PRIu64, current_seed)

struct model_task {
    uint32_t attempts;
    bool runs;
    bool won;
};

/* A shell without work: books about what it was told to do. */
struct model {
    struct mr_core *core;
    uint64_t seed;
    uint32_t slots;
    uint32_t rounds;
    uint32_t max_attempts;
    uint32_t round;
    uint32_t counts[2]; /* tasks of the open round's phases */
    struct model_task tasks[2][TASKS_MAX];
    struct mr_core_attempt on_slot[SLOTS_MAX]; /* attempt 0: free */
    enum mr_phase phase;
    bool is_open;   /* a round is open and not done */
    bool is_ending; /* a failure or a cancel happened */
    bool publishes;
    int finished;
    int status; /* as it must end */
    struct mr_core_event events[EVENTS_MAX];
    size_t event_count;
};

static uint32_t random_below(struct model *model, uint32_t limit) {
    model->seed = model->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(model->seed >> 33) % limit;
}

static void note_start(struct model *model, const struct mr_core_effect *effect) {
    const struct mr_core_attempt *attempt = &effect->attempt;
    HOLDS(model->is_open && !model->is_ending);
    HOLDS(effect->slot < model->slots);
    HOLDS(model->on_slot[effect->slot].attempt == 0u);
    HOLDS(attempt->round == model->round);
    HOLDS(attempt->phase == model->phase);
    HOLDS(attempt->task < model->counts[attempt->phase]);
    struct model_task *task = &model->tasks[attempt->phase][attempt->task];
    HOLDS(!task->runs && !task->won);
    task->attempts++;
    HOLDS(attempt->attempt == task->attempts);
    HOLDS(task->attempts <= model->max_attempts);
    task->runs = true;
    model->on_slot[effect->slot] = *attempt;
}

static uint32_t count_open(const struct model *model, enum mr_phase phase, bool ready_only) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->counts[phase]; i++) {
        const struct model_task *task = &model->tasks[phase][i];
        count += !task->won && !(ready_only && task->runs);
    }
    return count;
}

static uint32_t count_busy(const struct model *model) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->slots; i++) {
        count += model->on_slot[i].attempt > 0;
    }
    return count;
}

static void note_effect(struct model *model, const struct mr_core_effect *effect) {
    HOLDS(model->finished == 0);
    switch (effect->kind) {
    case MR_CORE_START:
        note_start(model, effect);
        break;
    case MR_CORE_STOP:
        HOLDS(model->is_ending);
        HOLDS(memcmp(&model->on_slot[effect->slot], &effect->attempt, sizeof effect->attempt) == 0);
        break;
    case MR_CORE_MAPS_DONE:
        HOLDS(model->is_open && model->phase == MR_PHASE_MAP);
        HOLDS(count_open(model, MR_PHASE_MAP, false) == 0u);
        model->phase = MR_PHASE_REDUCE;
        break;
    case MR_CORE_ROUND_DONE:
        HOLDS(model->is_open && model->phase == MR_PHASE_REDUCE);
        HOLDS(effect->round == model->round);
        HOLDS(count_open(model, MR_PHASE_REDUCE, false) == 0u);
        model->is_open = false;
        model->round++;
        break;
    case MR_CORE_PUBLISH:
        HOLDS(!model->is_open && !model->is_ending && model->round == model->rounds);
        model->publishes = true;
        break;
    case MR_CORE_FINISHED:
        HOLDS(effect->status == model->status);
        HOLDS(count_busy(model) == 0u);
        model->finished++;
        break;
    }
}

static void check_invariants(const struct model *model) {
    if (model->is_open && !model->is_ending && count_busy(model) < model->slots) {
        HOLDS(count_open(model, model->phase, true) == 0); /* none waits beside a free slot */
    }
    HOLDS(model->finished == (model->is_ending && count_busy(model) == 0));
}

static void feed(struct model *model, struct mr_core_event event) {
    struct mr_core_effects effects;
    struct mr_error err = {0};
    HOLDS(model->event_count < (size_t)EVENTS_MAX);
    model->events[model->event_count++] = event;
    HOLDS(mr_core_apply(model->core, &event, &effects, &err) == 0);
    uint32_t stops = 0;
    for (size_t i = 0; i < effects.count; i++) {
        stops += effects.items[i].kind == MR_CORE_STOP;
        note_effect(model, &effects.items[i]);
    }
    HOLDS(stops == 0 || stops == count_busy(model));
    check_invariants(model);
}

/* The answers that every state refuses: nothing may come of them. */
static void feed_nonsense(struct model *model) {
    struct mr_core_event stale = done(model->phase, random_below(model, TASKS_MAX), 1000);
    cr_assert_str_eq(answer(model->core, stale), "-");
    cr_assert_str_eq(answer(model->core, submit(1, 0)), "-");
    cr_assert_str_eq(answer(model->core, node_up(2)), "-");
    cr_assert_str_eq(answer(model->core, of_status((enum mr_core_event_kind)77, -1)), "-");
}

static void open_round(struct model *model) {
    model->counts[MR_PHASE_MAP] = random_below(model, TASKS_MAX);
    model->counts[MR_PHASE_REDUCE] = random_below(model, 4);
    memset(model->tasks, 0, sizeof model->tasks);
    model->phase = MR_PHASE_MAP;
    model->is_open = true;
    feed(model, round_open(model->counts[0], model->counts[1]));
}

static void end_some_attempt(struct model *model) {
    uint32_t slot = random_below(model, model->slots);
    while (model->on_slot[slot].attempt == 0) {
        slot = (slot + 1) % model->slots;
    }
    struct mr_core_attempt attempt = model->on_slot[slot];
    struct model_task *task = &model->tasks[attempt.phase][attempt.task];
    model->on_slot[slot] = (struct mr_core_attempt){0};
    task->runs = false;
    uint32_t dice = random_below(model, 100);
    struct mr_core_event event = {.kind = MR_CORE_ATTEMPT_FAILED, .attempt = attempt};
    if (dice < 80) {
        event.kind = MR_CORE_ATTEMPT_DONE;
        task->won = !model->is_ending;
    } else {
        event.status = MR_ERR_IO;
        event.fatal = dice >= 99;
        if (!model->is_ending && (event.fatal || task->attempts == model->max_attempts)) {
            model->is_ending = true;
            model->status = MR_ERR_IO;
        }
    }
    feed(model, event);
    if (task->won) {
        HOLDS(mr_core_winner(model->core, attempt.phase, attempt.task) == attempt.attempt);
    }
}

static void step(struct model *model) {
    if (random_below(model, 100) == 0) {
        bool is_late = model->is_ending || model->publishes;
        model->status = is_late ? model->status : MR_ERR_INTERRUPTED;
        model->is_ending = model->is_ending || !model->publishes;
        feed(model, of_status(MR_CORE_CANCEL, MR_ERR_INTERRUPTED));
    } else if (model->publishes) {
        model->is_ending = true;
        bool fails = random_below(model, 10) == 0;
        model->status = fails ? MR_ERR_USAGE : 0;
        feed(model, of_status(fails ? MR_CORE_PUBLISH_FAILED : MR_CORE_PUBLISHED, model->status));
    } else if (count_busy(model) > 0) {
        end_some_attempt(model);
    } else {
        HOLDS(!model->is_open); /* else the job would wait for nothing */
        open_round(model);
    }
}

/* The same events give the same effects: nothing else decides. */
static void replay(const struct model *model) {
    struct mr_core *first = make_core();
    struct mr_core *second = make_core();
    for (size_t i = 0; i < model->event_count; i++) {
        struct mr_core_effects a;
        struct mr_core_effects b;
        struct mr_error err = {0};
        HOLDS(mr_core_apply(first, &model->events[i], &a, &err) == 0);
        HOLDS(mr_core_apply(second, &model->events[i], &b, &err) == 0);
        HOLDS(a.count == b.count);
        HOLDS(memcmp(a.items, b.items, a.count * sizeof *a.items) == 0);
    }
    mr_core_destroy(first);
    mr_core_destroy(second);
}

static int run_schedule(uint64_t seed) {
    static struct model model;
    current_seed = seed;
    model = (struct model){.core = make_core(), .seed = seed * UINT64_C(0x9e3779b97f4a7c15)};
    model.slots = 1 + random_below(&model, SLOTS_MAX);
    model.rounds = 1 + random_below(&model, 3);
    model.max_attempts = 1 + random_below(&model, 4);
    bool node_first = random_below(&model, 2) == 0;
    feed(&model, node_first ? node_up(model.slots) : submit(model.rounds, model.max_attempts));
    feed(&model, node_first ? submit(model.rounds, model.max_attempts) : node_up(model.slots));
    while (!model.finished) {
        feed_nonsense(&model);
        step(&model);
    }
    feed(&model, of_status(MR_CORE_CANCEL, MR_ERR_INTERRUPTED));
    feed_nonsense(&model);
    replay(&model);
    mr_core_destroy(model.core);
    return model.status;
}

Test(core, keeps_its_invariants_under_random_schedules) {
    uint32_t ends[10] = {0}; /* by status */
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        ends[-run_schedule(seed)]++;
    }
    cr_assert_gt(ends[0], 300u); /* each way to end was met */
    cr_assert_gt(ends[-MR_ERR_IO], 300u);
    cr_assert_gt(ends[-MR_ERR_INTERRUPTED], 100u);
    cr_assert_gt(ends[-MR_ERR_USAGE], 30u);
}
