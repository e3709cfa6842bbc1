/* lines: the jobs that wait for slots, the one with the smallest share first.
 *
 * Three binary heaps, one for each kind of waiting. A job's share is the number of its attempts of
 * the phase over its weight; among equal shares the older job comes first. So the order is total,
 * and what comes out does not depend on how the heap lies in memory. */
#include "master/core/lines.h"

#include "lib/base/error.h"
#include <stdlib.h>

static enum mr_phase phase_of(enum mr_state_line line) {
    return line == MR_STATE_LINE_MAP ? MR_PHASE_MAP : MR_PHASE_REDUCE;
}

static bool waits(const struct mr_state_job *job, enum mr_state_line line) {
    if (job->state != MR_CORE_JOB_RUNNING || job->phases[phase_of(line)].ready == 0) {
        return false;
    }
    bool maps_are_done = job->phases[MR_PHASE_MAP].open == 0;
    return line == MR_STATE_LINE_MAP ||
           (line == MR_STATE_LINE_REDUCE ? maps_are_done : job->is_early && !maps_are_done);
}

/* Whether `a` comes before `b`, by their attempts of these phases. */
static bool is_before(const struct mr_state_job *a, enum mr_phase a_phase,
                      const struct mr_state_job *b, enum mr_phase b_phase) {
    uint64_t a_share = (uint64_t)a->busy[a_phase] * b->weight;
    uint64_t b_share = (uint64_t)b->busy[b_phase] * a->weight;
    return a_share != b_share ? a_share < b_share : a->number < b->number;
}

static bool is_before_in(enum mr_state_line line, const struct mr_state_job *a,
                         const struct mr_state_job *b) {
    return is_before(a, phase_of(line), b, phase_of(line));
}

static void put(struct mr_core *core, enum mr_state_line line, uint32_t at,
                struct mr_state_job *job) {
    core->lines[line][at] = job;
    job->line_at[line] = at;
}

static void sift_up(struct mr_core *core, enum mr_state_line line, uint32_t at) {
    struct mr_state_job **heap = core->lines[line];
    struct mr_state_job *job = heap[at];
    while (at > 0 && is_before_in(line, job, heap[(at - 1) / 2])) {
        put(core, line, at, heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(core, line, at, job);
}

static void sift_down(struct mr_core *core, enum mr_state_line line, uint32_t at) {
    struct mr_state_job **heap = core->lines[line];
    struct mr_state_job *job = heap[at];
    uint32_t count = core->line_count[line];
    while (2 * at + 1 < count) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < count && is_before_in(line, heap[child + 1], heap[child])) {
            child++;
        }
        if (!is_before_in(line, heap[child], job)) {
            break;
        }
        put(core, line, at, heap[child]);
        at = child;
    }
    put(core, line, at, job);
}

int mr_lines_reserve(struct mr_core *core, struct mr_error *err) {
    for (int line = 0; line < MR_STATE_LINES; line++) {
        size_t count = (size_t)core->job_count + 1;
        struct mr_state_job **heap =
            realloc(core->lines[line], count * sizeof(struct mr_state_job *));
        if (!heap) {
            return mr_error_nomem(err, "taking up a job");
        }
        core->lines[line] = heap;
    }
    return MR_OK;
}

static void update(struct mr_core *core, struct mr_state_job *job, enum mr_state_line line) {
    uint32_t at = job->line_at[line];
    if (waits(job, line)) {
        at = at == NONE ? core->line_count[line]++ : at;
        put(core, line, at, job);
        sift_up(core, line, at);
        sift_down(core, line, job->line_at[line]);
    } else if (at != NONE) {
        struct mr_state_job *last = core->lines[line][--core->line_count[line]];
        job->line_at[line] = NONE;
        if (last != job) {
            put(core, line, at, last);
            sift_up(core, line, at);
            sift_down(core, line, last->line_at[line]);
        }
    }
}

void mr_lines_update(struct mr_core *core, struct mr_state_job *job) {
    for (int line = 0; line < MR_STATE_LINES; line++) {
        update(core, job, (enum mr_state_line)line);
    }
}

static struct mr_state_job *first_of(const struct mr_core *core, enum mr_state_line line) {
    return core->line_count[line] > 0 ? core->lines[line][0] : NULL;
}

struct mr_state_job *mr_lines_first(const struct mr_core *core, enum mr_core_role roles,
                                    enum mr_phase *phase) {
    struct mr_state_job *map = roles & MR_CORE_MAPS ? first_of(core, MR_STATE_LINE_MAP) : NULL;
    struct mr_state_job *reduce =
        roles & MR_CORE_REDUCES ? first_of(core, MR_STATE_LINE_REDUCE) : NULL;
    if (!reduce && roles == MR_CORE_REDUCES) {
        reduce = first_of(core, MR_STATE_LINE_EARLY);
    }
    bool is_map = map && (!reduce || is_before(map, MR_PHASE_MAP, reduce, MR_PHASE_REDUCE));
    *phase = is_map ? MR_PHASE_MAP : MR_PHASE_REDUCE;
    return is_map ? map : reduce;
}
