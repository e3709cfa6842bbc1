/* effects: does what the core wants done, once it is durable. */
#include "master/shell/effects.h"

#include "lib/base/error.h"
#include "master/shell/closing.h"
#include "master/shell/ending.h"
#include "master/shell/inside.h"
#include "master/shell/numbering.h"
#include "master/shell/publishing.h"
#include "master/shell/sessions.h"
#include "master/shell/supply.h"
#include "master/shell/workers.h"
#include <stdlib.h>

/* ---- when they are given ----------------------------------------------------------------------*/

/* A node that the core gives up is looked at when the event that says so was applied. */
static void note_lost(struct mr_master *master, uint32_t node) {
    if (master->lost_count == master->lost_capacity) {
        size_t capacity = 2 * master->lost_capacity + 8;
        uint32_t *lost = realloc(master->lost, capacity * sizeof *lost);
        if (!lost) {
            struct mr_error err = {0};
            mr_error_nomem(&err, "giving up a worker");
            mr_inside_fail(master, &err);
            return;
        }
        master->lost = lost;
        master->lost_capacity = capacity;
    }
    master->lost[master->lost_count++] = node;
}

void mr_effects_see(void *arg, const struct mr_core_effect *effect) {
    struct mr_master *master = arg;
    struct mr_jobs_row *job;
    switch (effect->kind) {
    case MR_CORE_ROUND_DONE:
        master->has_to_close = master->may_let_go = true;
        break;
    case MR_CORE_FINISHED:
        master->may_let_go = true;
        job = mr_jobs_find(&master->jobs, effect->job);
        if (job) {
            mr_ending_note(master, job, effect);
        }
        break;
    case MR_CORE_PROPOSE:
        if (effect->proposed == MR_CORE_NODE_LOST) {
            note_lost(master, effect->worker.node);
        }
        break;
    default:
        break;
    }
}

void mr_effects_gather(void *arg) {
    struct mr_master *master = arg;
    while (master->lost_count > 0) {
        mr_workers_lost(master, master->lost[--master->lost_count]);
    }
    if (master->has_to_close) {
        mr_closing_close(master);
    }
    mr_workers_let_go(master);
}

/* ---- when they are durable --------------------------------------------------------------------*/

static void start(struct mr_master *master, struct mr_jobs_row *job,
                  const struct mr_core_effect *effect) {
    struct mr_core_node_view view = mr_core_node(master->core, effect->worker.node);
    if (view.state == MR_CORE_NODE_GONE || view.incarnation != effect->worker.incarnation) {
        return; /* the node was lost meanwhile, with all that it ran */
    }
    mr_supply_open_round(master, job, effect->round);
    struct mr_runs_row *row =
        mr_runs_add(&master->runs, &effect->attempt, effect->worker, uv_now(master->loop));
    if (!row) {
        struct mr_error err = {0};
        mr_error_nomem(&err, "starting tasks");
        mr_inside_fail(master, &err);
        return;
    }
    struct mr_session *session = mr_sessions_of(master, effect->worker);
    if (session) {
        mr_supply_start(session, row);
    }
}

static void stop(struct mr_master *master, const struct mr_core_effect *effect) {
    struct mr_runs_row *row = mr_runs_find(&master->runs, &effect->attempt);
    struct mr_session *session = mr_sessions_of(master, effect->worker);
    if (row) {
        row->is_stopping = true;
    }
    if (row && session) {
        mr_supply_stop(session, &effect->attempt);
    }
}

/* A winner is known to those who read what it made. */
static void set_source(struct mr_master *master, struct mr_jobs_row *job,
                       const struct mr_core_attempt *id, struct mr_sources_row row) {
    struct mr_error err = {0};
    if (id->phase == MR_PHASE_MAP && job->maps.is_open && job->maps.round == id->round &&
        id->task < job->maps.count &&
        (row.attempt || job->maps.rows[id->task].attempt == id->attempt)) {
        (void)!mr_sources_set(&job->maps, id->task, row, &err);
        master->has_changed_sources = true;
        if (row.attempt && id->task < job->splits && mr_numbering_list_round(job, id->round) == 0) {
            job->cached[id->task] = row.node;
        }
    }
    (void)mr_inside_check(master, &err);
}

