/* client: asks for what people want of the master, until it is acknowledged. */
#include "tests/sim/client.h"

#include "tests/sim/content.h"
#include "tests/sim/master.h"
#include "tests/sim/worker.h"

#include <mr/status.h>

#define AGAIN_MS 130

struct client {
    bool is_wanted[CLIENT_WISHES][PLAN_WORKERS_MAX + 1];
    bool is_acknowledged[CLIENT_WISHES][PLAN_WORKERS_MAX + 1];
};

void client_begin(struct sim *sim) {
    sim->client = sim_take(sim, sizeof *sim->client);
    for (uint32_t job = 1; job <= sim->plan->jobs; job++) {
        sim_put(sim, sim->plan->job[job].at_ms, SIM_CLIENT, SIM_NOBODY,
                (uint64_t)CLIENT_SUBMIT << 32 | job, NULL);
    }
}

void client_wish(struct sim *sim, enum client_wish wish, uint32_t about) {
    sim->client->is_wanted[wish][about] = true;
    sim_put(sim, 0, SIM_CLIENT, SIM_NOBODY, (uint64_t)wish << 32 | about, NULL);
}

bool client_wants(const struct sim *sim, enum client_wish wish, uint32_t about) {
    return sim->client->is_wanted[wish][about];
}

bool client_has(const struct sim *sim, enum client_wish wish, uint32_t about) {
    return sim->client->is_acknowledged[wish][about];
}

void client_hear(struct sim *sim, uint32_t request) {
    sim->client->is_acknowledged[request >> 16][request & 0xffff] = true;
    SIM_SAY(sim, request, "client: request %x is acknowledged", request);
}

static void submit(struct sim *sim, uint32_t job) {
    const struct plan_job *plan = &sim->plan->job[job];
    master_apply(sim, &(struct mr_core_event){.kind = MR_CORE_SUBMIT,
                                              .job = job,
                                              .shape = content_shape(sim, job, 0),
                                              .max_attempts = plan->max_attempts,
                                              .weight = plan->weight,
                                              .is_early = plan->is_early,
                                              .is_strict = plan->is_strict});
}

/* Jobs are submitted in the order of their numbers. */
static bool is_ready(const struct sim *sim, enum client_wish wish, uint32_t about) {
    switch (wish) {
    case CLIENT_SUBMIT:
        return about == 1 || client_has(sim, CLIENT_SUBMIT, about - 1);
    case CLIENT_CANCEL:
        return client_has(sim, CLIENT_SUBMIT, about);
    default:
        return true;
    }
}

static void ask(struct sim *sim, enum client_wish wish, uint32_t about) {
    if (wish == CLIENT_SUBMIT) {
        submit(sim, about);
    } else if (wish == CLIENT_CANCEL) {
        master_apply(sim, &(struct mr_core_event){
                              .kind = MR_CORE_CANCEL, .job = about, .status = MR_ERR_INTERRUPTED});
    } else {
        struct mr_core_node_view view = mr_core_node(master_core(sim), about);
        master_apply(sim, &(struct mr_core_event){.kind = MR_CORE_NODE_DRAIN,
                                                  .worker = {about, view.incarnation}});
    }
    master_acknowledge(sim, (uint32_t)wish << 16 | about);
}

void client_act(struct sim *sim, const struct sim_item *item) {
    enum client_wish wish = (enum client_wish)(item->number >> 32);
    uint32_t about = (uint32_t)item->number;
    if (client_has(sim, wish, about) || (wish == CLIENT_DRAIN && sim->has_healed)) {
        return;
    }
    bool answers = sim->is_up[SIM_MASTER] && sim->paused_until[SIM_MASTER] <= sim->now;
    if (answers && is_ready(sim, wish, about)) {
        ask(sim, wish, about);
    }
    sim_put(sim, AGAIN_MS, SIM_CLIENT, SIM_NOBODY, item->number, NULL);
}
