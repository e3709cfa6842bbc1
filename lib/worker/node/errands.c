/* errands: the attempts that this worker was told to run, from START to the master's ANSWER. */
#include "lib/worker/node/errands.h"

#include "lib/base/error.h"
#include "lib/worker/node/provisions.h"
#include "lib/worker/node/states.h"
#include "lib/worker/node/telling.h"
#include <stdlib.h>
#include <uv.h>

struct mr_errands {
    struct mr_errand_around around;
    uv_timer_t timer;
    void (*closed)(void *user);
    void *user;
};

static void look_soon(struct mr_errands *errands);

/* ---- the list ---------------------------------------------------------------------------------*/

static struct mr_errand *find(const struct mr_errands *errands, uint64_t number, uint64_t round,
                              uint64_t phase, uint64_t task, uint64_t attempt) {
    struct mr_errand *errand = errands->around.all;
    while (errand &&
           !(errand->number == number && errand->round == round && errand->phase == phase &&
             errand->task == task && errand->attempt == attempt && !errand->is_void)) {
        errand = errand->next;
    }
    return errand;
}

static void add(struct mr_errands *errands, struct mr_errand *errand) {
    struct mr_errand **at = &errands->around.all;
    while (*at) {
        at = &(*at)->next;
    }
    *at = errand;
    mr_docket_use(errand->job);
    look_soon(errands);
}

static void drop(struct mr_errands *errands, struct mr_errand *errand) {
    struct mr_dossier *job = errand->job;
    struct mr_hash_128 state = errand->loop_state;
    bool has_state = errand->state_len > 0;
    for (struct mr_errand **at = &errands->around.all; *at; at = &(*at)->next) {
        if (*at == errand) {
            *at = errand->next;
            break;
        }
    }
    for (unsigned i = 0; i < errand->gift_count; i++) {
        mr_docket_drop_blob(errands->around.docket, errand->gifts[i]);
    }
    mr_errand_destroy(errand);
    if (has_state && !job->is_forgotten) {
        mr_states_left(&errands->around, job, state);
    }
    mr_docket_leave(errands->around.docket, job);
}

/* ---- from step to step ------------------------------------------------------------------------*/

/* What it reads may have changed while it waited for a slot. */
static bool still_has_all(struct mr_errands *errands, struct mr_errand *errand) {
    mr_errand_set_state(errand, MR_ERRAND_GATHERING);
    mr_provisions_look(&errands->around, errand);
    return errand->state == MR_ERRAND_READY;
}

static void run(struct mr_errands *errands, struct mr_errand *errand) {
    struct mr_hands *hands = *errands->around.hands;
    struct mr_error err = {0};
    if (mr_hands_free(hands) == 0 || !still_has_all(errands, errand)) {
        return;
    }
    if (mr_errand_order(errand, &err)) {
        errand->work.outcome.is_fatal = true;
        mr_telling_failed(&errands->around, errand, &err);
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
        mr_hands_stop(*errands->around.hands, &errand->work);
    } else if (errand->state != MR_ERRAND_TOLD) {
        mr_error_set(&why, MR_ERR_INTERRUPTED, "interrupted");
        mr_telling_failed(&errands->around, errand, &why);
    }
}

/* Nobody wants to hear of it: it goes when it has ended, with the next look. */
static void put_away(struct mr_errands *errands, struct mr_errand *errand) {
    errand->is_void = true;
    if (errand->state == MR_ERRAND_RUNNING) {
        mr_hands_stop(*errands->around.hands, &errand->work);
    }
    look_soon(errands);
}

/* The one place, besides the ends of attempts and their answers, where attempts are dropped: what
 * is called from here may put others away, but frees none. */
