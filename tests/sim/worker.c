/* worker: the workers as the master's shell knows them: leases, slots, attempts, map outputs.
 *
 * A worker registers, beats, and keeps its lease by the renewals that answer its beats. Where that
 * ends it kills its attempts and comes back as another incarnation, as it does after a restart or
 * when it is fenced; in each case it offers the map outputs that are still on its disk. To a new
 * master it registers again as it is. A result is said again with every beat until it is answered;
 * an attempt that was seen once never runs again in that incarnation. */
#include "tests/sim/worker.h"

#include "tests/sim/commit.h"
#include "tests/sim/content.h"

#include <mr/status.h>
#include <string.h>

#define FETCH_TRIES 3
#define FETCH_WAIT_MS 120
#define LIST_MAX 256
#define SLOW_FACTOR 10

enum stage { FETCHING, WORKING, REPORTING, OVER };

/* An attempt that a worker has seen. */
struct run {
    struct mr_core_attempt id;
    enum stage stage;
    uint64_t began_ms, lasts_ms;
    uint64_t side;
    struct network_message result;
    uint64_t *read;                /* what was fetched of each map */
    struct network_place *fetched; /* from where; attempt 0: not yet */
    struct network_place *places;  /* as the master last said */
    uint32_t maps, missing, tries;
    bool knows_maps;
    struct run *next;
};

struct output {
    struct mr_core_attempt id;
    uint64_t content;
    bool is_there;
    struct output *next;
};

struct worker {
    uint32_t node;
    bool is_registered;
    uint64_t incarnation, session, epoch;
    uint64_t lease_until, slow_until;
    uint64_t beat, acked;
    struct run *runs;
    struct output *disk;
};

void worker_begin(struct sim *sim) {
    sim->workers = sim_take(sim, (PLAN_WORKERS_MAX + 1) * sizeof *sim->workers);
    for (uint32_t node = 1; node <= sim->plan->workers; node++) {
        sim->workers[node].node = node;
        sim_put(sim, sim_number(sim, 'w', node, 0) % 50, SIM_WORKER_START, node, 0, NULL);
    }
}

/* ---- what it has ------------------------------------------------------------------------------
 */

uint64_t worker_incarnation(const struct sim *sim, uint32_t node) {
    return sim->workers[node].incarnation;
}

static bool is_active(const struct run *run) {
    return run->stage == FETCHING || run->stage == WORKING;
}

uint32_t worker_active(const struct sim *sim, uint32_t node) {
    uint32_t count = 0;
    for (const struct run *run = sim->workers[node].runs; run; run = run->next) {
        count += is_active(run);
    }
    return count;
}

static struct run *find_run(const struct worker *worker, const struct mr_core_attempt *id) {
    struct run *run = worker->runs;
    while (run && !sim_is_same_attempt(&run->id, id)) {
        run = run->next;
    }
    return run;
}

static struct output *find_output(const struct worker *worker, const struct mr_core_attempt *id) {
    struct output *output = worker->disk;
    while (output && !(output->is_there && sim_is_same_attempt(&output->id, id))) {
        output = output->next;
    }
    return output;
}

bool worker_has_output(const struct sim *sim, uint32_t node,
                       const struct mr_core_attempt *attempt) {
    return find_output(&sim->workers[node], attempt) != NULL;
}

/* ---- talking to the master --------------------------------------------------------------------
 */

static void tell(struct sim *sim, const struct worker *worker, struct network_message message) {
    message.from = worker->node;
    message.to = SIM_MASTER;
    message.incarnation = worker->incarnation;
    message.session = worker->session;
    message.sent_ms = sim->now;
    network_send(sim, &message);
}

static void say_register(struct sim *sim, struct worker *worker) {
    struct network_message message = {.kind = NETWORK_REGISTER};
    struct mr_core_attempt *held = sim_take(sim, LIST_MAX * sizeof *held);
    for (struct output *output = worker->disk; output; output = output->next) {
        if (output->is_there && message.count < LIST_MAX) {
            held[message.count++] = output->id;
        }
    }
    message.list = held;
    tell(sim, worker, message);
}

