/* errands: the attempts that this worker was told to run, from START to the master's ANSWER. */
#include "lib/worker/node/errands.h"

#include "lib/base/error.h"
#include "lib/worker/node/errand.h"
#include "lib/worker/node/states.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

struct mr_errands {
    struct mr_errands_options options;
    struct mr_errand *all; /* in the order of their coming */
    uv_timer_t timer;
    void (*closed)(void *user);
    void *user;
};

static void look_soon(struct mr_errands *errands);

/* ---- the list ---------------------------------------------------------------------------------*/

static bool is_it(const struct mr_errand *errand, uint64_t number, uint64_t round, uint64_t phase,
                  uint64_t task, uint64_t attempt) {
    return errand->number == number && errand->round == round && errand->phase == phase &&
           errand->task == task && errand->attempt == attempt && !errand->is_void;
}

static void add(struct mr_errands *errands, struct mr_errand *errand) {
    struct mr_errand **at = &errands->all;
    while (*at) {
        at = &(*at)->next;
    }
    *at = errand;
    mr_docket_use(errand->job);
    look_soon(errands);
}

static struct mr_states_around around(const struct mr_errands *errands) {
    return (struct mr_states_around){.all = errands->all,
                                     .docket = errands->options.docket,
                                     .wants = errands->options.wants,
                                     .blobs = errands->options.folder->blobs};
}

static void drop(struct mr_errands *errands, struct mr_errand *errand) {
    struct mr_dossier *job = errand->job;
    struct mr_hash_128 state = errand->loop_state;
    bool has_state = errand->state_len > 0;
    for (struct mr_errand **at = &errands->all; *at; at = &(*at)->next) {
        if (*at == errand) {
            *at = errand->next;
            break;
        }
    }
    for (unsigned i = 0; i < errand->gift_count; i++) {
        mr_docket_drop_blob(errands->options.docket, errand->gifts[i]);
    }
    mr_errand_destroy(errand);
    if (has_state && !job->is_forgotten) {
        struct mr_states_around others = around(errands);
        mr_states_left(&others, job, state);
    }
    mr_docket_leave(errands->options.docket, job);
    if (!errands->all) {
        errands->options.idle(errands->options.user);
    }
}

static void discard_output(const struct mr_errand *errand) {
    struct mr_wire_row_held row;
    if (mr_errand_output(errand, &row) && !errand->job->is_forgotten) {
        mr_dossier_discard(errand->job, &row, NULL);
    }
}

/* ---- telling ----------------------------------------------------------------------------------*/

