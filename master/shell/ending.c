/* ending: what is left of a job that is over, and who is told. */
#include "master/shell/ending.h"

#include "lib/base/error.h"
#include "master/shell/clearing.h"
#include "master/shell/following.h"
#include "master/shell/inside.h"
#include "master/shell/logs.h"
#include "master/shell/numbering.h"
#include "master/shell/sessions.h"
#include "master/shell/submitting.h"
#include "master/shell/supply.h"
#include "master/shell/views.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAIL_LINES 20
#define TAIL_BYTES 1500

/* A job that failed, whose clients wait until the log is here. */
struct mr_ending_wait {
    struct mr_ending_wait *next;
    struct mr_core_attempt told;
    uint32_t node;
};

/* ---- as facts ---------------------------------------------------------------------------------*/

/* Adds the first cause of the task that the job failed by. */
static void add_cause(const struct mr_master *master, const struct mr_jobs_row *job,
                      const struct mr_core_effect *effect, struct mr_error *why) {
    static const char *const phases[] = {"map task", "reduce task", "turn"};
    const struct mr_core_attempt told = mr_numbering_outward(job, &effect->attempt);
    const char *text =
        mr_notes_text(master->journal, job->number, MR_NOTES_FAILURE,
                      mr_notes_key((uint32_t)effect->attempt.phase, effect->attempt.task));
    const char *cause = text ? strchr(text, '\n') : NULL;
    uint32_t node = MR_CORE_NONE;
    uint32_t attempt = effect->attempt.attempt;
    if (text) {
        (void)sscanf(text, "%*u %" SCNu32 " %" SCNu32, &attempt, &node);
    }
    const struct mr_roster_node *at = mr_roster_at(&master->roster, node);
    mr_error_set(why, effect->status, "%s (%s %u, attempt %u%s%s%s)",
                 cause && cause[1] ? cause + 1
                 : job->lost_text  ? job->lost_text
                                   : "it failed",
                 phases[told.phase], told.task, attempt, at ? ", on \"" : "", at ? at->name : "",
                 at ? "\"" : "");
}

/* Of an ended job stays who it was, how it ended and when; of one that is done, its manifest. */
static void forget_most(struct mr_master *master, uint32_t job, bool is_done,
                        struct mr_error *err) {
    static const enum mr_notes_kind kinds[] = {
        MR_NOTES_MANIFEST, MR_NOTES_MAP,   MR_NOTES_REDUCE, MR_NOTES_ROUND, MR_NOTES_SPEC,
        MR_NOTES_PAIRS,    MR_NOTES_PASS,  MR_NOTES_LINES,  MR_NOTES_TOTAL, MR_NOTES_FAILURE,
        MR_NOTES_CARE,     MR_NOTES_ASIDE, MR_NOTES_SHIFT,  MR_NOTES_WHY,   MR_NOTES_BYTES};
    for (size_t i = is_done; i < sizeof kinds / sizeof *kinds && !err->code; i++) {
        size_t count;
        if (mr_notes_first(master->journal, job, kinds[i], &count)) {
            (void)!mr_journal_forget(master->journal, job, (uint32_t)kinds[i], err);
        }
    }
}

/* How far a job that ends has come: the core has forgotten it, the facts have not. */
static struct mr_history_last how_far(const struct mr_jobs_row *job,
                                      const struct mr_journal *journal, bool is_done) {
    uint32_t core_round =
        job->maps.is_open ? job->maps.round : job->loops; /* the last that began */
    bool is_start = job->loops && core_round == 0;
    bool is_turn = mr_numbering_is_turn(job, core_round) && !is_start;
    uint32_t round = is_start  ? 0
                     : is_turn ? job->rounds - 1
                               : mr_numbering_list_round(job, core_round);
    size_t maps;
    size_t reduces;
    (void)mr_notes_first(journal, job->number, MR_NOTES_MAP, &maps);
    (void)mr_notes_first(journal, job->number, MR_NOTES_REDUCE, &reduces);
    struct mr_history_last last = {.rounds = job->rounds,
                                   .round = round,
                                   .pass = job->pass,
                                   .map_tasks =
                                       round == 0 ? job->splits : job->partitions[round - 1],
                                   .reduce_tasks = job->partitions[round],
                                   .failed = job->failed};
    /* A round that is closed, while the next has not begun: its tasks' facts are gone. */
    bool is_closed = !maps && !reduces && !is_start &&
                     mr_journal_find(journal, job->number, MR_NOTES_ROUND, mr_notes_key(round, 0));
    bool has_all = is_done || is_turn || is_closed;
    reduces = is_start ? 0 : reduces; /* it is the turn itself */
    last.maps_done = has_all || maps > last.map_tasks ? last.map_tasks : maps;
    last.reduces_done = has_all || reduces > last.reduce_tasks ? last.reduce_tasks : reduces;
    return last;
}