static void register_anew(struct sim *sim, struct worker *worker) {
    worker->is_registered = false;
    worker->session++;
    say_register(sim, worker);
}

/* Becomes another incarnation: nothing of what ran counts any more. */
static void start_anew(struct sim *sim, struct worker *worker) {
    worker->runs = NULL;
    worker->incarnation++;
    worker->beat = worker->acked = 0;
    SIM_SAY(sim, worker->incarnation, "worker %u begins incarnation %u", worker->node,
            (unsigned)worker->incarnation);
    register_anew(sim, worker);
}

static uint32_t permille_of(const struct sim *sim, const struct run *run) {
    if (run->stage != WORKING || run->lasts_ms == 0) {
        return 0;
    }
    return (uint32_t)((sim->now - run->began_ms) * 1000 / run->lasts_ms);
}

static void say_beat(struct sim *sim, struct worker *worker) {
    struct network_message message = {.kind = NETWORK_BEAT};
    struct mr_core_attempt *list = sim_take(sim, LIST_MAX * sizeof *list);
    uint32_t *permille = sim_take(sim, LIST_MAX * sizeof *permille);
    for (const struct run *run = worker->runs; run; run = run->next) {
        if (run->stage != OVER && message.count < LIST_MAX) {
            permille[message.count] = permille_of(sim, run);
            list[message.count++] = run->id;
        }
    }
    message.list = list;
    message.permille = permille;
    message.beat = ++worker->beat;
    message.acked = worker->acked;
    tell(sim, worker, message);
}

static bool keeps_lease(struct sim *sim, struct worker *worker) {
    if (!worker->is_registered || sim->now < worker->lease_until) {
        return true;
    }
    SIM_SAY(sim, worker->node, "worker %u couldn't renew its lease", worker->node);
    start_anew(sim, worker);
    return false;
}

void worker_start(struct sim *sim, const struct sim_item *item) {
    struct worker *worker = &sim->workers[item->process];
    if (sim->is_up[worker->node]) {
        return;
    }
    sim->is_up[worker->node] = true;
    start_anew(sim, worker);
    sim_put(sim, sim->plan->beat_ms, SIM_WORKER_BEAT, worker->node, 0, NULL);
}

void worker_beat(struct sim *sim, const struct sim_item *item) {
    struct worker *worker = &sim->workers[item->process];
    sim_put(sim, sim->plan->beat_ms, SIM_WORKER_BEAT, worker->node, 0, NULL);
    if (!keeps_lease(sim, worker)) {
        return;
    }
    if (!worker->is_registered) {
        say_register(sim, worker);
        return;
    }
    say_beat(sim, worker);
    for (struct run *run = worker->runs; run; run = run->next) {
        if (run->stage == REPORTING) {
            tell(sim, worker, run->result);
        }
    }
}

/* ---- attempts ---------------------------------------------------------------------------------
 */

static void report(struct sim *sim, struct worker *worker, struct run *run,
                   struct network_message result) {
    run->stage = REPORTING;
    run->result = result;
    run->result.kind = NETWORK_RESULT;
    run->result.attempt = run->id;
    SIM_SAY(sim, sim_attempt_key(&run->id), "worker %u: %s ends: %s", worker->node,
            sim_attempt_words(&run->id), mr_terms_event_name(result.result));
    tell(sim, worker, run->result);
}

static void begin_work(struct sim *sim, struct worker *worker, struct run *run) {
    uint64_t chance = sim_number(sim, 't', sim_attempt_key(&run->id), worker->node);
    uint64_t lasts = sim->plan->job[run->id.job].task_ms * (50 + chance % 100) / 100 + 1;
    run->stage = WORKING;
    run->began_ms = sim->now;
    run->lasts_ms = sim->now < worker->slow_until ? lasts * SLOW_FACTOR : lasts;
    sim_put(sim, run->lasts_ms, SIM_ATTEMPT_END, worker->node, worker->incarnation, run);
}

static void ask_where(struct sim *sim, struct worker *worker, const struct run *run) {
    tell(sim, worker, (struct network_message){.kind = NETWORK_WHERE, .attempt = run->id});
}

