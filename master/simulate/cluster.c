/* cluster: runs a job on nodes that do not exist, in virtual time, by the real scheduler.
 *
 * An agenda holds what is due: attempts that end, reduce attempts that have read their share, nodes
 * that fail and come back (a minute later, empty), and a tick a second, with which nodes that live
 * are heard and say how far their attempts are. Everything else is the scheduler's: a node that
 * fails is noticed when its lease ends, its map outputs are made again where they are needed, slow
 * attempts get a backup. A reduce attempt that finds a node gone whose output it reads says so. */
#include "master/simulate/cluster.h"

#include "lib/base/agenda.h"
#include "lib/base/error.h"
#include "master/core/core.h"

#include <math.h>
#include <stdlib.h>

#define SECOND_MS 1000u
#define REPAIR_MS 60000u
#define LAG_MS 5u /* of a message there and back */
#define SLOW_FACTOR 10
#define MAX_ATTEMPTS 4

enum kind { ATTEMPT_ENDS, FETCH_ENDS, NODE_FAILS, NODE_RETURNS, TICKS };

struct due {
    struct mr_agenda_when when;
    enum kind kind;
    uint32_t node;
    uint64_t incarnation;
    struct mr_core_attempt attempt;
};

struct running {
    struct mr_core_attempt attempt; /* attempt 0: the slot is free */
    uint64_t began;
    uint64_t lasts;
};

struct node {
    uint64_t incarnation;
    bool is_up;
    bool is_slow;
    struct running *slots;
};

struct cluster {
    const struct mr_simulate_spec *spec;
    const struct mr_costs *costs;
    struct mr_cluster_outcome *outcome;
    struct mr_core *core;
    struct node *nodes;
    struct running *slots;
    struct mr_agenda agenda;      /* of struct due */
    struct mr_core_event *events; /* to apply: a stack */
    size_t event_count, event_capacity;
    uint32_t node_count, slot_count; /* slots of a node */
    uint64_t order;
    uint64_t now;
    uint64_t random;
    double mtbf_ms;
    uint64_t patience_ms;
    bool has_failures;
    bool is_finished;
    struct mr_error *err;
};

/* ---- chance and time --------------------------------------------------------------------------
 */

/* SplitMix64: from 0 to 1. */
static double draw(struct cluster *cluster) {
    uint64_t x = cluster->random += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (double)((x ^ (x >> 31)) >> 11) * 0x1p-53;
}

static uint64_t draw_lifetime(struct cluster *cluster) {
    double ms = -log(1 - draw(cluster)) * cluster->mtbf_ms;
    return ms < 1 ? 1 : ms > 1e15 ? (uint64_t)1e15 : (uint64_t)ms;
}

static void put(struct cluster *cluster, struct due due) {
    due.when.order = cluster->order++;
    (void)!mr_agenda_put(&cluster->agenda, &due, cluster->err);
}

/* ---- attempts ---------------------------------------------------------------------------------
 */

static bool is_same(const struct mr_core_attempt *a, const struct mr_core_attempt *b) {
    return a->round == b->round && a->phase == b->phase && a->task == b->task &&
           a->attempt == b->attempt;
}

static struct running *find_running(const struct cluster *cluster, uint32_t node,
                                    const struct mr_core_attempt *attempt) {
    struct running *slots = cluster->nodes[node].slots;
    for (uint32_t i = 0; i < cluster->slot_count; i++) {
        if (slots[i].attempt.attempt > 0 && (!attempt || is_same(&slots[i].attempt, attempt))) {
            return &slots[i];
        }
    }
    return NULL;
}

static void start(struct cluster *cluster, struct mr_core_worker worker,
                  const struct mr_core_attempt *attempt) {
    const struct mr_costs_round *round = &cluster->costs->rounds[attempt->round];
    struct node *node = &cluster->nodes[worker.node];
    uint64_t factor = node->is_slow ? SLOW_FACTOR : 1;
    struct running *slot = node->slots;
    while (slot->attempt.attempt > 0) {
        slot++;
    }
    bool is_map = attempt->phase == MR_PHASE_MAP;
    uint64_t lasts = is_map ? round->map_ms[attempt->task] : round->fetch_ms + round->reduce_ms;
    *slot = (struct running){*attempt, cluster->now, LAG_MS + lasts * factor};
    struct due due = {.when.at = cluster->now + slot->lasts,
                      .kind = ATTEMPT_ENDS,
                      .node = worker.node,
                      .incarnation = worker.incarnation,
                      .attempt = *attempt};
    put(cluster, due);
    if (!is_map && cluster->has_failures) {
        due.kind = FETCH_ENDS;
        due.when.at = cluster->now + LAG_MS + round->fetch_ms * factor;
        put(cluster, due);
    }
}

