/* sessions: the master's end of its talks with workers: registrations, beats, results.
 *
 * To its workers the shell speaks in messages that may be lost: so it compares, with every beat,
 * what a worker says it runs with what is outstanding there, and says again what is missing. A
 * lease goes on when the worker says that the last renewal arrived. A registration is a session:
 * one of an older session is an old connection's, and is not heard. */
#include "tests/sim/sessions.h"

#include "tests/sim/check.h"
#include "tests/sim/master.h"

struct peer {
    uint64_t session;
    uint64_t renewed;   /* the latest beat that was answered */
    bool is_registered; /* in this life of the master */
};

struct sessions {
    struct peer peer[PLAN_WORKERS_MAX + 1];
};

void sessions_begin(struct sim *sim) {
    sim->sessions = sim_take(sim, sizeof *sim->sessions);
}

void sessions_forget(struct sim *sim) {
    for (uint32_t node = 1; node <= sim->plan->workers; node++) {
        sim->sessions->peer[node].is_registered = false;
        sim->sessions->peer[node].renewed = 0;
    }
}

static void hear_register(struct sim *sim, const struct network_message *message) {
    uint32_t node = message->from;
    struct peer *peer = &sim->sessions->peer[node];
    if (message->session < peer->session) {
        return; /* an old connection's */
    }
    if (message->session > peer->session || !peer->is_registered) {
        master_apply(sim, &(struct mr_core_event){.kind = MR_CORE_NODE_UP,
                                                  .worker = {node, message->incarnation},
                                                  .host = sim->plan->worker[node].host,
                                                  .slots = sim->plan->worker[node].slots,
                                                  .roles = sim->plan->worker[node].roles,
                                                  .held = message->list,
                                                  .held_count = message->count});
    }
    struct mr_core_node_view view = mr_core_node(master_core(sim), node);
    bool is_known = view.state != MR_CORE_NODE_GONE && view.incarnation == message->incarnation;
    peer->is_registered = is_known;
    peer->session = message->session;
    peer->renewed = 0;
    struct network_message answer = *message;
    answer.kind = is_known ? NETWORK_REGISTERED : NETWORK_FENCED;
    answer.to = node;
    master_reply(sim, answer);
}

static bool is_listed(const struct network_message *beat, const struct mr_core_attempt *attempt) {
    uint32_t i = 0;
    while (i < beat->count && !sim_is_same_attempt(&beat->list[i], attempt)) {
        i++;
    }
    return i < beat->count;
}

/* Says again what the worker does not seem to have heard. */
static void remind(struct sim *sim, const struct network_message *beat) {
    struct mr_core_effects effects;
    struct mr_error err = {0};
    if (mr_core_outstanding(master_core(sim), &effects, &err)) {
        sim_fail(sim, "V5", "outstanding: %s", err.text);
        return;
    }
    check_outstanding(sim, master_core(sim), &effects);
    for (size_t i = 0; i < effects.count; i++) {
        const struct mr_core_effect *effect = &effects.items[i];
        bool is_meant = (effect->kind == MR_CORE_START || effect->kind == MR_CORE_STOP) &&
                        effect->worker.node == beat->from;
        if (is_meant && (effect->kind == MR_CORE_STOP || !is_listed(beat, &effect->attempt))) {
            master_hold(sim, effect);
        }
    }
}

static void renew(struct sim *sim, const struct network_message *beat) {
    struct peer *peer = &sim->sessions->peer[beat->from];
    struct mr_core_worker worker = {beat->from, beat->incarnation};
    if (peer->renewed > 0 && beat->acked == peer->renewed) {
        master_apply(sim, &(struct mr_core_event){.kind = MR_CORE_HEARD, .worker = worker});
    }
    for (uint32_t i = 0; i < beat->count; i++) {
        master_apply(sim, &(struct mr_core_event){.kind = MR_CORE_PROGRESS,
                                                  .worker = worker,
                                                  .attempt = beat->list[i],
                                                  .permille = beat->permille[i]});
    }
    if (beat->beat > peer->renewed) {
        peer->renewed = beat->beat;
    }
    struct network_message answer = *beat;
    answer.kind = NETWORK_RENEWAL;
    answer.to = beat->from;
    master_say(sim, answer);
    remind(sim, beat);
}

static void hear_beat(struct sim *sim, const struct network_message *beat) {
    struct peer *peer = &sim->sessions->peer[beat->from];
    struct mr_core_node_view view = mr_core_node(master_core(sim), beat->from);
    struct network_message answer = *beat;
    answer.to = beat->from;
    bool is_known = view.state != MR_CORE_NODE_GONE && view.incarnation == beat->incarnation;
    if (!is_known && beat->incarnation <= view.incarnation) {
        answer.kind = NETWORK_FENCED;
        master_reply(sim, answer);
    } else if (!is_known || !peer->is_registered || beat->session != peer->session) {
        answer.kind = NETWORK_WHO;
        master_say(sim, answer);
    } else {
        renew(sim, beat);
    }
}

static void hear_result(struct sim *sim, const struct network_message *message) {
    master_apply(sim, &(struct mr_core_event){.kind = message->result,
                                              .worker = {message->from, message->incarnation},
                                              .attempt = message->attempt,
                                              .digest = message->content,
                                              .status = message->status,
                                              .is_fatal = message->is_fatal,
                                              .is_uncounted = message->is_uncounted,
                                              .lost_task = message->lost_task,
                                              .lost_attempt = message->lost_attempt});
}

/* Tells a reduce attempt where the winners of its round's maps are, as far as there are some. */
static void hear_where(struct sim *sim, const struct network_message *message) {
    const struct mr_core_attempt *attempt = &message->attempt;
    struct mr_core_job_view view = mr_core_job(master_core(sim), attempt->job);
    if (view.state != MR_CORE_JOB_RUNNING || view.round != attempt->round) {
        return;
    }
    struct network_place *places = sim_take(sim, (view.map_tasks + 1) * sizeof *places);
    for (uint32_t i = 0; i < view.map_tasks; i++) {
        struct mr_core_winner winner =
            mr_core_winner(master_core(sim), attempt->job, MR_PHASE_MAP, i);
        places[i] = (struct network_place){winner.attempt, winner.worker.node};
    }
    struct network_message answer = *message;
    answer.kind = NETWORK_LOCATIONS;
    answer.to = message->from;
    answer.places = places;
    answer.count = view.map_tasks;
    master_reply(sim, answer);
}

void sessions_hear(struct sim *sim, const struct network_message *message) {
    switch (message->kind) {
    case NETWORK_REGISTER:
        hear_register(sim, message);
        break;
    case NETWORK_BEAT:
        hear_beat(sim, message);
        break;
    case NETWORK_RESULT:
        hear_result(sim, message);
        break;
    case NETWORK_WHERE:
        hear_where(sim, message);
        break;
    default:
        break;
    }
}