static void hear_start(struct sim *sim, struct worker *worker,
                       const struct network_message *message) {
    if (find_run(worker, &message->attempt)) {
        return;
    }
    if (worker_active(sim, worker->node) >= sim->plan->worker[worker->node].slots) {
        sim_fail(sim, "V7", "worker %u has no free slot for %s", worker->node,
                 sim_attempt_words(&message->attempt));
    }
    struct run *run = sim_take(sim, sizeof *run);
    run->id = message->attempt;
    run->side = message->side;
    run->next = worker->runs;
    worker->runs = run;
    if (run->id.phase == MR_PHASE_MAP) {
        begin_work(sim, worker, run);
        return;
    }
    run->stage = FETCHING;
    ask_where(sim, worker, run);
    sim_put(sim, FETCH_WAIT_MS, SIM_FETCH_AGAIN, worker->node, worker->incarnation, run);
}

static void hear_stop(struct sim *sim, struct worker *worker,
                      const struct network_message *message) {
    struct run *run = find_run(worker, &message->attempt);
    if (!run) { /* it overtook the start, which comes too late then */
        run = sim_take(sim, sizeof *run);
        run->id = message->attempt;
        run->stage = FETCHING;
        run->next = worker->runs;
        worker->runs = run;
    }
    if (is_active(run)) {
        report(sim, worker, run,
               (struct network_message){.result = MR_CORE_ATTEMPT_FAILED,
                                        .status = MR_ERR_INTERRUPTED});
    }
}

void worker_end_attempt(struct sim *sim, const struct sim_item *item) {
    struct worker *worker = &sim->workers[item->process];
    struct run *run = item->about;
    if (item->number != worker->incarnation || run->stage != WORKING || !keeps_lease(sim, worker)) {
        return;
    }
    struct network_message result = {.result = MR_CORE_ATTEMPT_DONE};
    result.status =
        plan_attempt_status(sim->plan, &run->id, &result.is_fatal, &result.is_uncounted);
    if (result.status) {
        result.result = MR_CORE_ATTEMPT_FAILED;
    } else if (run->id.phase == MR_PHASE_MAP) {
        struct output *output = sim_take(sim, sizeof *output);
        result.content = content_map(sim, &run->id, run->side);
        *output = (struct output){run->id, result.content, true, worker->disk};
        worker->disk = output;
    } else {
        result.content = content_part(&run->id, run->read, run->maps);
        commit_write(sim, &run->id, result.content, run->read, run->maps);
    }
    report(sim, worker, run, result);
}

static void hear_answer(struct sim *sim, struct worker *worker,
                        const struct network_message *message) {
    struct run *run = find_run(worker, &message->attempt);
    if (!run || run->stage != REPORTING) {
        return;
    }
    run->stage = OVER;
    if (message->is_accepted) {
        return;
    }
    struct output *output = find_output(worker, &run->id);
    if (output) {
        output->is_there = false;
    }
    if (run->id.phase == MR_PHASE_REDUCE) {
        commit_remove(sim, &run->id);
    }
}

/* Some workers fail to remove what they should: such outputs are offered again later. */
static void hear_drop(struct sim *sim, struct worker *worker,
                      const struct network_message *message) {
    uint64_t chance = sim_number(sim, 'd', worker->node, sim_attempt_key(&message->attempt));
    if (sim_number(sim, 'd', worker->node, 0) % 4 == 0 && chance % 2 == 0 && !sim->has_healed) {
        return;
    }
    for (struct output *output = worker->disk; output; output = output->next) {
        bool is_meant = message->kind == NETWORK_DROP
                            ? sim_is_same_attempt(&output->id, &message->attempt)
                            : output->id.job == message->attempt.job &&
                                  output->id.round == message->attempt.round;
        output->is_there = output->is_there && !is_meant;
    }
}

/* ---- reading map outputs ----------------------------------------------------------------------
 */