static void count_useful(struct cluster *cluster, const struct running *slot) {
    struct mr_cluster_outcome *outcome = cluster->outcome;
    const struct mr_costs_round *round = &cluster->costs->rounds[slot->attempt.round];
    uint64_t both = round->fetch_ms + round->reduce_ms;
    if (slot->attempt.phase == MR_PHASE_MAP) {
        outcome->map_ms += slot->lasts;
    } else {
        uint64_t fetch = (uint64_t)((double)slot->lasts * ((double)round->fetch_ms / (double)both));
        outcome->fetch_ms += fetch;
        outcome->reduce_ms += slot->lasts - fetch;
    }
}

/* The slot is free again, and what ran there was in vain. */
static void waste(struct cluster *cluster, struct running *slot) {
    cluster->outcome->redone_ms += cluster->now - slot->began;
    slot->attempt.attempt = 0;
}

/* ---- effects ----------------------------------------------------------------------------------
 */

static void push(struct cluster *cluster, struct mr_core_event event) {
    if (cluster->event_count == cluster->event_capacity) {
        size_t capacity = cluster->event_capacity * 2 + 64;
        struct mr_core_event *grown = realloc(cluster->events, capacity * sizeof *grown);
        if (!grown) {
            mr_error_nomem(cluster->err, "simulating");
            return;
        }
        cluster->events = grown;
        cluster->event_capacity = capacity;
    }
    cluster->events[cluster->event_count++] = event;
}

static struct mr_core_shape shape_of(const struct cluster *cluster, uint32_t round) {
    return (struct mr_core_shape){.map_tasks = cluster->costs->rounds[round].maps,
                                  .reduce_tasks = cluster->costs->rounds[round].reduces};
}

static void close_round(struct cluster *cluster, const struct mr_core_effect *effect) {
    struct mr_core_event event = {
        .kind = MR_CORE_ROUND_CLOSED, .job = effect->job, .round = effect->round};
    if (effect->round + 1 < cluster->costs->round_count) {
        event.has_next = true;
        event.shape = shape_of(cluster, effect->round + 1);
    }
    push(cluster, event);
}

static void stop(struct cluster *cluster, const struct mr_core_effect *effect) {
    struct running *slot = find_running(cluster, effect->worker.node, &effect->attempt);
    if (slot) {
        waste(cluster, slot);
    }
    push(cluster, (struct mr_core_event){.kind = MR_CORE_ATTEMPT_FAILED,
                                         .worker = effect->worker,
                                         .attempt = effect->attempt,
                                         .status = MR_ERR_INTERRUPTED});
}

/* A map output that was lost: what it took was in vain, too. */
static void lose_output(struct cluster *cluster, const struct mr_core_effect *effect) {
    const struct node *node = &cluster->nodes[effect->worker.node];
    uint64_t lasted = cluster->costs->rounds[effect->round].map_ms[effect->attempt.task] *
                          (node->is_slow ? SLOW_FACTOR : 1) +
                      LAG_MS;
    cluster->outcome->again++;
    cluster->outcome->map_ms -= lasted;
    cluster->outcome->redone_ms += lasted;
}

static void perform(struct cluster *cluster, const struct mr_core_effect *effect) {
    switch (effect->kind) {
    case MR_CORE_START:
        if (cluster->nodes[effect->worker.node].is_up) {
            start(cluster, effect->worker, &effect->attempt);
        }
        break;
    case MR_CORE_STOP:
        stop(cluster, effect);
        break;
    case MR_CORE_ROUND_DONE:
        close_round(cluster, effect);
        break;
    case MR_CORE_PUBLISH:
        push(cluster, (struct mr_core_event){.kind = MR_CORE_PUBLISHED, .job = effect->job});
        break;
    case MR_CORE_PROPOSE:
        cluster->outcome->backups += effect->proposed == MR_CORE_BACKUP;
        push(cluster, mr_core_proposal(effect));
        break;
    case MR_CORE_TELL:
        if (effect->news == MR_CORE_TELL_OUTPUT_AGAIN) {
            lose_output(cluster, effect);
        }
        break;
    case MR_CORE_FINISHED:
        cluster->is_finished = true;
        cluster->outcome->status = effect->status;
        cluster->outcome->lasted_ms = cluster->now;
        break;
    default:
        break;
    }
}

