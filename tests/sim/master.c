/* master: a model of the master's shell: the journal, effects behind COMMIT, restarts.
 *
 * An event is applied, and stands in the open transaction; what follows from it (effects, replies,
 * acknowledgements) is held back until the transaction is committed, a little later, often with
 * several events in it. A crash before that loses the events, and nobody was told of them; a crash
 * right behind it loses what was held back, which mr_core_outstanding lists again. A restart
 * replays the journal, or loads a snapshot and replays the rest. */
#include "tests/sim/master.h"

#include "lib/base/check.h"
#include "tests/sim/check.h"
#include "tests/sim/client.h"
#include "tests/sim/commit.h"
#include "tests/sim/sessions.h"

#include <inttypes.h>
#include <mr/status.h>
#include <stdlib.h>

#define COMMIT_MS 6
#define PROPOSALS_MAX 128

struct entry { /* of the journal */
    struct mr_core_event event;
    struct entry *next;
};

/* What waits for a commit: an effect, a message or an acknowledgement. */
struct held {
    struct mr_core_effect effect;
    const struct network_message *message;
    uint32_t request;
    struct held *next;
};

struct master {
    struct mr_core *core;
    struct entry *first, *last, *committed;
    uint32_t events, committed_events;
    struct held *held, *held_last;
    uint64_t epoch;
    uint64_t clock_ahead;
    uint64_t tick_at, tick; /* the tick that counts */
    enum master_death death;
    uint64_t down_ms;
    char *snapshot;
    size_t snapshot_len;
    struct entry *snapshot_at;
};

struct mr_core *master_core(const struct sim *sim) {
    return sim->master->core;
}

bool master_is_committed(const struct sim *sim) {
    return sim->master->core && sim->master->last == sim->master->committed;
}

uint64_t master_clock(const struct sim *sim) {
    return sim->now + 1 + sim->master->clock_ahead;
}

static struct mr_core_options core_options(const struct sim *sim) {
    return (struct mr_core_options){.lease_ms = sim->plan->lease_ms,
                                    .tick_ms = sim->plan->tick_ms,
                                    .aside_ms = sim->plan->aside_ms};
}

static struct mr_core *make_core(struct sim *sim) {
    struct mr_core_options options = core_options(sim);
    struct mr_error err = {0};
    struct mr_core *core = NULL;
    MR_CHECK(!mr_core_create(&options, &core, &err));
    return core;
}

void master_begin(struct sim *sim) {
    sim->master = sim_take(sim, sizeof *sim->master);
    sim_put(sim, 0, SIM_MASTER_START, SIM_MASTER, 0, NULL);
}

void master_end(struct sim *sim) {
    mr_core_destroy(sim->master->core);
    free(sim->master->snapshot);
}

/* ---- effects ----------------------------------------------------------------------------------
 */

void master_say(struct sim *sim, struct network_message message) {
    message.from = SIM_MASTER;
    message.epoch = sim->master->epoch;
    network_send(sim, &message);
}

static void say_effect(struct sim *sim, enum network_kind kind,
                       const struct mr_core_effect *effect) {
    master_say(sim, (struct network_message){
                        .kind = kind,
                        .to = effect->worker.node,
                        .incarnation = effect->worker.incarnation,
                        .attempt = effect->attempt,
                        .side = commit_side(sim, effect->attempt.job, effect->attempt.round),
                        .is_accepted = effect->is_accepted});
}

static void discard_round(struct sim *sim, const struct mr_core_effect *effect) {
    for (uint32_t node = 1; node <= sim->plan->workers; node++) {
        struct mr_core_attempt any = {.job = effect->job, .round = effect->round};
        master_say(
            sim, (struct network_message){.kind = NETWORK_DROP_ROUND, .to = node, .attempt = any});
    }
}

static void set_tick(struct sim *sim, uint64_t at) {
    struct master *master = sim->master;
    uint64_t now = master_clock(sim);
    if (master->tick_at > now && master->tick_at <= at) {
        return;
    }
    master->tick_at = at;
    sim_put(sim, at > now ? at - now : 0, SIM_MASTER_TICK, SIM_MASTER, ++master->tick, NULL);
}

