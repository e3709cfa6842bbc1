/* network: messages between master and workers, which may be lost, repeated, late or cut off. */
#include "tests/sim/network.h"

#include "tests/sim/sessions.h"
#include "tests/sim/worker.h"

#define PROCESSES (PLAN_WORKERS_MAX + 1)

struct network {
    uint64_t sent[PROCESSES][PROCESSES];
    uint64_t cut_until[PROCESSES][PROCESSES];
    uint32_t lost, repeated, late;
};

static const char *const words[] = {
#define NETWORK_ROW(name, words) words,
    NETWORK_TABLE(NETWORK_ROW)
#undef NETWORK_ROW
};

const char *network_words(enum network_kind kind) {
    return words[kind];
}

void network_begin(struct sim *sim) {
    sim->network = sim_take(sim, sizeof *sim->network);
    sim->network->lost = sim->plan->lost;
    sim->network->repeated = sim->plan->repeated;
    sim->network->late = sim->plan->late;
}

static uint64_t choose_delay(struct sim *sim, uint64_t fate) {
    bool is_late = (fate >> 40) % 1000 < sim->network->late;
    uint64_t most = is_late ? 3 * sim->plan->lease_ms : 8;
    return 1 + (fate >> 8) % most;
}

void network_send(struct sim *sim, const struct network_message *message) {
    struct network *network = sim->network;
    uint64_t *sent = &network->sent[message->from][message->to];
    uint64_t link = message->from * PROCESSES + message->to;
    uint64_t fate = sim_number(sim, 'n', link, ++*sent);
    struct network_message *copy = sim_take(sim, sizeof *copy);
    *copy = *message;
    if (message->from == message->to) {
        sim_put(sim, 0, SIM_DELIVER, message->to, 0, copy);
        return;
    }
    if ((fate >> 20) % 1000 < network->lost) {
        SIM_SAY(sim, fate, "lost: %s %u -> %u", words[message->kind], message->from, message->to);
        return;
    }
    sim_put(sim, choose_delay(sim, fate), SIM_DELIVER, message->to, 0, copy);
    if ((fate >> 30) % 1000 < network->repeated) {
        sim_put(sim, choose_delay(sim, random_mix(fate)), SIM_DELIVER, message->to, 0, copy);
    }
}

void network_deliver(struct sim *sim, const struct sim_item *item) {
    const struct network_message *message = item->about;
    if (!sim->is_up[message->to] ||
        sim->network->cut_until[message->from][message->to] > sim->now) {
        return;
    }
    SIM_SAY(sim, message->kind * 65536u + message->from * 256u + message->to, "%s %u -> %u",
            words[message->kind], message->from, message->to);
    if (message->to == SIM_MASTER) {
        sessions_hear(sim, message);
    } else {
        worker_hear(sim, message);
    }
}

void network_cut(struct sim *sim, uint32_t from, uint32_t to, uint64_t for_ms) {
    if (from != to) {
        sim->network->cut_until[from][to] = sim->now + for_ms;
    }
}

void network_heal(struct sim *sim) {
    sim->network->lost = sim->network->repeated = sim->network->late = 0;
    for (uint32_t i = 0; i < PROCESSES; i++) {
        for (uint32_t j = 0; j < PROCESSES; j++) {
            sim->network->cut_until[i][j] = 0;
        }
    }
}
