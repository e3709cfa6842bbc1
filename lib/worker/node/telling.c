/* telling: what the master hears of attempts: keeps what one left, and says how it went. */
#include "lib/worker/node/telling.h"

#include "lib/worker/node/states.h"

void mr_telling_send(const struct mr_errand_around *around, struct mr_errand *errand) {
    struct mr_link *link = *around->link;
    struct mr_error err = {0};
    if (!mr_link_conn(link) || !mr_link_has_lease(link) || errand->is_void) {
        return; /* when it is registered again; or never */
    }
    if (errand->has_gifts && !mr_wants_is_idle(around->wants)) {
        return; /* when they are out */
    }
    if (mr_link_conn(link) &&
        mr_conn_send(mr_link_conn(link), (uint16_t)errand->kind,
                     (struct mr_bytes){errand->report.data, errand->report.len}, &err) &&
        err.code != MR_ERR_CLOSED) {
        mr_conn_drop(mr_link_conn(link), &err);
    }
    errand->has_gifts = false;
}

void mr_telling_give(const struct mr_errand_around *around, struct mr_errand *errand) {
    struct mr_error err = {0};
    for (unsigned i = 0; i < errand->gift_count; i++) {
        errand->has_gifts |= !mr_wants_give(around->wants, errand->gifts[i], &err);
    }
}

/* Its report is made, or can't be: then it is void, and comes to its end by the lease's. */
static void told(const struct mr_errand_around *around, struct mr_errand *errand,
                 const struct mr_error *err) {
    mr_errand_set_state(errand, MR_ERRAND_TOLD);
    if (err->code) {
        struct mr_link *link = *around->link;
        mr_link_begin_anew(link, err->text);
        return;
    }
    mr_telling_give(around, errand);
    mr_telling_send(around, errand);
}

void mr_telling_failed(const struct mr_errand_around *around, struct mr_errand *errand,
                       const struct mr_error *why) {
    struct mr_error err = {0};
    mr_errand_discard(errand);
    (void)!mr_errand_report_failed(errand, why, &err);
    told(around, errand, &err);
}

void mr_telling_lost(const struct mr_errand_around *around, struct mr_errand *errand, uint32_t task,
                     const struct mr_inflow_row *row) {
    struct mr_error err = {0};
    mr_errand_discard(errand);
    (void)!mr_errand_report_lost(errand, task, row->attempt, row->is_damaged, row->why, &err);
    told(around, errand, &err);
}

/* Keeps what it left, and tells. */
static void conclude(const struct mr_errand_around *around, struct mr_errand *errand) {
    struct mr_error err = {0};
    struct mr_wire_row_held row;
    bool has_output = mr_errand_output(errand, &row);
    row.digest = errand->work.outcome.result.output_xxh3;
    if (errand->phase == MR_ERRAND_TURN) {
        (void)!mr_errand_report_turned(errand, around->blobs, &err);
        mr_states_keep(around, errand);
    } else if (!has_output || !mr_dossier_hold(errand->job, &row, &err)) {
        (void)!mr_errand_report_done(errand, &err);
    }
    if (err.code && err.code != MR_ERR_NOMEM) { /* the disk's fault: the attempt has failed */
        mr_telling_failed(around, errand, &err);
        return;
    }
    told(around, errand, &err);
}

static void conclude_lost(const struct mr_errand_around *around, struct mr_errand *errand) {
    const struct mr_hand_outcome *outcome = &errand->work.outcome;
    struct mr_inflow_want want;
    struct mr_inflow_row row = {
        .attempt = outcome->lost.attempt, .is_damaged = true, .why = &outcome->err};
    if (mr_errand_reads(errand, &want)) {
        mr_inflow_distrust(around->inflow, &want, outcome->lost.task, outcome->lost.attempt);
    }
    mr_telling_lost(around, errand, outcome->lost.task, &row);
}

void mr_telling_finished(const struct mr_errand_around *around, struct mr_errand *errand) {
    const struct mr_hand_outcome *outcome = &errand->work.outcome;
    if (!outcome->err.code) {
        conclude(around, errand);
    } else if (outcome->lost.is_known && !errand->is_stopped) {
        conclude_lost(around, errand);
    } else {
        mr_telling_failed(around, errand, &outcome->err);
    }
}

void mr_telling_unknown(const struct mr_errand_around *around, const struct mr_wire_stop *message) {
    struct mr_wire_failed failed = {.job = message->job, /* the master waits for a word of it */
                                    .round = message->round,
                                    .phase = message->phase,
                                    .task = message->task,
                                    .attempt = message->attempt,
                                    .status = -MR_ERR_INTERRUPTED,
                                    .is_stopped = 1,
                                    .why = "it does not run here"};
    (void)mr_link_send(*around->link, MR_WIRE_FAILED, &failed);
}