static void fetch(struct sim *sim, const struct worker *worker, const struct run *run) {
    for (uint32_t i = 0; i < run->maps; i++) {
        const struct network_place *place = &run->places[i];
        if (run->fetched[i].attempt == 0 && place->attempt > 0) {
            struct network_message message = {.kind = NETWORK_FETCH,
                                              .from = worker->node,
                                              .to = place->node,
                                              .incarnation = worker->incarnation,
                                              .attempt = run->id,
                                              .lost_task = i,
                                              .lost_attempt = place->attempt};
            network_send(sim, &message);
        }
    }
}

static void report_lost(struct sim *sim, struct worker *worker, struct run *run, uint32_t task) {
    report(sim, worker, run,
           (struct network_message){.result = MR_CORE_OUTPUT_LOST,
                                    .lost_task = task,
                                    .lost_attempt = run->places[task].attempt});
}

static void hear_locations(struct sim *sim, struct worker *worker,
                           const struct network_message *message) {
    struct run *run = find_run(worker, &message->attempt);
    if (!run || run->stage != FETCHING) {
        return;
    }
    if (!run->knows_maps) {
        run->knows_maps = true;
        run->maps = run->missing = message->count;
        run->read = sim_take(sim, (message->count + 1) * sizeof *run->read);
        run->fetched = sim_take(sim, (message->count + 1) * sizeof *run->fetched);
        run->places = sim_take(sim, (message->count + 1) * sizeof *run->places);
    }
    memcpy(run->places, message->places, message->count * sizeof *run->places);
    if (run->missing == 0) {
        begin_work(sim, worker, run);
    } else {
        fetch(sim, worker, run);
    }
}

/* How many of the map outputs that an attempt still wants have a place; and the one that keeps it
 * from going on: the first without a place, else the first. */
static uint32_t count_placed(const struct run *run, uint32_t *first) {
    uint32_t placed = 0;
    bool is_found = false;
    for (uint32_t i = run->maps; i-- > 0;) {
        bool is_wanted = run->fetched[i].attempt == 0;
        bool is_placed = run->places[i].attempt > 0;
        placed += is_wanted && is_placed;
        if (is_wanted && (!is_placed || !is_found)) {
            *first = i;
            is_found = !is_placed;
        }
    }
    return placed;
}

/* A reader that has read some outputs already keeps them: whether it may is for the master to say,
 * which stops it where they are not the records of the round any more. One that can't go on gives
 * its slot back after a while: perhaps it is needed for the very map that is to be made again. Only
 * where no maps run anyway it may wait for those that are not done. */
void worker_fetch_again(struct sim *sim, const struct sim_item *item) {
    struct worker *worker = &sim->workers[item->process];
    struct run *run = item->about;
    if (item->number != worker->incarnation || run->stage != FETCHING) {
        return;
    }
    uint32_t first = 0;
    uint32_t placed = count_placed(run, &first);
    bool may_wait = placed == 0 &&
                    (!run->knows_maps || sim->plan->worker[worker->node].roles == MR_CORE_REDUCES);
    if (!may_wait && run->tries++ >= FETCH_TRIES) {
        report_lost(sim, worker, run, first);
        return;
    }
    if (placed > 0) {
        fetch(sim, worker, run);
    }
    ask_where(sim, worker, run);
    sim_put(sim, FETCH_WAIT_MS, SIM_FETCH_AGAIN, worker->node, worker->incarnation, run);
}

static void hear_fetch(struct sim *sim, struct worker *worker,
                       const struct network_message *message) {
    struct mr_core_attempt id = {message->attempt.job, message->attempt.round, MR_PHASE_MAP,
                                 message->lost_task, message->lost_attempt};
    const struct output *output = find_output(worker, &id);
    struct network_message data = *message;
    data.kind = NETWORK_DATA;
    data.from = worker->node;
    data.to = message->from;
    data.is_there = output != NULL;
    data.content = output ? output->content : 0;
    network_send(sim, &data);
}

static void hear_data(struct sim *sim, struct worker *worker,
                      const struct network_message *message) {
    struct run *run = find_run(worker, &message->attempt);
    uint32_t task = message->lost_task;
    if (!run || run->stage != FETCHING || message->incarnation != worker->incarnation ||
        run->fetched[task].attempt > 0 || run->places[task].attempt != message->lost_attempt) {
        return;
    }
    if (!message->is_there) {
        report_lost(sim, worker, run, task);
        return;
    }
    run->fetched[task] = run->places[task];
    run->read[task] = message->content;
    if (--run->missing == 0) {
        begin_work(sim, worker, run);
    }
}

