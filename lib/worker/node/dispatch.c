/* dispatch: hands each message of the master to the room that it is for. */
#include "lib/worker/node/dispatch.h"

#include "lib/base/error.h"
#include "lib/worker/node/logs.h"

static int refuse(const char *what, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_IO, "the master speaks of %s that is not known here", what);
}

/* ---- jobs and what they read ------------------------------------------------------------------*/

static int take_job(struct mr_daemon *daemon, const union mr_wire_any *message,
                    struct mr_bytes piece, struct mr_error *err) {
    struct mr_dossier *job;
    (void)piece;
    return mr_docket_enter(daemon->docket, &message->job_, &job, err);
}

static int take_peer(struct mr_daemon *daemon, const union mr_wire_any *message,
                     struct mr_bytes piece, struct mr_error *err) {
    (void)piece;
    return mr_peers_enter(daemon->peers, &message->peer_, err);
}

static int take_sources(struct mr_daemon *daemon, const union mr_wire_any *message,
                        struct mr_bytes piece, struct mr_error *err) {
    struct mr_dossier *job = mr_docket_find(daemon->docket, (uint32_t)message->sources_.job);
    (void)piece;
    return job ? mr_inflow_take(daemon->inflow, job, &message->sources_, err)
               : refuse("a job", err);
}

static int take_blob(struct mr_daemon *daemon, const union mr_wire_any *message,
                     struct mr_bytes piece, struct mr_error *err) {
    return mr_wants_take(daemon->wants, &message->blob_, piece, err);
}

static int take_want(struct mr_daemon *daemon, const union mr_wire_any *message,
                     struct mr_bytes piece, struct mr_error *err) {
    (void)piece;
    return mr_wants_give(daemon->wants,
                         (struct mr_hash_128){message->want_.high, message->want_.low}, err);
}

/* ---- attempts ---------------------------------------------------------------------------------*/

static int take_start(struct mr_daemon *daemon, const union mr_wire_any *message,
                      struct mr_bytes piece, struct mr_error *err) {
    (void)piece;
    return mr_errands_start(daemon->errands, &message->start_, err);
}

static int take_turn(struct mr_daemon *daemon, const union mr_wire_any *message,
                     struct mr_bytes piece, struct mr_error *err) {
    (void)piece;
    return mr_errands_turn(daemon->errands, &message->turn_, err);
}

static int take_stop(struct mr_daemon *daemon, const union mr_wire_any *message,
                     struct mr_bytes piece, struct mr_error *err) {
    (void)piece;
    mr_errands_stop(daemon->errands, &message->stop_);
    return err->code;
}

static int take_answer(struct mr_daemon *daemon, const union mr_wire_any *message,
                       struct mr_bytes piece, struct mr_error *err) {
    (void)piece;
    mr_errands_answer(daemon->errands, &message->answer_);
    return err->code;
}

static int take_ask_log(struct mr_daemon *daemon, const union mr_wire_any *message,
                        struct mr_bytes piece, struct mr_error *err) {
    (void)piece;
    mr_logs_answer(daemon->docket, daemon->link, daemon->folder.name, &message->ask_log_);
    return err->code;
}

/* ---- what is not needed -----------------------------------------------------------------------*/

static int take_discard(struct mr_daemon *daemon, const union mr_wire_any *message,
                        struct mr_bytes piece, struct mr_error *err) {
    const struct mr_wire_discard *discard = &message->discard_;
    struct mr_dossier *job = mr_docket_find(daemon->docket, (uint32_t)discard->job);
    (void)piece;
    if (!job || !job->has_spec) { /* it is not here, then */
        return err->code;
    }
    struct mr_wire_row_held row = {.round = discard->round,
                                   .phase = discard->phase == 0 ? MR_DOSSIER_MAP : MR_DOSSIER_PAIRS,
                                   .task = discard->task,
                                   .attempt = discard->attempt};
    mr_dossier_discard(job, &row, &daemon->folder);
    if (discard->phase == 1) { /* of the last round: a part */
        row.phase = MR_DOSSIER_PART;
        mr_dossier_discard(job, &row, &daemon->folder);
    }
    mr_chores_empty_trash(daemon->chores);
    if (discard->phase == 1 && job->spec.output && !job->spec.loops &&
        discard->round + 1 == job->spec.rounds_count) {
        mr_chores_discard(daemon->chores, job->spec.output, job->id, (uint32_t)discard->task,
                          (uint32_t)discard->attempt);
    }
    return err->code;
}

