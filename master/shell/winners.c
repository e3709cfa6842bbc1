/* winners: begins the lists of who made what the tasks of a round read. */
#include "master/shell/winners.h"

#include "lib/base/error.h"
#include "master/shell/notes.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>

int mr_winners_open_pairs(struct mr_jobs_row *job, const struct mr_journal *journal,
                          uint32_t core_round, struct mr_error *err) {
    const struct mr_fact *pairs = mr_journal_find(journal, job->number, MR_NOTES_PAIRS, core_round);
    size_t count = pairs ? pairs->len / sizeof(struct mr_sources_row) : 0;
    if (mr_sources_open(&job->pairs, core_round, (uint32_t)count, err)) {
        return err->code;
    }
    for (size_t task = 0; task < count && !err->code; task++) {
        struct mr_sources_row row;
        memcpy(&row, pairs->bytes + task * sizeof row, sizeof row);
        row = (struct mr_sources_row){le32toh(row.attempt), le32toh(row.node)};
        (void)!mr_sources_set(&job->pairs, (uint32_t)task, row, err);
    }
    return err->code;
}

static int open_times(struct mr_jobs_row *job, enum mr_phase phase, uint32_t count,
                      struct mr_error *err) {
    uint32_t *spent = calloc((size_t)count + 1, sizeof *spent);
    if (!spent) {
        return mr_error_nomem(err, "listing a round's tasks");
    }
    free(job->spent_ms[phase]);
    job->spent_ms[phase] = spent;
    job->spent_count[phase] = count;
    return MR_OK;
}

int mr_winners_open_round(struct mr_jobs_row *job, const struct mr_journal *journal,
                          uint32_t core_round, const struct mr_core_job_view *view,
                          struct mr_error *err) {
    /* The core may be further than what is durable: then nobody asks for these tasks. */
    bool is_current = view->round == core_round;
    uint32_t maps = is_current ? view->map_tasks : 0;
    uint32_t reduces = is_current ? view->reduce_tasks : 0;
    job->lost_reports = 0;
    job->broken = 0;
    return mr_sources_open(&job->maps, core_round, maps, err) ||
                   open_times(job, MR_PHASE_MAP, maps, err) ||
                   open_times(job, MR_PHASE_REDUCE, reduces, err) ||
                   mr_winners_open_pairs(job, journal, core_round - 1, err)
               ? err->code
               : MR_OK;
}

int mr_winners_load(struct mr_jobs_row *job, struct mr_journal *journal, struct mr_error *err) {
    const struct mr_core *core = mr_journal_core(journal);
    struct mr_core_job_view view = mr_core_job(core, job->number);
    if (mr_winners_open_round(job, journal, view.round, &view, err)) {
        return err->code;
    }
    for (uint32_t task = 0; task < view.map_tasks && !err->code; task++) {
        struct mr_core_winner winner = mr_core_winner(core, job->number, MR_PHASE_MAP, task);
        struct mr_sources_row row = {winner.attempt, winner.worker.node};
        if (winner.attempt) {
            (void)!mr_sources_set(&job->maps, task, row, err);
        }
    }
    return err->code;
}