void mr_ending_note(struct mr_master *master, struct mr_jobs_row *job,
                    const struct mr_core_effect *effect) {
    struct mr_error why = {0};
    struct mr_error err = {0};
    const uint64_t times[2] = {job->submitted_wall_ms, mr_inside_wall_ms()};
    const struct mr_history_last last = how_far(job, master->journal, effect->status == 0);
    if (effect->status && job->give_up.code) {
        why = job->give_up;
    } else if (effect->status && effect->attempt.attempt) {
        add_cause(master, job, effect, &why);
    } else if (effect->status == MR_ERR_INTERRUPTED) {
        mr_error_set(&why, effect->status, "it was cancelled");
    } else if (effect->status) {
        mr_error_set(&why, effect->status, "it failed");
    }
    job->is_over = true;
    job->cause = effect->status ? effect->attempt : (struct mr_core_attempt){0};
    job->cause_node = MR_CORE_NONE;
    const char *failure = mr_notes_text(master->journal, job->number, MR_NOTES_FAILURE,
                                        mr_notes_key((uint32_t)job->cause.phase, job->cause.task));
    if (job->cause.attempt && failure) {
        (void)sscanf(failure, "%*u %*u %" SCNu32, &job->cause_node);
    }
    why.code = effect->status;
    if (!mr_notes_put_error(master->journal, job->number, MR_NOTES_END, &why, &err) &&
        !mr_notes_put_numbers(master->journal, job->number, MR_NOTES_LAST, 0, &last.rounds,
                              sizeof last / sizeof last.rounds, &err) &&
        !mr_notes_put_numbers(master->journal, job->number, MR_NOTES_TIMES, 0, times, 2, &err)) {
        forget_most(master, job->number, effect->status == 0, &err);
    }
    if (!err.code && effect->status) {
        (void)!mr_clearing_note(master, job, &err);
    }
    (void)mr_inside_check(master, &err);
}

/* ---- as messages ------------------------------------------------------------------------------*/

/* The last lines of a log, as text. */
static void take_tail(struct mr_bytes log, char tail[TAIL_BYTES + 1]) {
    size_t begin = log.len;
    size_t lines = 0;
    size_t count = 0;
    while (begin > 0 && log.len - begin < TAIL_BYTES) {
        lines += log.data[begin - 1] == '\n' && begin < log.len;
        if (lines == TAIL_LINES) {
            break;
        }
        begin--;
    }
    for (size_t i = begin; i < log.len; i++) {
        tail[count++] = log.data[i] ? log.data[i] : '?';
    }
    tail[count] = '\0';
}

/* Keeps the log, which its worker forgets. */
static void keep_log(struct mr_master *master, const struct mr_ending_wait *wait,
                     struct mr_bytes log, struct mr_error *err) {
    struct mr_history_row *ended = mr_history_find(&master->jobs.history, wait->told.job);
    struct mr_hash_128 hash;
    if (!ended || !log.data || mr_blobs_put(master->blobs, log, &hash, err)) {
        return;
    }
    ended->log = hash;
    ended->log_attempt = wait->told;
    ended->log_node = wait->node;
    const uint64_t numbers[7] = {hash.high,        hash.low,        wait->told.round,
                                 wait->told.phase, wait->told.task, wait->told.attempt,
                                 wait->node};
    (void)!mr_notes_put_numbers(master->journal, wait->told.job, MR_NOTES_LOG, 0, numbers, 7, err);
}

