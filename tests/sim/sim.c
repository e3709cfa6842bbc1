/* sim: one simulated schedule: its virtual time, its memory, and what all its rooms share. */
#include "tests/sim/sim.h"

#include "lib/base/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE ((size_t)256 << 10)

struct sim_chunk {
    struct sim_chunk *next;
    _Alignas(16) char bytes[CHUNK_SIZE];
};

void sim_init(struct sim *sim) {
    *sim = (struct sim){0};
    sim->agenda.row_bytes = sizeof(struct sim_item);
    sim->chunks = malloc(sizeof *sim->chunks);
    MR_CHECK(sim->chunks);
    sim->chunks->next = NULL;
}

void sim_begin(struct sim *sim, const struct plan *plan, bool is_loud) {
    struct sim next = {.plan = plan,
                       .agenda = sim->agenda,
                       .chunks = sim->chunks,
                       .chunk = sim->chunks,
                       .is_loud = is_loud};
    next.agenda.count = 0;
    memcpy(next.met, sim->met, sizeof next.met);
    *sim = next;
}

void sim_fini(struct sim *sim) {
    while (sim->chunks) {
        struct sim_chunk *next = sim->chunks->next;
        free(sim->chunks);
        sim->chunks = next;
    }
    mr_agenda_fini(&sim->agenda);
}

void *sim_take(struct sim *sim, size_t size) {
    size = (size + 15) & ~(size_t)15;
    MR_CHECK(size <= CHUNK_SIZE);
    if (sim->chunk_used + size > CHUNK_SIZE) {
        if (!sim->chunk->next) {
            sim->chunk->next = malloc(sizeof *sim->chunk);
            MR_CHECK(sim->chunk->next);
            sim->chunk->next->next = NULL;
        }
        sim->chunk = sim->chunk->next;
        sim->chunk_used = 0;
    }
    void *taken = sim->chunk->bytes + sim->chunk_used;
    sim->chunk_used += size;
    return memset(taken, 0, size);
}

/* ---- what is due ------------------------------------------------------------------------------
 */

static void push(struct sim *sim, const struct sim_item *item) {
    struct mr_error err = {0};
    MR_CHECK(!mr_agenda_put(&sim->agenda, item, &err));
}

void sim_put(struct sim *sim, uint64_t in_ms, enum sim_due kind, uint32_t process, uint64_t number,
             void *about) {
    push(sim, &(struct sim_item){.when = {sim->now + in_ms, sim->order++},
                                 .kind = kind,
                                 .process = process,
                                 .life = process == SIM_NOBODY ? 0 : sim->life[process],
                                 .number = number,
                                 .about = about});
}

bool sim_next(struct sim *sim, struct sim_item *item) {
    while (sim->agenda.count > 0) {
        mr_agenda_take(&sim->agenda, item);
        sim->now = item->when.at;
        if (item->process == SIM_NOBODY) {
            return true;
        }
        if (item->kind != SIM_DELIVER && item->life != sim->life[item->process]) {
            continue;
        }
        if (sim->paused_until[item->process] > sim->now) {
            item->when.at = sim->paused_until[item->process];
            push(sim, item);
            continue;
        }
        return true;
    }
    return false;
}

/* ---- words ------------------------------------------------------------------------------------
 */

void sim_fail(struct sim *sim, const char *rule, const char *format, ...) {
    if (sim->has_failed) {
        return;
    }
    sim->has_failed = true;
    int used = snprintf(sim->failure, sizeof sim->failure, "%s broken at %" PRIu64 " ms: ", rule,
                        sim->now);
    va_list values;
    va_start(values, format);
    vsnprintf(sim->failure + used, sizeof sim->failure - (size_t)used, format, values);
    va_end(values);
}

void sim_say(const struct sim *sim, const char *format, ...) {
    printf("%6" PRIu64 "  ", sim->now);
    va_list values;
    va_start(values, format);
    vprintf(format, values);
    va_end(values);
    putchar('\n');
}

uint64_t sim_number(const struct sim *sim, uint64_t name, uint64_t a, uint64_t b) {
    return random_join(random_join(sim->plan->seed, name), random_join(a, b));
}

const char *sim_attempt_words(const struct mr_core_attempt *attempt) {
    static char words[4][64];
    static unsigned next;
    char *text = words[next++ % 4];
    snprintf(text, sizeof words[0], "job %u round %u %s %u try %u", attempt->job, attempt->round,
             attempt->phase == MR_PHASE_MAP ? "map" : "reduce", attempt->task, attempt->attempt);
    return text;
}

uint64_t sim_attempt_key(const struct mr_core_attempt *attempt) {
    uint64_t where = (uint64_t)attempt->job << 40 | (uint64_t)attempt->round << 32 | attempt->task;
    return random_join(where, (uint64_t)attempt->attempt << 1 | attempt->phase);
}

bool sim_is_same_attempt(const struct mr_core_attempt *a, const struct mr_core_attempt *b) {
    return a->job == b->job && a->round == b->round && a->phase == b->phase && a->task == b->task &&
           a->attempt == b->attempt;
}