static void perform(struct sim *sim, const struct mr_core_effect *effect) {
    switch (effect->kind) {
    case MR_CORE_START:
        say_effect(sim, NETWORK_START, effect);
        break;
    case MR_CORE_STOP:
        say_effect(sim, NETWORK_STOP, effect);
        break;
    case MR_CORE_ANSWER:
        say_effect(sim, NETWORK_ANSWER, effect);
        break;
    case MR_CORE_ROUND_DONE:
        commit_ask_close(sim, effect->job, effect->round);
        break;
    case MR_CORE_PUBLISH:
        commit_ask_publish(sim, effect->job);
        break;
    case MR_CORE_DISCARD:
        if (effect->attempt.phase == MR_PHASE_REDUCE) {
            commit_remove(sim, &effect->attempt);
        } else {
            say_effect(sim, NETWORK_DROP, effect);
        }
        break;
    case MR_CORE_DISCARD_ROUND:
        discard_round(sim, effect);
        break;
    case MR_CORE_WAKE_AT:
        set_tick(sim, effect->time_ms);
        break;
    default:
        break;
    }
}

static void perform_held(struct sim *sim, const struct held *held) {
    if (held->message) {
        network_send(sim, held->message);
    } else if (held->request) {
        client_hear(sim, held->request - 1);
    } else {
        perform(sim, &held->effect);
    }
}

/* Performs it now, or behind the commit that it waits for. */
static void hold(struct sim *sim, const struct held *what) {
    struct master *master = sim->master;
    if (master->last == master->committed) {
        perform_held(sim, what);
        return;
    }
    struct held *held = sim_take(sim, sizeof *held);
    *held = *what;
    held->next = NULL;
    *(master->held ? &master->held_last->next : &master->held) = held;
    master->held_last = held;
}

void master_hold(struct sim *sim, const struct mr_core_effect *effect) {
    hold(sim, &(struct held){.effect = *effect});
}

void master_acknowledge(struct sim *sim, uint32_t request) {
    hold(sim, &(struct held){.request = request + 1});
}

void master_reply(struct sim *sim, struct network_message message) {
    struct network_message *copy = sim_take(sim, sizeof *copy);
    *copy = message;
    copy->from = SIM_MASTER;
    copy->epoch = sim->master->epoch;
    hold(sim, &(struct held){.message = copy});
}

/* ---- events -----------------------------------------------------------------------------------
 */

static void journal(struct sim *sim, const struct mr_core_event *event) {
    struct master *master = sim->master;
    struct entry *entry = sim_take(sim, sizeof *entry);
    entry->event = *event;
    if (master->last == master->committed) {
        uint64_t wait = sim_number(sim, 'j', master->events, master->epoch) % COMMIT_MS;
        sim_put(sim, wait, SIM_MASTER_COMMIT, SIM_MASTER, 0, NULL);
    }
    *(master->last ? &master->last->next : &master->first) = entry;
    master->last = entry;
    master->events++;
}

static void say_event(struct sim *sim, const struct mr_core_event *event) {
    uint64_t fact = random_join(event->kind, sim_attempt_key(&event->attempt));
    SIM_SAY(sim, random_join(fact, event->worker.node + (event->worker.incarnation << 8)),
            "event %s: job %u, worker %u.%u, %s", mr_terms_event_name(event->kind), event->job,
            event->worker.node, (unsigned)event->worker.incarnation,
            sim_attempt_words(&event->attempt));
}

static void say_effects(struct sim *sim, const struct mr_core_effects *effects) {
    for (size_t i = 0; i < effects->count; i++) {
        const struct mr_core_effect *effect = &effects->items[i];
        uint64_t fact = random_join(effect->kind, sim_attempt_key(&effect->attempt));
        SIM_SAY(sim, random_join(fact, effect->worker.node + (uint64_t)effect->is_accepted * 256),
                "    effect %s%s: job %u, worker %u.%u, %s, status %d",
                mr_terms_effect_name(effect->kind), effect->is_accepted ? " (accepted)" : "",
                effect->job, effect->worker.node, (unsigned)effect->worker.incarnation,
                sim_attempt_words(&effect->attempt), effect->status);
    }
}