static void tell(struct mr_errands *errands, struct mr_errand *errand) {
    struct mr_link *link = *errands->options.link;
    struct mr_error err = {0};
    if (!mr_link_conn(link) || !mr_link_has_lease(link) || errand->is_void) {
        return; /* when it is registered again; or never */
    }
    if (errand->has_gifts && !mr_wants_is_idle(errands->options.wants)) {
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

static void give_gifts(struct mr_errands *errands, struct mr_errand *errand) {
    struct mr_error err = {0};
    for (unsigned i = 0; i < errand->gift_count; i++) {
        errand->has_gifts |= !mr_wants_give(errands->options.wants, errand->gifts[i], &err);
    }
}

/* Its report is made, or can't be: then it is void, and comes to its end by the lease's. */
static void told(struct mr_errands *errands, struct mr_errand *errand, const struct mr_error *err) {
    mr_errand_set_state(errand, MR_ERRAND_TOLD);
    if (err->code) {
        struct mr_link *link = *errands->options.link;
        mr_link_begin_anew(link, err->text);
        return;
    }
    give_gifts(errands, errand);
    tell(errands, errand);
}

static void fail(struct mr_errands *errands, struct mr_errand *errand, const struct mr_error *why) {
    struct mr_error err = {0};
    discard_output(errand);
    (void)!mr_errand_report_failed(errand, why, &err);
    told(errands, errand, &err);
}

static void lose(struct mr_errands *errands, struct mr_errand *errand, uint32_t task,
                 const struct mr_inflow_row *row) {
    struct mr_error err = {0};
    discard_output(errand);
    (void)!mr_errand_report_lost(errand, task, row->attempt, row->is_damaged, row->why, &err);
    told(errands, errand, &err);
}

void mr_errands_tell_again(struct mr_errands *errands) {
    for (struct mr_errand *errand = errands->all; errand; errand = errand->next) {
        if (errand->state == MR_ERRAND_TOLD) {
            give_gifts(errands, errand);
        }
    }
    look_soon(errands); /* which tells */
    for (struct mr_errand *errand = errands->all; errand; errand = errand->next) {
        if (errand->state == MR_ERRAND_TOLD && !errand->has_gifts) {
            tell(errands, errand);
        }
    }
}

/* ---- getting ready ----------------------------------------------------------------------------*/

static void wait_for_job(struct mr_errands *errands, struct mr_errand *errand) {
    struct mr_error err = {0};
    struct mr_inflow_want want;
    struct mr_states_around others = around(errands);
    if (errand->job->state == MR_DOSSIER_BROKEN) {
        fail(errands, errand, &errand->job->err);
        return;
    }
    if (errand->job->state != MR_DOSSIER_READY || !mr_states_place(&others, errand, &err)) {
        if (err.code) {
            fail(errands, errand, &err);
        }
        return;
    }
    if (mr_errand_reads(errand, &want)) {
        mr_inflow_begin(errands->options.inflow, &want);
    }
    mr_errand_set_state(errand, MR_ERRAND_GATHERING);
}

/* While it waits for what it reads, a process may be started. */
static void prepare(const struct mr_errands *errands, const struct mr_errand *errand) {
    mr_docket_use(errand->job);
    if (!mr_hands_prepare(*errands->options.hands, errand->job)) {
        mr_docket_leave(errands->options.docket, errand->job);
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
static void gather(struct mr_errands *errands, struct mr_errand *errand) {
    struct mr_inflow_want want;
    struct mr_error err = {0};
    if (!mr_errand_reads(errand, &want)) {
        mr_errand_set_state(errand, MR_ERRAND_READY);
        return;
    }
    uint32_t total = mr_inflow_total(errands->options.inflow, &want);
    bool reads_one = errand->phase == 0;
    uint32_t begin = reads_one ? errand->task : 0;
    uint32_t end = reads_one ? errand->task + 1 : total;
    if (!make_winners(errand, reads_one ? 1 : total)) {
        mr_error_nomem(&err, "gathering what a task reads");
        fail(errands, errand, &err);
        return;
    }
    if (!reads_one && !mr_inflow_is_worth_a_look(errands->options.inflow, &want) &&
        errand->has_looked) {
        return;
    }
    if (!reads_one && !errand->has_looked && total > 0) {
        prepare(errands, errand);
    }
    errand->has_looked = total > 0;
    bool is_all = total > 0;
    for (uint32_t i = begin; i < end; i++) {
        struct mr_inflow_row row = mr_inflow_look(errands->options.inflow, &want, i);
        if (row.standing == MR_INFLOW_LOST && row.is_local) {
            fail(errands, errand, row.why);
            return;
        }
        if (row.standing == MR_INFLOW_LOST) {
            lose(errands, errand, i, &row);
            return;
        }
        is_all &= row.standing == MR_INFLOW_HERE;
        errand->winners[i - begin] = row.attempt;
    }
    if (is_all) {
        mr_errand_set_state(errand, MR_ERRAND_READY);
    }
}

/* What it reads may have changed while it waited for a slot. */
static bool still_has_all(struct mr_errands *errands, struct mr_errand *errand) {
    mr_errand_set_state(errand, MR_ERRAND_GATHERING);
    gather(errands, errand);
    return errand->state == MR_ERRAND_READY;
}

static void run(struct mr_errands *errands, struct mr_errand *errand) {
    struct mr_hands *hands = *errands->options.hands;
    struct mr_error err = {0};
    if (mr_hands_free(hands) == 0 || !still_has_all(errands, errand)) {
        return;
    }
    if (mr_errand_order(errand, &err)) {
        errand->work.outcome.is_fatal = true;
        fail(errands, errand, &err);
        return;
    }
    mr_errand_set_state(errand, MR_ERRAND_RUNNING);
    mr_docket_use(errand->job);
    mr_hands_give(hands, &errand->work);
}

/* It ends, and says so. */
static void stop(struct mr_errands *errands, struct mr_errand *errand) {
    struct mr_error why = {0};
    errand->is_stopped = true;
    if (errand->state == MR_ERRAND_RUNNING) {
        mr_hands_stop(*errands->options.hands, &errand->work);
    } else if (errand->state != MR_ERRAND_TOLD) {
        mr_error_set(&why, MR_ERR_INTERRUPTED, "interrupted");
        fail(errands, errand, &why);
    }
}

/* Nobody wants to hear of it: it goes when it has ended, with the next look. */
static void put_away(struct mr_errands *errands, struct mr_errand *errand) {
    errand->is_void = true;
    if (errand->state == MR_ERRAND_RUNNING) {
        mr_hands_stop(*errands->options.hands, &errand->work);
    }
    look_soon(errands);
}

/* The one place, besides the ends of attempts and their answers, where attempts are dropped: what
 * is called from here may put others away, but frees none. */
static void look(uv_timer_t *timer) {
    struct mr_errands *errands = timer->data;
    for (struct mr_errand *errand = errands->all, *next; errand; errand = next) {
        if (errand->state == MR_ERRAND_WAITING && !errand->is_void) {
            wait_for_job(errands, errand);
        }
        if (errand->state == MR_ERRAND_GATHERING && !errand->is_void) {
            gather(errands, errand);
        }
        if (errand->state == MR_ERRAND_READY && !errand->is_void) {
            run(errands, errand);
        }
        if (errand->state == MR_ERRAND_TOLD && errand->has_gifts) {
            tell(errands, errand);
        }
        next = errand->next;
        if (errand->is_void && errand->state != MR_ERRAND_RUNNING) {
            drop(errands, errand);
        }
    }
}

static void look_soon(struct mr_errands *errands) {
    if (!uv_is_closing((uv_handle_t *)&errands->timer)) {
        uv_timer_start(&errands->timer, look, 0, 0);
    }
}

void mr_errands_look(struct mr_errands *errands) {
    look_soon(errands);
}

void mr_errands_came(struct mr_errands *errands, struct mr_hash_128 hash,
                     const struct mr_error *err) {
    for (struct mr_errand *errand = errands->all; errand && err->code; errand = errand->next) {
        if (errand->state == MR_ERRAND_WAITING && !errand->is_void && errand->state_len &&
            errand->loop_state.high == hash.high && errand->loop_state.low == hash.low) {
            fail(errands, errand, err);
        }
    }
    look_soon(errands);
}

/* ---- the end of one ---------------------------------------------------------------------------*/

/* Keeps what it left, and tells. */
static void conclude(struct mr_errands *errands, struct mr_errand *errand) {
    struct mr_error err = {0};
    struct mr_wire_row_held row;
    bool has_output = mr_errand_output(errand, &row);
    row.digest = errand->work.outcome.result.output_xxh3;
    if (errand->phase == MR_ERRAND_TURN) {
        (void)!mr_errand_report_turned(errand, errands->options.folder->blobs, &err);
        struct mr_states_around others = around(errands);
        mr_states_keep(&others, errand);
    } else if (!has_output || !mr_dossier_hold(errand->job, &row, &err)) {
        (void)!mr_errand_report_done(errand, &err);
    }
    if (err.code && err.code != MR_ERR_NOMEM) { /* the disk's fault: the attempt has failed */
        fail(errands, errand, &err);
        return;
    }
    told(errands, errand, &err);
}

static void conclude_lost(struct mr_errands *errands, struct mr_errand *errand) {
    const struct mr_hand_outcome *outcome = &errand->work.outcome;
    struct mr_inflow_want want;
    struct mr_inflow_row row = {
        .attempt = outcome->lost.attempt, .is_damaged = true, .why = &outcome->err};
    if (mr_errand_reads(errand, &want)) {
        mr_inflow_distrust(errands->options.inflow, &want, outcome->lost.task,
                           outcome->lost.attempt);
    }
    lose(errands, errand, outcome->lost.task, &row);
}

void mr_errands_finished(struct mr_errands *errands, struct mr_hands_work *work) {
    struct mr_errand *errand = work->owner;
    const struct mr_hand_outcome *outcome = &work->outcome;
    if (!errand->is_void) { /* a lease that ended unseen makes it so */
        (void)mr_link_has_lease(*errands->options.link);
    }
    if (errand->is_void) {
        discard_output(errand);
        drop(errands, errand);
    } else if (!outcome->err.code) {
        conclude(errands, errand);
    } else if (outcome->lost.is_known && !errand->is_stopped) {
        conclude_lost(errands, errand);
    } else {
        fail(errands, errand, &outcome->err);
    }
    look_soon(errands);
}

void mr_errands_fence(struct mr_errands *errands) {
    for (struct mr_errand *errand = errands->all; errand; errand = errand->next) {
        put_away(errands, errand); /* what is done is kept, and offered again */
    }
}

void mr_errands_forget(struct mr_errands *errands, const struct mr_dossier *job) {
    for (struct mr_errand *errand = errands->all; errand; errand = errand->next) {
        if (errand->job == job) {
            put_away(errands, errand);
        }
    }
}

/* ---- messages ---------------------------------------------------------------------------------*/

static struct mr_errand *find_turn(struct mr_errands *errands, const struct mr_wire_start *start) {
    struct mr_errand *errand = errands->all;
    while (errand && !(errand->phase == MR_ERRAND_TURN && errand->number == start->job &&
                       errand->pass == start->pass && errand->attempt == start->attempt &&
                       !errand->is_void)) {
        errand = errand->next;
    }
    return errand;
}

int mr_errands_start(struct mr_errands *errands, const struct mr_wire_start *message,
                     struct mr_error *err) {
    struct mr_dossier *job = mr_docket_find(errands->options.docket, (uint32_t)message->job);
    struct mr_errand *errand = errands->all;
    if (!job || message->attempt == 0 || (message->phase < 2 && message->partitions == 0)) {
        return mr_error_set(err, MR_ERR_IO, "the master starts what it said nothing of");
    }
    while (errand && !is_it(errand, message->job, message->round, message->phase, message->task,
                            message->attempt)) {
        errand = errand->next;
    }
    if (errand && message->phase == MR_ERRAND_TURN) {
        errand = find_turn(errands, message);
    }
    if (errand) { /* it runs, or is told of in a moment */
        if (errand->state == MR_ERRAND_TOLD && message->phase == MR_ERRAND_TURN) {
            give_gifts(errands, errand);
            tell(errands, errand);
        }
        return MR_OK;
    }
    if (mr_errand_create(job, message, &errand, err)) {
        return err->code;
    }
    mr_docket_mend(errands->options.docket, job);
    add(errands, errand);
    return MR_OK;
}

/* There is no ANSWER to a TURNED: the next turn is one. */
static void drop_turns(struct mr_errands *errands, const struct mr_wire_start *start) {
    for (struct mr_errand *errand = errands->all; errand; errand = errand->next) {
        if (errand->phase == MR_ERRAND_TURN && errand->number == start->job &&
            !(errand->pass == start->pass && errand->attempt == start->attempt)) {
            put_away(errands, errand);
        }
    }
}

int mr_errands_turn(struct mr_errands *errands, const struct mr_wire_turn *message,
                    struct mr_error *err) {
    struct mr_wire_start start = {.job = message->job,
                                  .round = message->round,
                                  .phase = MR_ERRAND_TURN,
                                  .attempt = message->attempt,
                                  .partitions = message->partitions,
                                  .pass = message->pass,
                                  .care_block = UINT64_MAX,
                                  .state_len = message->state_len,
                                  .state_high = message->state_high,
                                  .state_low = message->state_low};
    drop_turns(errands, &start);
    return mr_errands_start(errands, &start, err);
}

void mr_errands_stop(struct mr_errands *errands, const struct mr_wire_stop *message) {
    struct mr_errand *errand = errands->all;
    while (errand && !is_it(errand, message->job, message->round, message->phase, message->task,
                            message->attempt)) {
        errand = errand->next;
    }
    if (errand) {
        stop(errands, errand);
        return;
    }
    struct mr_wire_failed failed = {.job = message->job, /* the master waits for a word of it */
                                    .round = message->round,
                                    .phase = message->phase,
                                    .task = message->task,
                                    .attempt = message->attempt,
                                    .status = -MR_ERR_INTERRUPTED,
                                    .is_stopped = 1,
                                    .why = "it does not run here"};
    (void)mr_link_send(*errands->options.link, MR_WIRE_FAILED, &failed);
}

void mr_errands_answer(struct mr_errands *errands, const struct mr_wire_answer *message) {
    struct mr_errand *errand = errands->all;
    while (errand && !is_it(errand, message->job, message->round, message->phase, message->task,
                            message->attempt)) {
        errand = errand->next;
    }
    if (!errand || errand->state != MR_ERRAND_TOLD) {
        return;
    }
    if (!message->is_accepted) {
        discard_output(errand);
    }
    drop(errands, errand);
}

/* ---- looking in -------------------------------------------------------------------------------*/

static void measure(const struct mr_errands *errands, const struct mr_errand *errand,
                    struct mr_wire_row_moved *row) {
    const struct mr_orders_task *order = &errand->work.order;
    *row = (struct mr_wire_row_moved){.job = errand->number,
                                      .round = errand->round,
                                      .phase = errand->phase,
                                      .task = errand->task,
                                      .attempt = errand->attempt};
    bool is_measured = errand->state == MR_ERRAND_RUNNING && order->phase == MR_PHASE_MAP &&
                       order->round == 0 && order->input.kind == MR_INPUT_FILE;
    if (!is_measured) {
        return;
    }
    uint64_t at = mr_hands_position(*errands->options.hands, &errand->work);
    uint64_t len = order->split.end - order->split.begin;
    uint64_t done = at > order->split.begin ? at - order->split.begin : 0;
    row->bytes = done < len ? done : len;
    row->permille = len ? (uint64_t)((double)row->bytes * 1000 / (double)len) : 0;
    row->permille = row->permille < 1000 ? row->permille : 1000;
}

size_t mr_errands_list(const struct mr_errands *errands, struct mr_wire_row_moved *rows,
                       size_t most) {
    size_t count = 0;
    for (const struct mr_errand *errand = errands->all; errand && count < most;
         errand = errand->next) {
        if (!errand->is_void && errand->state != MR_ERRAND_TOLD &&
            errand->phase != MR_ERRAND_TURN) {
            measure(errands, errand, &rows[count++]);
        }
    }
    return count;
}

bool mr_errands_are_idle(const struct mr_errands *errands) {
    return !errands->all;
}

/* ---- life -------------------------------------------------------------------------------------*/

int mr_errands_create(const struct mr_errands_options *options, struct mr_errands **errands,
                      struct mr_error *err) {
    struct mr_errands *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "starting a worker");
    }
    made->options = *options;
    uv_timer_init(options->loop, &made->timer);
    made->timer.data = made;
    *errands = made;
    return MR_OK;
}

static void timer_closed(uv_handle_t *handle) {
    struct mr_errands *errands = handle->data;
    void (*closed)(void *user) = errands->closed;
    void *user = errands->user;
    free(errands);
    closed(user);
}

void mr_errands_close(struct mr_errands *errands, void (*closed)(void *user), void *user) {
    errands->closed = closed;
    errands->user = user;
    while (errands->all) {
        drop(errands, errands->all);
    }
    uv_close((uv_handle_t *)&errands->timer, timer_closed);
}
