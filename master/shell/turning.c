/* turning: what the turns of a loop came to. */
#include "master/shell/turning.h"

#include "lib/base/error.h"
#include "master/shell/couriers.h"
#include "master/shell/ending.h"
#include "master/shell/inside.h"
#include "master/shell/numbering.h"
#include "master/shell/reports.h"
#include <stdlib.h>

/* What is put in the journal of a state, and of a turn's lines, which stay until the loop has
 * ended. */
#define STATE_BYTES_MAX MR_COURIERS_LIGHT_MAX
#define LINES_BYTES_MAX 4096

struct mr_turning_wait {
    struct mr_turning_wait *next;
    struct mr_session *session;
    struct mr_buffer body;
};

/* ---- waiting for blobs ------------------------------------------------------------------------*/

static void wait_for_blobs(struct mr_session *session, struct mr_bytes body) {
    struct mr_master *master = session->master;
    struct mr_error err = {0};
    struct mr_turning_wait *wait = calloc(1, sizeof *wait);
    if (!wait || mr_buffer_append(&wait->body, body.data, body.len, &err)) {
        free(wait);
        mr_error_nomem(&err, "waiting for a loop's state");
        mr_inside_fail(master, &err);
        return;
    }
    wait->session = session;
    wait->next = master->turnings;
    master->turnings = wait;
    mr_sessions_ref(session);
}

static void destroy(struct mr_turning_wait *wait) {
    mr_buffer_fini(&wait->body);
    mr_sessions_unref(wait->session);
    free(wait);
}

static bool has_blobs(struct mr_session *session, const struct mr_wire_turned *turned) {
    struct mr_hash_128 state = {turned->state_high, turned->state_low};
    struct mr_hash_128 lines = {turned->lines_high, turned->lines_low};
    bool has_state = mr_hash_128_is_none(state) || mr_couriers_need(session, state);
    bool has_lines = mr_hash_128_is_none(lines) || mr_couriers_need(session, lines);
    return has_state && has_lines;
}

/* ---- the turn is done -------------------------------------------------------------------------*/

/* What is light becomes durable with the turn: in the journal where it is short, else in its file.
 */
static int keep(struct mr_master *master, const struct mr_jobs_row *job, uint64_t key,
                struct mr_hash_128 hash, uint64_t most, struct mr_error *err) {
    struct mr_buffer bytes = {0};
    bool is_light = mr_blobs_is_light(master->blobs, hash);
    if (is_light && !mr_blobs_read(master->blobs, hash, &bytes, err) && bytes.len <= most) {
        (void)!mr_journal_put(master->journal, job->number, MR_NOTES_BYTES, key,
                              bytes.len ? bytes.data : "", bytes.len, err);
    } else if (!err->code && !mr_blobs_settle(master->blobs, hash, err) &&
               mr_journal_find(master->journal, job->number, MR_NOTES_BYTES, key)) {
        (void)!mr_journal_put(master->journal, job->number, MR_NOTES_BYTES, key, NULL, 0, err);
    }
    mr_buffer_fini(&bytes);
    return err->code;
}

static void put_turn(struct mr_master *master, const struct mr_reports_about *about,
                     const struct mr_wire_turned *turned, struct mr_account *account,
                     struct mr_error *err) {
    struct mr_jobs_row *job = about->job;
    struct mr_hash_128 before = job->state.hash;
    uint64_t lines[4] = {turned->lines_high, turned->lines_low, turned->lines_len,
                         turned->lines_records};
    bool has_lines = turned->lines_high || turned->lines_low;
    bool has_state = turned->state_high || turned->state_low;
    if (has_state) {
        job->state =
            (struct mr_jobs_blob){{turned->state_high, turned->state_low}, turned->state_len};
    }
    job->again = turned->again || job->pass == 0; /* start is followed by a pass */
    job->pass += job->again;
    uint64_t pass[5] = {job->pass, job->state.hash.high, job->state.hash.low, job->state.len,
                        job->again};
    account->attempt = about->attempt.attempt;
    if ((has_state && keep(master, job, 0, job->state.hash, STATE_BYTES_MAX, err)) ||
        (has_lines && keep(master, job, turned->pass + 1, (struct mr_hash_128){lines[0], lines[1]},
                           LINES_BYTES_MAX, err)) ||
        mr_notes_put_account(master->journal, job->number, MR_NOTES_REDUCE,
                             mr_notes_key(about->attempt.round, 0), account, err) ||
        mr_notes_put_numbers(master->journal, job->number, MR_NOTES_PASS, 0, pass, 5, err)) {
        return;
    }
    if (has_lines && (mr_names_add(&job->lines, (struct mr_hash_128){lines[0], lines[1]}, err) ||
                      mr_notes_put_numbers(master->journal, job->number, MR_NOTES_LINES,
                                           turned->pass, lines, 4, err))) {
        return;
    }
    mr_ending_drop_blob(master, before);
}