static void answer(struct mr_master *master, struct mr_jobs_row *job,
                   const struct mr_core_effect *effect) {
    struct mr_session *session = mr_sessions_of(master, effect->worker);
    const struct mr_core_attempt told = mr_numbering_outward(job, &effect->attempt);
    struct mr_wire_answer message = {told.job,  told.round,   told.phase,
                                     told.task, told.attempt, effect->is_accepted};
    if (effect->is_accepted) {
        set_source(master, job, &effect->attempt,
                   (struct mr_sources_row){effect->attempt.attempt, effect->worker.node});
        job->is_dirty = true;
    }
    mr_sessions_send(session, MR_WIRE_ANSWER, &message);
}

static void discard(struct mr_master *master, const struct mr_jobs_row *job,
                    const struct mr_core_effect *effect) {
    const struct mr_core_attempt told = mr_numbering_outward(job, &effect->attempt);
    struct mr_wire_discard message = {told.job, told.round, told.phase, told.task, told.attempt};
    mr_sessions_send(mr_sessions_of(master, effect->worker), MR_WIRE_DISCARD, &message);
}

/* The map outputs of a round, and the pairs that its tasks read, are not needed any more. */
static void discard_round(struct mr_master *master, const struct mr_jobs_row *job, uint32_t round) {
    bool is_turn = mr_numbering_is_turn(job, round);
    struct mr_core_attempt id = {.job = job->number, .round = round};
    const struct mr_core_attempt told = mr_numbering_outward(job, &id);
    bool has_pairs = is_turn ? round > 0 : mr_numbering_list_round(job, round) > 0;
    struct mr_wire_discard_round maps = {told.job, told.round, MR_PHASE_MAP};
    struct mr_wire_discard_round pairs = {told.job, is_turn ? told.round : told.round - 1,
                                          MR_PHASE_REDUCE};
    for (struct mr_session *at = master->sessions.first; at; at = at->after) {
        if (at->is_welcome && !is_turn) {
            mr_sessions_send(at, MR_WIRE_DISCARD_ROUND, &maps);
        }
        if (at->is_welcome && has_pairs) {
            mr_sessions_send(at, MR_WIRE_DISCARD_ROUND, &pairs);
        }
    }
}

static void tell(struct mr_master *master, struct mr_jobs_row *job,
                 const struct mr_core_effect *effect) {
    static const char *const phases[] = {"map", "reduce"};
    const struct mr_roster_node *node = mr_roster_at(&master->roster, effect->worker.node);
    const char *name = node ? node->name : "?";
    const struct mr_core_attempt *id = &effect->attempt;
    if (effect->news == MR_CORE_TELL_NODE_ASIDE) {
        mr_inside_log("worker \"%s\": %s", name, mr_terms_news_words(effect->news));
    }
    if (!job || effect->news == MR_CORE_TELL_NODE_ASIDE ||
        effect->news == MR_CORE_TELL_NODE_DRAINED || effect->news == MR_CORE_TELL_RETRYING) {
        return; /* why a task failed was told when it was said */
    }
    if (effect->news == MR_CORE_TELL_OUTPUT_AGAIN) {
        set_source(master, job, id, (struct mr_sources_row){0});
    }
    mr_jobs_tell(job, "%s task %u: %s (worker \"%s\")", phases[id->phase], id->task,
                 mr_terms_news_words(effect->news), name);
}

void mr_effects_perform(void *arg, const struct mr_core_effect *effect) {
    struct mr_master *master = arg;
    struct mr_jobs_row *job = mr_jobs_find(&master->jobs, effect->job);
    if (effect->kind == MR_CORE_TELL) {
        tell(master, job, effect);
        return;
    }
    if (!job) {
        return;
    }
    switch (effect->kind) {
    case MR_CORE_START:
        start(master, job, effect);
        break;
    case MR_CORE_STOP:
        stop(master, effect);
        break;
    case MR_CORE_ANSWER:
        answer(master, job, effect);
        break;
    case MR_CORE_DISCARD:
        discard(master, job, effect);
        break;
    case MR_CORE_DISCARD_ROUND:
        discard_round(master, job, effect->round);
        break;
    case MR_CORE_PUBLISH:
        /* Else a part was lost meanwhile, and it comes again. */
        job->publishes = mr_core_job(master->core, job->number).state == MR_CORE_JOB_PUBLISHING;
        master->has_to_publish = true;
        break;
    case MR_CORE_FINISHED:
        mr_ending_finish(master, job);
        break;
    default: /* the others were acted on when they were given */
        break;
    }
}

void mr_effects_performed(void *arg) {
    struct mr_master *master = arg;
    if (master->has_changed_sources) {
        mr_supply_changes(master);
    }
    if (master->has_to_publish) {
        mr_publishing_go_on(master);
    }
    mr_ending_sweep(master);
}