static void take_log(struct mr_master *master, const struct mr_core_attempt *told,
                     struct mr_bytes log) {
    struct mr_ending_wait **at = &master->endings;
    struct mr_history_row *ended = mr_history_find(&master->jobs.history, told->job);
    char tail[TAIL_BYTES + 1];
    struct mr_error err = {0};
    while (*at && (*at)->told.job != told->job) {
        at = &(*at)->next;
    }
    struct mr_ending_wait *wait = *at;
    if (!wait || master->is_closing) {
        return;
    }
    *at = wait->next;
    if (ended) {
        ended->is_awaited = false;
    }
    keep_log(master, wait, log, &err);
    take_tail(log, tail);
    if (mr_inside_check(master, &err)) {
        mr_following_end(master, wait->told.job, log.len ? tail : NULL);
    }
    free(wait);
}

/* Asks for the log of the attempt that the job failed by; false: nobody has it. */
static bool fetch_log(struct mr_master *master, const struct mr_jobs_row *job) {
    if (!job->cause.attempt || job->cause_node == MR_CORE_NONE) {
        return false;
    }
    struct mr_core_worker worker = {job->cause_node,
                                    mr_core_node(master->core, job->cause_node).incarnation};
    struct mr_session *session = mr_sessions_of(master, worker);
    struct mr_ending_wait *wait = session ? calloc(1, sizeof *wait) : NULL;
    if (!wait) {
        return false;
    }
    *wait = (struct mr_ending_wait){master->endings, mr_numbering_outward(job, &job->cause),
                                    job->cause_node};
    master->endings = wait;
    mr_logs_fetch(session, job->id, &wait->told, take_log);
    return true;
}

void mr_ending_finish(struct mr_master *master, struct mr_jobs_row *job) {
    uint32_t number = job->number;
    uint32_t forgotten = 0;
    struct mr_error err = {0};
    if (mr_history_add(&master->jobs.history, master->journal, number, &forgotten, &err) ||
        (forgotten && mr_journal_forget(master->journal, forgotten, UINT32_MAX, &err))) {
        mr_inside_fail(master, &err);
        return;
    }
    struct mr_history_row *ended = mr_history_find(&master->jobs.history, number);
    bool has_cause = ended->status && ended->status != MR_ERR_INTERRUPTED;
    mr_inside_log("job %u (%s): %s%s%s", number, job->label, mr_views_end_word(ended->status),
                  has_cause ? ": " : "", has_cause ? ended->why : "");
    ended->is_awaited = fetch_log(master, job); /* before FORGET, which removes it */
    mr_supply_forget_job(master, job);
    mr_clearing_begin(master, number);
    mr_runs_remove_all(&master->runs, number, MR_CORE_NONE);
    mr_jobs_remove(&master->jobs, job);
    master->has_to_sweep = true;
    if (!ended->is_awaited) {
        mr_following_end(master, number, NULL);
    }
}

/* ---- blobs ------------------------------------------------------------------------------------*/

static bool is_needed(void *arg, struct mr_hash_128 hash) {
    const struct mr_master *master = arg;
    return mr_jobs_names(&master->jobs, master->journal, hash) || mr_submitting_names(master, hash);
}

struct dropping {
    struct mr_master *master;
    struct mr_hash_128 hash;
};

static void drop_now(void *arg, bool is_durable) {
    struct dropping *dropping = arg;
    if (is_durable && !is_needed(dropping->master, dropping->hash)) {
        mr_blobs_remove(dropping->master->blobs, dropping->hash);
    }
    free(dropping);
}

void mr_ending_drop_blob(struct mr_master *master, struct mr_hash_128 hash) {
    struct dropping *dropping = malloc(sizeof *dropping);
    if (dropping) { /* without, it goes when a job ends */
        *dropping = (struct dropping){master, hash};
        mr_pen_then(&master->pen, drop_now, dropping);
    }
}

/* What is not needed any more by what is gathered may be by what is on disk: a master that dies now
 * goes on from that. So it is swept when the two are the same. */
void mr_ending_sweep(struct mr_master *master) {
    if (master->sweeps && mr_pen_is_settled(&master->pen)) {
        master->sweeps = master->has_to_sweep = false;
        mr_blobs_sweep(master->blobs, is_needed, master);
    }
}

void mr_ending_fini(struct mr_master *master) {
    while (master->endings) {
        struct mr_ending_wait *wait = master->endings;
        master->endings = wait->next;
        free(wait);
    }
}