/* Applies an event and all that follows at once. */
static void apply(struct cluster *cluster, const struct mr_core_event *event) {
    push(cluster, *event);
    while (cluster->event_count > 0 && !cluster->err->code) {
        struct mr_core_event next = cluster->events[--cluster->event_count];
        struct mr_core_effects effects;
        if (mr_core_apply(cluster->core, &next, cluster->now, &effects, cluster->err)) {
            return;
        }
        for (size_t i = 0; i < effects.count && !cluster->err->code; i++) {
            perform(cluster, &effects.items[i]);
        }
    }
}

/* ---- what is due ------------------------------------------------------------------------------
 */

static void end_attempt(struct cluster *cluster, const struct due *due) {
    struct running *slot = find_running(cluster, due->node, &due->attempt);
    if (!slot || cluster->nodes[due->node].incarnation != due->incarnation) {
        return;
    }
    count_useful(cluster, slot);
    slot->attempt.attempt = 0;
    apply(cluster, &(struct mr_core_event){.kind = MR_CORE_ATTEMPT_DONE,
                                           .worker = {due->node, due->incarnation},
                                           .attempt = due->attempt});
}

static void end_fetch(struct cluster *cluster, const struct due *due) {
    struct running *slot = find_running(cluster, due->node, &due->attempt);
    if (!slot || cluster->nodes[due->node].incarnation != due->incarnation) {
        return;
    }
    uint32_t maps = cluster->costs->rounds[due->attempt.round].maps;
    for (uint32_t i = 0; i < maps; i++) {
        struct mr_core_winner winner =
            mr_core_winner(cluster->core, due->attempt.job, MR_PHASE_MAP, i);
        const struct node *holder = &cluster->nodes[winner.worker.node];
        if (winner.attempt > 0 && holder->is_up &&
            holder->incarnation == winner.worker.incarnation) {
            continue;
        }
        waste(cluster, slot);
        apply(cluster, &(struct mr_core_event){.kind = MR_CORE_OUTPUT_LOST,
                                               .worker = {due->node, due->incarnation},
                                               .attempt = due->attempt,
                                               .lost_task = i,
                                               .lost_attempt = winner.attempt});
        return;
    }
}

static void come_up(struct cluster *cluster, uint32_t number) {
    struct node *node = &cluster->nodes[number];
    node->is_up = true;
    node->incarnation++;
    if (cluster->mtbf_ms > 0) {
        put(cluster, (struct due){.when.at = cluster->now + draw_lifetime(cluster),
                                  .kind = NODE_FAILS,
                                  .node = number});
    }
    apply(cluster, &(struct mr_core_event){.kind = MR_CORE_NODE_UP,
                                           .worker = {number, node->incarnation},
                                           .host = number,
                                           .slots = cluster->slot_count,
                                           .roles = MR_CORE_DOES_BOTH});
}

static void fail_node(struct cluster *cluster, uint32_t number) {
    struct running *slot;
    cluster->nodes[number].is_up = false;
    cluster->outcome->failures++;
    while ((slot = find_running(cluster, number, NULL))) {
        waste(cluster, slot);
    }
    put(cluster,
        (struct due){.when.at = cluster->now + REPAIR_MS, .kind = NODE_RETURNS, .node = number});
}

