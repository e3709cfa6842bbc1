/* provisions: sees to it that an attempt has what it needs: its job, a loop's state, what it reads.
 */
#include "lib/worker/node/provisions.h"

#include "lib/base/error.h"
#include "lib/worker/node/states.h"
#include "lib/worker/node/telling.h"
#include <stdlib.h>

static void wait_for_job(const struct mr_errand_around *around, struct mr_errand *errand) {
    struct mr_error err = {0};
    struct mr_inflow_want want;
    if (errand->job->state == MR_DOSSIER_BROKEN) {
        mr_telling_failed(around, errand, &errand->job->err);
        return;
    }
    if (errand->job->state != MR_DOSSIER_READY || !mr_states_place(around, errand, &err)) {
        if (err.code) {
            mr_telling_failed(around, errand, &err);
        }
        return;
    }
    if (mr_errand_reads(errand, &want)) {
        mr_inflow_begin(around->inflow, &want);
    }
    mr_errand_set_state(errand, MR_ERRAND_GATHERING);
}

/* While it waits for what it reads, a process may be started. */
static void prepare(const struct mr_errand_around *around, const struct mr_errand *errand) {
    mr_docket_use(errand->job);
    if (!mr_hands_prepare(*around->hands, errand->job)) {
        mr_docket_leave(around->docket, errand->job);
    }
}

/* Room for the winners whose outputs it reads. */
static bool make_winners(struct mr_errand *errand, uint32_t count) {
    if (errand->winner_count != count || !errand->winners) {
        free(errand->winners);
        errand->winners = calloc((size_t)count + 1, sizeof *errand->winners);
        errand->winner_count = errand->winners ? count : 0;
    }
    return errand->winners != NULL;
}

/* Looks at all that it reads: everything that is known is brought meanwhile. */
static void gather(const struct mr_errand_around *around, struct mr_errand *errand) {
    struct mr_inflow_want want;
    struct mr_error err = {0};
    if (!mr_errand_reads(errand, &want)) {
        mr_errand_set_state(errand, MR_ERRAND_READY);
        return;
    }
    uint32_t total = mr_inflow_total(around->inflow, &want);
    bool reads_one = errand->phase == 0;
    uint32_t begin = reads_one ? errand->task : 0;
    uint32_t end = reads_one ? errand->task + 1 : total;
    if (!make_winners(errand, reads_one ? 1 : total)) {
        mr_error_nomem(&err, "gathering what a task reads");
        mr_telling_failed(around, errand, &err);
        return;
    }
    if (!reads_one && !mr_inflow_is_worth_a_look(around->inflow, &want) && errand->has_looked) {
        return;
    }
    if (!reads_one && !errand->has_looked && total > 0) {
        prepare(around, errand);
    }
    errand->has_looked = total > 0;
    bool is_all = total > 0;
    for (uint32_t i = begin; i < end; i++) {
        struct mr_inflow_row row = mr_inflow_look(around->inflow, &want, i);
        if (row.standing == MR_INFLOW_LOST && row.is_local) {
            mr_telling_failed(around, errand, row.why);
            return;
        }
        if (row.standing == MR_INFLOW_LOST) {
            mr_telling_lost(around, errand, i, &row);
            return;
        }
        is_all &= row.standing == MR_INFLOW_HERE;
        errand->winners[i - begin] = row.attempt;
    }
    if (is_all) {
        mr_errand_set_state(errand, MR_ERRAND_READY);
    }
}

void mr_provisions_look(const struct mr_errand_around *around, struct mr_errand *errand) {
    if (errand->state == MR_ERRAND_WAITING && !errand->is_void) {
        wait_for_job(around, errand);
    }
    if (errand->state == MR_ERRAND_GATHERING && !errand->is_void) {
        gather(around, errand);
    }
}