void master_apply(struct sim *sim, const struct mr_core_event *event) {
    struct mr_core_event proposals[PROPOSALS_MAX];
    uint32_t count = 0;
    struct mr_core_effects effects;
    struct mr_error err = {0};
    struct mr_core *core = sim->master->core;
    if (sim->has_failed) {
        return;
    }
    check_before(sim, core, event);
    say_event(sim, event);
    if (mr_core_apply(core, event, master_clock(sim), &effects, &err)) {
        sim_fail(sim, "V8", "the core refuses \"%s\": %s", mr_terms_event_name(event->kind),
                 err.text);
        return;
    }
    sim->met[SIM_MET_EVENTS]++;
    say_effects(sim, &effects);
    check_event(sim, core, event, &effects);
    if (mr_terms_event_is_durable(event->kind)) {
        journal(sim, event);
    }
    for (size_t i = 0; i < effects.count; i++) {
        if (effects.items[i].kind != MR_CORE_PROPOSE) {
            hold(sim, &(struct held){.effect = effects.items[i]});
        } else if (count < PROPOSALS_MAX) {
            proposals[count] = mr_core_proposal(&effects.items[i]);
            check_proposal(sim, &proposals[count++]);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        master_apply(sim, &proposals[i]);
    }
}

static void take_snapshot(struct sim *sim) {
    struct master *master = sim->master;
    struct mr_error err = {0};
    free(master->snapshot);
    master->snapshot = NULL;
    MR_CHECK(!mr_core_save(master->core, &master->snapshot, &master->snapshot_len, &err));
    master->snapshot_at = master->committed;
}

void master_commit(struct sim *sim, const struct sim_item *item) {
    struct master *master = sim->master;
    (void)item;
    if (master->death == MASTER_BEFORE_COMMIT) {
        master_kill(sim, MASTER_NOW, master->down_ms);
        return;
    }
    master->committed = master->last;
    master->committed_events = master->events;
    SIM_SAY(sim, master->events, "commit of %u events", master->events);
    if (sim_number(sim, 's', master->events, 0) % 16 == 0 && master->death == MASTER_NOW) {
        take_snapshot(sim);
    }
    if (master->death == MASTER_BEHIND_COMMIT) {
        sim->met[SIM_MET_LOST_EFFECTS] += master->held != NULL;
        master_kill(sim, MASTER_NOW, master->down_ms);
        return;
    }
    struct held *held = master->held;
    master->held = master->held_last = NULL;
    for (; held; held = held->next) {
        perform_held(sim, held);
    }
}

void master_tick(struct sim *sim, const struct sim_item *item) {
    if (item->number == sim->master->tick) {
        sim->master->tick_at = 0;
        master_apply(sim, &(struct mr_core_event){.kind = MR_CORE_TICK});
        check_leases(sim);
    }
}

/* ---- death and restart ------------------------------------------------------------------------
 */

static void apply_again(struct sim *sim, struct mr_core *core, const struct entry *entry,
                        uint64_t now_ms, struct mr_core_effects *effects) {
    struct mr_error err = {0};
    if (mr_core_apply(core, &entry->event, now_ms, effects, &err)) {
        sim_fail(sim, "V5", "replaying \"%s\": %s", mr_terms_event_name(entry->event.kind),
                 err.text);
    }
}

static uint64_t hash_of(struct sim *sim, const struct mr_core *core) {
    struct mr_error err = {0};
    uint64_t hash;
    if (mr_core_hash(core, &hash, &err)) {
        sim_fail(sim, "V5", "no hash: %s", err.text);
    }
    return hash;
}

/* The journal from `entry` on, at times that have nothing to do with those when it was written. */
static void replay_from(struct sim *sim, struct mr_core *core, const struct entry *entry) {
    struct mr_core_effects effects;
    uint64_t now = 5;
    for (; entry && !sim->has_failed; entry = entry->next) {
        apply_again(sim, core, entry, now, &effects);
        now += sim_number(sim, 'r', now, 0) % 5000;
    }
}

void master_check_replay(struct sim *sim) {
    struct master *master = sim->master;
    if (!master->core || sim->has_failed) {
        return;
    }
    uint64_t before = hash_of(sim, master->core);
    struct mr_core *core = make_core(sim);
    replay_from(sim, core, master->first);
    if (hash_of(sim, core) != before) {
        sim_fail(sim, "V5", "%u events replayed give another state", master->events);
    }
    mr_core_destroy(core);
}

/* Where there is a snapshot: the core of it and of what came later, which must be the same. */
static void try_snapshot(struct sim *sim) {
    struct master *master = sim->master;
    struct mr_core_options options = core_options(sim);
    struct mr_error err = {0};
    struct mr_core *core = NULL;
    if (!master->snapshot) {
        return;
    }
    if (mr_core_load(&options, master->snapshot, master->snapshot_len, &core, &err)) {
        sim_fail(sim, "V5", "a snapshot can't be loaded: %s", err.text);
        return;
    }
    const struct entry *entry = master->snapshot_at ? master->snapshot_at->next : master->first;
    struct mr_core_effects effects;
    for (; entry && !sim->has_failed; entry = entry->next) {
        apply_again(sim, core, entry, master_clock(sim), &effects);
    }
    if (hash_of(sim, core) != hash_of(sim, master->core)) {
        sim_fail(sim, "V5", "a snapshot and %u events give another state", master->events);
    }
    sim->met[SIM_MET_SNAPSHOT]++;
    mr_core_destroy(master->core);
    master->core = core;
}

void master_kill(struct sim *sim, enum master_death when, uint64_t for_ms) {
    struct master *master = sim->master;
    if (!sim->is_up[SIM_MASTER]) {
        return;
    }
    master->death = when;
    master->down_ms = for_ms;
    if (when != MASTER_NOW) {
        return;
    }
    master_check_replay(sim);
    SIM_SAY(sim, master->events, "the master dies, %u of %u events are committed",
            master->committed_events, master->events);
    sim->met[SIM_MET_LOST_EVENTS] += master->last != master->committed;
    mr_core_destroy(master->core);
    master->core = NULL;
    master->held = master->held_last = NULL;
    master->last = master->committed;
    master->events = master->committed_events;
    *(master->last ? &master->last->next : &master->first) = NULL;
    sim->is_up[SIM_MASTER] = false;
    sim->life[SIM_MASTER]++;
    sim->paused_until[SIM_MASTER] = 0;
    sim_put(sim, for_ms, SIM_MASTER_START, SIM_MASTER, 0, NULL);
}

static void perform_outstanding(struct sim *sim) {
    struct mr_core_effects effects;
    struct mr_error err = {0};
    if (mr_core_outstanding(sim->master->core, &effects, &err)) {
        sim_fail(sim, "V5", "outstanding: %s", err.text);
        return;
    }
    say_effects(sim, &effects);
    check_outstanding(sim, sim->master->core, &effects);
    for (size_t i = 0; i < effects.count; i++) {
        hold(sim, &(struct held){.effect = effects.items[i]});
    }
}

void master_start(struct sim *sim, const struct sim_item *item) {
    struct master *master = sim->master;
    (void)item;
    master->epoch++;
    sim->is_up[SIM_MASTER] = true;
    sessions_forget(sim);
    sim->met[SIM_MET_RESTART] += master->epoch > 1;
    SIM_SAY(sim, master->epoch, "master %u starts", (unsigned)master->epoch);
    master->core = make_core(sim);
    check_restart(sim);
    struct mr_core_effects effects;
    for (struct entry *entry = master->first; entry && !sim->has_failed; entry = entry->next) {
        check_before(sim, master->core, &entry->event);
        apply_again(sim, master->core, entry, master_clock(sim), &effects);
        check_event(sim, master->core, &entry->event, &effects);
    }
    if (!sim->has_failed) {
        try_snapshot(sim);
    }
    if (!sim->has_failed) {
        check_replayed(sim);
        perform_outstanding(sim);
    }
    master->tick_at = 0;
    master_apply(sim, &(struct mr_core_event){.kind = MR_CORE_TICK}); /* leases begin now */
}

void master_jump_clock(struct sim *sim, uint64_t by_ms) {
    sim->master->clock_ahead += by_ms;
    sim->met[SIM_MET_GAP]++;
}