static void look(uv_timer_t *timer) {
    struct mr_errands *errands = timer->data;
    for (struct mr_errand *errand = errands->around.all, *next; errand; errand = next) {
        mr_provisions_look(&errands->around, errand);
        if (errand->state == MR_ERRAND_READY && !errand->is_void) {
            run(errands, errand);
        }
        if (errand->state == MR_ERRAND_TOLD && errand->has_gifts) {
            mr_telling_send(&errands->around, errand);
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

void mr_errands_tell_again(struct mr_errands *errands) {
    for (struct mr_errand *errand = errands->around.all; errand; errand = errand->next) {
        if (errand->state == MR_ERRAND_TOLD) {
            mr_telling_give(&errands->around, errand);
        }
    }
    look_soon(errands); /* which tells */
    for (struct mr_errand *errand = errands->around.all; errand; errand = errand->next) {
        if (errand->state == MR_ERRAND_TOLD && !errand->has_gifts) {
            mr_telling_send(&errands->around, errand);
        }
    }
}

void mr_errands_came(struct mr_errands *errands, struct mr_hash_128 hash,
                     const struct mr_error *err) {
    for (struct mr_errand *errand = errands->around.all; errand && err->code;
         errand = errand->next) {
        if (errand->state == MR_ERRAND_WAITING && !errand->is_void && errand->state_len &&
            mr_hash_128_is(errand->loop_state, hash)) {
            mr_telling_failed(&errands->around, errand, err);
        }
    }
    look_soon(errands);
}

/* ---- the end of one ---------------------------------------------------------------------------*/

void mr_errands_finished(struct mr_errands *errands, struct mr_hands_work *work) {
    struct mr_errand *errand = work->owner;
    if (!errand->is_void) { /* a lease that ended unseen makes it so */
        (void)mr_link_has_lease(*errands->around.link);
    }
    if (errand->is_void) {
        mr_errand_discard(errand);
        drop(errands, errand);
    } else {
        mr_telling_finished(&errands->around, errand);
    }
    look_soon(errands);
}

void mr_errands_fence(struct mr_errands *errands) {
    for (struct mr_errand *errand = errands->around.all; errand; errand = errand->next) {
        put_away(errands, errand); /* what is done is kept, and offered again */
    }
}

void mr_errands_forget(struct mr_errands *errands, const struct mr_dossier *job) {
    for (struct mr_errand *errand = errands->around.all; errand; errand = errand->next) {
        if (errand->job == job) {
            put_away(errands, errand);
        }
    }
}

/* ---- messages ---------------------------------------------------------------------------------*/

int mr_errands_start(struct mr_errands *errands, const struct mr_wire_start *message,
                     struct mr_error *err) {
    struct mr_dossier *job = mr_docket_find(errands->around.docket, (uint32_t)message->job);
    struct mr_errand *errand = find(errands, message->job, message->round, message->phase,
                                    message->task, message->attempt);
    if (!job || message->attempt == 0 || (message->phase < 2 && message->partitions == 0)) {
        return mr_error_set(err, MR_ERR_IO, "the master starts what it said nothing of");
    }
    if (errand) { /* it runs, or is told of in a moment */
        if (errand->state == MR_ERRAND_TOLD && message->phase == MR_ERRAND_TURN) {
            mr_telling_give(&errands->around, errand);
            mr_telling_send(&errands->around, errand);
        }
        return MR_OK;
    }
    if (mr_errand_create(job, message, &errand, err)) {
        return err->code;
    }
    mr_docket_mend(errands->around.docket, job);
    add(errands, errand);
    return MR_OK;
}

/* There is no ANSWER to a TURNED: the next turn is one. */
static void drop_turns(struct mr_errands *errands, const struct mr_wire_start *start) {
    for (struct mr_errand *errand = errands->around.all; errand; errand = errand->next) {
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
    struct mr_errand *errand = find(errands, message->job, message->round, message->phase,
                                    message->task, message->attempt);
    if (errand) {
        stop(errands, errand);
        return;
    }
    mr_telling_unknown(&errands->around, message);
}

void mr_errands_answer(struct mr_errands *errands, const struct mr_wire_answer *message) {
    struct mr_errand *errand = find(errands, message->job, message->round, message->phase,
                                    message->task, message->attempt);
    if (!errand || errand->state != MR_ERRAND_TOLD) {
        return;
    }
    if (!message->is_accepted) {
        mr_errand_discard(errand);
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
    uint64_t at = mr_hands_position(*errands->around.hands, &errand->work);
    uint64_t len = order->split.end - order->split.begin;
    uint64_t done = at > order->split.begin ? at - order->split.begin : 0;
    row->bytes = done < len ? done : len;
    row->permille = len ? (uint64_t)((double)row->bytes * 1000 / (double)len) : 0;
    row->permille = row->permille < 1000 ? row->permille : 1000;
}

size_t mr_errands_list(const struct mr_errands *errands, struct mr_wire_row_moved *rows,
                       size_t most) {
    size_t count = 0;
    for (const struct mr_errand *errand = errands->around.all; errand && count < most;
         errand = errand->next) {
        if (!errand->is_void && errand->state != MR_ERRAND_TOLD &&
            errand->phase != MR_ERRAND_TURN) {
            measure(errands, errand, &rows[count++]);
        }
    }
    return count;
}

bool mr_errands_are_idle(const struct mr_errands *errands) {
    return !errands->around.all;
}

/* ---- life -------------------------------------------------------------------------------------*/

int mr_errands_create(struct uv_loop_s *loop, const struct mr_errand_around *around,
                      struct mr_errands **errands, struct mr_error *err) {
    struct mr_errands *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "starting a worker");
    }
    made->around = *around;
    uv_timer_init(loop, &made->timer);
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
    while (errands->around.all) {
        drop(errands, errands->around.all);
    }
    uv_close((uv_handle_t *)&errands->timer, timer_closed);
}