static int take_discard_round(struct mr_daemon *daemon, const union mr_wire_any *message,
                              struct mr_bytes piece, struct mr_error *err) {
    const struct mr_wire_discard_round *discard = &message->discard_round_;
    struct mr_dossier *job = mr_docket_find(daemon->docket, (uint32_t)discard->job);
    uint32_t round = (uint32_t)discard->round;
    (void)piece;
    if (!job || !job->has_spec) {
        return err->code;
    }
    if (discard->phase == 0) {
        mr_inflow_drop_round(daemon->inflow, job, round, 1);
        mr_dossier_discard_round(job, round, MR_DOSSIER_MAP, &daemon->folder);
    } else if (discard->phase == 1) {
        mr_inflow_drop_round(daemon->inflow, job, round + 1, 0);
        mr_dossier_discard_round(job, round, MR_DOSSIER_PAIRS, &daemon->folder);
    }
    mr_chores_empty_trash(daemon->chores);
    return err->code;
}

void mr_dispatch_forget(struct mr_daemon *daemon, struct mr_dossier *job, bool is_over) {
    mr_docket_use(job);
    mr_errands_forget(daemon->errands, job);
    mr_publisher_forget(daemon->publisher, job);
    mr_inflow_drop(daemon->inflow, job);
    mr_hands_retire(daemon->hands, job);
    mr_docket_forget(daemon->docket, job);
    mr_chores_clear(daemon->chores, is_over && job->has_spec ? job->spec.output : NULL, job->id);
    mr_docket_leave(daemon->docket, job);
}

void mr_dispatch_forget_all(struct mr_daemon *daemon) {
    struct mr_dossier *job = mr_docket_first(daemon->docket);
    while (job) { /* those that are forgotten already are found by nobody */
        struct mr_dossier *known = mr_docket_find_id(daemon->docket, job->id);
        struct mr_dossier *next = job->next;
        if (known == job) {
            mr_dispatch_forget(daemon, job, false); /* it may go on there */
        }
        job = next;
    }
}

static int take_forget(struct mr_daemon *daemon, const union mr_wire_any *message,
                       struct mr_bytes piece, struct mr_error *err) {
    const struct mr_wire_forget *forget = &message->forget_;
    struct mr_dossier *job = forget->id ? mr_docket_find_id(daemon->docket, forget->id)
                                        : mr_docket_find(daemon->docket, (uint32_t)forget->job);
    (void)piece;
    if (job) {
        mr_dispatch_forget(daemon, job, true);
    }
    return err->code;
}

static int take_clear(struct mr_daemon *daemon, const union mr_wire_any *message,
                      struct mr_bytes piece, struct mr_error *err) {
    const struct mr_wire_clear *clear = &message->clear_;
    (void)piece;
    if (clear->id && clear->output) {
        mr_chores_clear_output(daemon->chores, clear->output, clear->id);
    }
    return err->code;
}

/* ---- the end ----------------------------------------------------------------------------------*/

static int take_publish(struct mr_daemon *daemon, const union mr_wire_any *message,
                        struct mr_bytes piece, struct mr_error *err) {
    (void)piece;
    return mr_publisher_take(daemon->publisher, &message->publish_, err);
}

static int take_drained(struct mr_daemon *daemon, const union mr_wire_any *message,
                        struct mr_bytes piece, struct mr_error *err) {
    (void)message;
    (void)piece;
    daemon->is_drained = true;
    return err->code;
}

/* A word about a request that needs no other answer. */
static int take_nothing(struct mr_daemon *daemon, const union mr_wire_any *message,
                        struct mr_bytes piece, struct mr_error *err) {
    (void)daemon;
    (void)message;
    (void)piece;
    return err->code;
}

static const struct {
    enum mr_wire_kind kind;
    int (*take)(struct mr_daemon *daemon, const union mr_wire_any *message, struct mr_bytes piece,
                struct mr_error *err);
} rows[] = {
    {MR_WIRE_JOB, take_job},         {MR_WIRE_PEER, take_peer},
    {MR_WIRE_SOURCES, take_sources}, {MR_WIRE_BLOB, take_blob},
    {MR_WIRE_WANT, take_want},       {MR_WIRE_START, take_start},
    {MR_WIRE_TURN, take_turn},       {MR_WIRE_STOP, take_stop},
    {MR_WIRE_ANSWER, take_answer},   {MR_WIRE_ASK_LOG, take_ask_log},
    {MR_WIRE_DISCARD, take_discard}, {MR_WIRE_DISCARD_ROUND, take_discard_round},
    {MR_WIRE_FORGET, take_forget},   {MR_WIRE_PUBLISH, take_publish},
    {MR_WIRE_DRAINED, take_drained}, {MR_WIRE_CLEAR, take_clear},
    {MR_WIRE_RESULT, take_nothing},
};

int mr_dispatch_message(struct mr_daemon *daemon, unsigned kind, const union mr_wire_any *message,
                        struct mr_bytes piece, struct mr_error *err) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if ((unsigned)rows[i].kind == kind) {
            return rows[i].take(daemon, message, piece, err);
        }
    }
    const struct mr_wire_about *about = mr_wire_about(kind);
    return mr_error_set(err, MR_ERR_IO, "the master sends %s, which is not for a worker",
                        about ? about->name : "what is no message");
}