/* The turn under way of the job that is named; false: it is another, or over. */
static bool find_turn(struct mr_session *session, const struct mr_wire_turned *turned,
                      struct mr_reports_about *about) {
    struct mr_master *master = session->master;
    struct mr_jobs_row *job = mr_jobs_find(&master->jobs, (uint32_t)turned->job);
    struct mr_core_job_view view = mr_core_job(master->core, (uint32_t)turned->job);
    struct mr_core_attempt told = {(uint32_t)turned->job, MR_CORE_NONE, MR_PHASE_LOOP, 0,
                                   (uint32_t)turned->attempt};
    if (job && mr_numbering_is_turn(job, view.round) && job->pass == turned->pass) {
        struct mr_core_attempt attempt = {job->number, view.round, MR_PHASE_REDUCE, 0,
                                          told.attempt};
        told = mr_numbering_outward(job, &attempt);
    } else if (job) { /* of a round that is over, if of any */
        told.round = (uint32_t)turned->pass * job->rounds - 1;
        struct mr_wire_answer answer = {told.job, told.round, MR_PHASE_LOOP, 0, told.attempt, 0};
        mr_sessions_send_later(session, MR_WIRE_ANSWER, &answer);
        return false;
    }
    return mr_reports_find(session, &told, about);
}

static void take(struct mr_session *session, const struct mr_wire_turned *turned) {
    struct mr_master *master = session->master;
    struct mr_reports_about about;
    struct mr_account account = {0};
    struct mr_error err = {0};
    if (!find_turn(session, turned, &about)) {
        return;
    }
    struct mr_reports_failure failure = {
        .status = -(int)turned->status, .why = turned->why, .is_fatal = turned->is_fatal};
    if (turned->status && turned->has_lost) {
        mr_reports_lose_pairs(master, &about, (uint32_t)turned->lost_task, turned->why);
    } else if (turned->status) {
        failure.is_quiet = failure.status == MR_ERR_INTERRUPTED;
        failure.is_uncounted =
            failure.is_quiet || (turned->is_broken && mr_reports_forgives(master, &about));
        mr_reports_fail(master, &about, &failure);
    } else if (mr_account_get(&account, turned->account.data, turned->account.len, &err)) {
        failure.status = MR_ERR_INTERNAL;
        failure.why = "the worker's account of it is malformed";
        mr_reports_fail(master, &about, &failure);
    } else if (mr_reports_win(master, &about, 0)) {
        put_turn(master, &about, turned, &account, &err);
        (void)mr_inside_check(master, &err);
    }
    mr_account_fini(&account);
}

void mr_turning_turned(struct mr_session *session, union mr_wire_any *message,
                       const struct mr_frame *frame) {
    const struct mr_wire_turned *turned = &message->turned_;
    if (turned->status == 0 && !has_blobs(session, turned)) {
        wait_for_blobs(session, frame->body);
    } else {
        take(session, turned);
    }
}

/* ---- after a restart --------------------------------------------------------------------------*/

int mr_turning_load(const struct mr_journal *journal, struct mr_blobs *blobs,
                    struct mr_error *err) {
    size_t count;
    const struct mr_fact *facts = mr_journal_facts(journal, &count);
    for (size_t i = 0; i < count && !err->code; i++) {
        struct mr_hash_128 hash = mr_hash_xxh3_128(facts[i].bytes, facts[i].len);
        struct mr_error damage = {0};
        if (facts[i].kind != MR_NOTES_BYTES) {
            continue;
        }
        if (!mr_blobs_check(blobs, hash, &damage)) {
            (void)!mr_blobs_note_light(blobs, hash, err);
        } else {
            mr_blobs_remove(blobs, hash);
            (void)!mr_blobs_put(blobs, (struct mr_bytes){facts[i].bytes, facts[i].len}, &hash, err);
        }
    }
    return err->code;
}

/* ---- again ------------------------------------------------------------------------------------*/

void mr_turning_look(struct mr_master *master) {
    struct mr_turning_wait *waits = master->turnings;
    master->turnings = NULL;
    while (waits) {
        struct mr_turning_wait *wait = waits;
        struct mr_error err = {0};
        union mr_wire_any message;
        struct mr_layout_held held;
        struct mr_frame frame = {.kind = MR_WIRE_TURNED, .body = {wait->body.data, wait->body.len}};
        waits = wait->next;
        if (wait->session->conn && /* else it says so again when it is back */
            !mr_wire_decode(MR_WIRE_TURNED, frame.body, &message, &held, &err)) {
            mr_turning_turned(wait->session, &message, &frame);
            mr_layout_release(&held);
        }
        destroy(wait);
    }
}

void mr_turning_fini(struct mr_master *master) {
    while (master->turnings) {
        struct mr_turning_wait *wait = master->turnings;
        master->turnings = wait->next;
        destroy(wait);
    }
}