static void tick(struct cluster *cluster) {
    for (uint32_t number = 0; number < cluster->node_count; number++) {
        const struct node *node = &cluster->nodes[number];
        struct mr_core_worker worker = {number, node->incarnation};
        if (!node->is_up) {
            continue;
        }
        apply(cluster, &(struct mr_core_event){.kind = MR_CORE_HEARD, .worker = worker});
        for (uint32_t i = 0; i < cluster->slot_count && cluster->has_failures; i++) {
            const struct running *slot = &node->slots[i];
            if (slot->attempt.attempt > 0) {
                apply(cluster,
                      &(struct mr_core_event){.kind = MR_CORE_PROGRESS,
                                              .worker = worker,
                                              .attempt = slot->attempt,
                                              .permille = (uint32_t)((cluster->now - slot->began) *
                                                                     1000 / slot->lasts)});
            }
        }
    }
    apply(cluster, &(struct mr_core_event){.kind = MR_CORE_TICK});
    put(cluster, (struct due){.when.at = cluster->now + SECOND_MS, .kind = TICKS});
}

static void happen(struct cluster *cluster, const struct due *due) {
    switch (due->kind) {
    case ATTEMPT_ENDS:
        end_attempt(cluster, due);
        break;
    case FETCH_ENDS:
        end_fetch(cluster, due);
        break;
    case NODE_FAILS:
        fail_node(cluster, due->node);
        break;
    case NODE_RETURNS:
        come_up(cluster, due->node);
        break;
    case TICKS:
        tick(cluster);
        break;
    }
}

/* ---- the whole --------------------------------------------------------------------------------
 */

static int prepare(struct cluster *cluster) {
    bool is_whole = cluster->patience_ms == 0;
    const struct mr_simulate_spec *spec = cluster->spec;
    cluster->node_count = spec->nodes ? spec->nodes : 1;
    cluster->slot_count = spec->slots ? spec->slots : 1;
    cluster->mtbf_ms = is_whole ? 0 : spec->mtbf_seconds * 1000;
    cluster->has_failures = !is_whole && (spec->mtbf_seconds > 0 || spec->slow > 0);
    cluster->random = spec->seed;
    cluster->nodes = calloc(cluster->node_count, sizeof *cluster->nodes);
    cluster->slots =
        calloc((size_t)cluster->node_count * cluster->slot_count, sizeof *cluster->slots);
    if (!cluster->nodes || !cluster->slots) {
        return mr_error_nomem(cluster->err, "making the nodes of a simulation");
    }
    for (uint32_t i = 0; i < cluster->node_count; i++) {
        cluster->nodes[i].slots = &cluster->slots[(size_t)i * cluster->slot_count];
    }
    uint32_t slow = is_whole ? 0 : (uint32_t)(spec->slow * cluster->node_count + 0.5);
    for (uint32_t i = 0; i < slow; i++) { /* spread evenly */
        cluster->nodes[(uint64_t)i * cluster->node_count / slow].is_slow = true;
    }
    cluster->outcome->slow = slow;
    return mr_core_create(NULL, &cluster->core, cluster->err);
}

static void run(struct cluster *cluster) {
    for (uint32_t i = 0; i < cluster->node_count && !cluster->err->code; i++) {
        come_up(cluster, i);
    }
    put(cluster, (struct due){.when.at = SECOND_MS, .kind = TICKS});
    apply(cluster, &(struct mr_core_event){.kind = MR_CORE_SUBMIT,
                                           .job = 1,
                                           .shape = shape_of(cluster, 0),
                                           .max_attempts = MAX_ATTEMPTS});
    while (!cluster->is_finished && !cluster->err->code) {
        struct due due;
        mr_agenda_take(&cluster->agenda, &due);
        cluster->now = due.when.at;
        happen(cluster, &due);
        if (cluster->patience_ms > 0 && cluster->now > cluster->patience_ms) {
            cluster->outcome->is_endless = true;
            cluster->outcome->lasted_ms = cluster->now;
            return;
        }
    }
}

int mr_cluster_run(const struct mr_simulate_spec *spec, const struct mr_costs *costs,
                   uint64_t patience_ms, struct mr_cluster_outcome *outcome, struct mr_error *err) {
    *outcome = (struct mr_cluster_outcome){0};
    struct cluster cluster = {.spec = spec,
                              .costs = costs,
                              .outcome = outcome,
                              .patience_ms = patience_ms,
                              .now = 1,
                              .agenda = {.row_bytes = sizeof(struct due)},
                              .err = err};
    if (!prepare(&cluster)) {
        run(&cluster);
    }
    mr_core_destroy(cluster.core);
    free(cluster.events);
    mr_agenda_fini(&cluster.agenda);
    free(cluster.slots);
    free(cluster.nodes);
    return err->code;
}