/* ---- hearing ----------------------------------------------------------------------------------
 */

static void hear_registered(struct sim *sim, struct worker *worker,
                            const struct network_message *message) {
    if (message->session == worker->session && !worker->is_registered) {
        worker->is_registered = true;
        worker->lease_until = message->sent_ms + sim->plan->lease_ms;
        keeps_lease(sim, worker);
    }
}

static void hear_renewal(struct sim *sim, struct worker *worker,
                         const struct network_message *message) {
    uint64_t until = message->sent_ms + sim->plan->lease_ms;
    if (worker->is_registered && message->session == worker->session &&
        message->beat > worker->acked && keeps_lease(sim, worker)) {
        worker->acked = message->beat;
        worker->lease_until = until > worker->lease_until ? until : worker->lease_until;
    }
}

static void hear_master(struct sim *sim, struct worker *worker,
                        const struct network_message *message) {
    switch (message->kind) {
    case NETWORK_REGISTERED:
        hear_registered(sim, worker, message);
        break;
    case NETWORK_RENEWAL:
        hear_renewal(sim, worker, message);
        break;
    case NETWORK_FENCED:
        sim->met[SIM_MET_FENCED]++;
        start_anew(sim, worker);
        break;
    case NETWORK_WHO:
        register_anew(sim, worker);
        break;
    case NETWORK_START:
        hear_start(sim, worker, message);
        break;
    case NETWORK_STOP:
        hear_stop(sim, worker, message);
        break;
    case NETWORK_ANSWER:
        hear_answer(sim, worker, message);
        break;
    case NETWORK_LOCATIONS:
        hear_locations(sim, worker, message);
        break;
    default:
        break;
    }
}

void worker_hear(struct sim *sim, const struct network_message *message) {
    struct worker *worker = &sim->workers[message->to];
    if (message->kind == NETWORK_FETCH) {
        hear_fetch(sim, worker, message);
    } else if (message->kind == NETWORK_DATA) {
        hear_data(sim, worker, message);
    } else if (message->epoch < worker->epoch) {
        SIM_SAY(sim, message->epoch, "worker %u: of an old master", worker->node);
    } else if (message->kind == NETWORK_DROP || message->kind == NETWORK_DROP_ROUND) {
        hear_drop(sim, worker, message);
    } else if (message->incarnation == worker->incarnation) {
        worker->epoch = message->epoch;
        hear_master(sim, worker, message);
    }
}

/* ---- faults -----------------------------------------------------------------------------------
 */

void worker_kill(struct sim *sim, uint32_t node, uint64_t for_ms) {
    if (!sim->is_up[node]) {
        return;
    }
    sim->is_up[node] = false;
    sim->life[node]++;
    sim->paused_until[node] = 0;
    sim->workers[node].runs = NULL;
    sim->workers[node].is_registered = false;
    if (for_ms != PLAN_FOR_GOOD) {
        sim_put(sim, for_ms, SIM_WORKER_START, node, 0, NULL);
    }
}

void worker_lose_disk(struct sim *sim, uint32_t node) {
    for (struct output *output = sim->workers[node].disk; output; output = output->next) {
        output->is_there = false;
    }
}

bool worker_lose_output(struct sim *sim, uint32_t node, uint32_t n) {
    for (struct output *output = sim->workers[node].disk; output; output = output->next) {
        if (output->is_there && n-- == 0) {
            SIM_SAY(sim, node, "worker %u loses %s", node, sim_attempt_words(&output->id));
            output->is_there = false;
            return true;
        }
    }
    return false;
}

void worker_slow_down(struct sim *sim, uint32_t node, uint64_t for_ms) {
    sim->workers[node].slow_until = for_ms == PLAN_FOR_GOOD ? PLAN_FOR_GOOD : sim->now + for_ms;
}
