/* pen: applies events to the journaled core, and has things done once they are durable. */
#include "master/shell/pen.h"

#include "lib/base/error.h"
#include <stdlib.h>
#include <string.h>

/* A write that takes longer is a thread's, as are those after it until so many in a row were
 * faster.
 */
#define QUICK_NS 300000u
#define QUICK_MIN 32u
#define QUICK_BYTES ((size_t)256 << 10) /* more are a thread's too, as are snapshots that long */

static void drop_deeds(struct mr_pen *pen) {
    for (size_t i = 0; i < pen->count; i++) {
        if (pen->deeds[i].act) {
            pen->deeds[i].act(pen->deeds[i].arg, false);
        }
    }
    free(pen->deeds);
    pen->deeds = NULL;
    pen->count = pen->capacity = 0;
}

void mr_pen_end(struct mr_pen *pen, const struct mr_error *err) {
    if (!pen->err.code) {
        pen->err = *err;
        pen->face->failed(pen->face->arg, err);
    }
}

bool mr_pen_is_settled(const struct mr_pen *pen) {
    return pen->sequence == mr_journal_stats(pen->journal).sequence;
}

/* ---- deeds ------------------------------------------------------------------------------------*/

static bool make_room(struct mr_pen *pen, size_t more) {
    if (pen->count + more <= pen->capacity) {
        return true;
    }
    size_t capacity = 2 * (pen->count + more) + 64;
    struct mr_pen_deed *deeds = realloc(pen->deeds, capacity * sizeof *deeds);
    if (!deeds) {
        struct mr_error err = {0};
        mr_error_nomem(&err, "starting tasks");
        mr_pen_end(pen, &err); /* the state is ahead of what can be done */
        return false;
    }
    pen->deeds = deeds;
    pen->capacity = capacity;
    return true;
}

void mr_pen_then(struct mr_pen *pen, mr_pen_act act, void *arg) {
    if (pen->err.code || pen->is_closing || !make_room(pen, 1)) {
        act(arg, false);
        return;
    }
    pen->deeds[pen->count++] = (struct mr_pen_deed){.act = act, .arg = arg};
}

/* The effect is the core's until the next event: it is copied before anything else is done. */
static bool keep(struct mr_pen *pen, const struct mr_core_effects *effects) {
    if (!make_room(pen, effects->count)) {
        return false;
    }
    for (size_t i = 0; i < effects->count; i++) {
        pen->deeds[pen->count++] = (struct mr_pen_deed){.effect = effects->items[i]};
    }
    return true;
}

/* Looks through effects that were just given; what the core proposes is applied, which may add
 * more of them. */
static void look(struct mr_pen *pen, size_t from, bool *accepted) {
    for (size_t i = from; i < pen->count && !pen->err.code; i++) {
        struct mr_pen_deed deed = pen->deeds[i];
        if (deed.act) {
            continue;
        }
        pen->face->see(pen->face->arg, &deed.effect);
        if (deed.effect.kind == MR_CORE_WAKE_AT) {
            pen->face->wake(pen->face->arg, deed.effect.time_ms);
        } else if (deed.effect.kind == MR_CORE_ANSWER && accepted) {
            *accepted = deed.effect.is_accepted;
        } else if (deed.effect.kind == MR_CORE_PROPOSE) {
            struct mr_core_event event = mr_core_proposal(&deed.effect);
            struct mr_core_effects effects;
            struct mr_error err = {0};
            if (mr_journal_apply(pen->journal, &event, uv_now(pen->loop), &effects, &err)) {
                mr_pen_end(pen, &err);
            } else {
                (void)keep(pen, &effects);
            }
        }
    }
}

int mr_pen_apply(struct mr_pen *pen, const struct mr_core_event *event, bool *accepted,
                 struct mr_error *err) {
    struct mr_core_effects effects;
    if (accepted) {
        *accepted = false;
    }
    if (pen->err.code) {
        *err = pen->err;
        return err->code;
    }
    if (mr_journal_apply(pen->journal, event, uv_now(pen->loop), &effects, err)) {
        if (err->code != MR_ERR_INTERNAL) {
            mr_pen_end(pen, err);
        }
        return err->code;
    }
    size_t from = pen->count;
    if (keep(pen, &effects)) {
        look(pen, from, accepted);
    }
    *err = pen->err;
    return err->code;
}

/* Does the first deeds. One of them may add to the list. */
static void do_deeds(struct mr_pen *pen, size_t count) {
    for (size_t i = 0; i < count && !pen->err.code && !pen->is_closing; i++) {
        struct mr_pen_deed deed = pen->deeds[i];
        pen->deeds[i].act = NULL;
        if (deed.act) {
            deed.act(deed.arg, true);
        } else {
            pen->face->perform(pen->face->arg, &deed.effect);
        }
    }
    if (pen->err.code || pen->is_closing) {
        return; /* what is left goes when it is closed */
    }
    pen->count -= count;
    memmove(pen->deeds, pen->deeds + count, pen->count * sizeof *pen->deeds);
    pen->face->performed(pen->face->arg);
}

/* ---- transactions -----------------------------------------------------------------------------*/

/* In a thread of the pool, or the loop's. */
static void flush(uv_work_t *work) {
    struct mr_pen *pen = work->data;
    uint64_t began = uv_hrtime();
    pen->flushed = (struct mr_error){0};
    (void)!mr_journal_flush(pen->journal, &pen->flushed);
    pen->flush_ns = uv_hrtime() - began;
}

static void finish_closing(uv_handle_t *handle) {
    struct mr_pen *pen = handle->data;
    drop_deeds(pen);
    pen->closed(pen->closed_arg);
}

static void flushed(uv_work_t *work, int status) {
    struct mr_pen *pen = work->data;
    struct mr_error err = {0};
    bool was_closing = pen->is_closing;
    (void)status;
    pen->is_writing = false;
    pen->quick = pen->flush_ns <= QUICK_NS ? pen->quick + 1 : 0;
    (void)!mr_journal_settle(pen->journal, &pen->flushed, &err);
    if (was_closing) { /* it waited for this alone */
        uv_close((uv_handle_t *)&pen->prepare, finish_closing);
    } else if (err.code) {
        mr_pen_end(pen, &err); /* which closes it, as a rule */
    } else if (!pen->err.code) {
        pen->sequence = pen->sealed;
        do_deeds(pen, pen->covered);
    }
}

/* Nothing was gathered: what there is to do waits for no disk. Or the journal has failed. */
static void go_on(struct mr_pen *pen) {
    struct mr_error err = {0};
    if (mr_journal_commit(pen->journal, &err)) {
        mr_pen_end(pen, &err);
    } else if (pen->count > 0) {
        do_deeds(pen, pen->count);
    }
}

/* Seals what was gathered and has it written; true: it is done, and there may be more by now, for
 * which the loop must not wait. */
static bool turn(struct mr_pen *pen) {
    if (pen->is_writing || pen->err.code) {
        return false;
    }
    pen->face->gather(pen->face->arg);
    if (pen->err.code || pen->is_closing) {
        return false;
    }
    if (!mr_journal_seal(pen->journal)) {
        go_on(pen);
        return pen->count > 0 && !pen->err.code && !pen->is_closing;
    }
    pen->covered = pen->count;
    pen->sealed = mr_journal_stats(pen->journal).sequence;
    pen->is_writing = true;
    bool is_quick = pen->quick >= QUICK_MIN && mr_journal_sealed_bytes(pen->journal) <= QUICK_BYTES;
    int status = is_quick ? UV_EAGAIN : uv_queue_work(pen->loop, &pen->work, flush, flushed);
    if (status) { /* it is faster than a thread is woken; or there is none */
        flush(&pen->work);
        flushed(&pen->work, 0);
    }
    return status && !pen->err.code && !pen->is_closing;
}

static void on_prepare(uv_prepare_t *handle) {
    while (turn(handle->data)) {
    }
}

void mr_pen_open(struct mr_pen *pen, uv_loop_t *loop, struct mr_journal *journal,
                 const struct mr_pen_face *face) {
    *pen = (struct mr_pen){.journal = journal, .face = face, .loop = loop};
    pen->sequence = mr_journal_stats(journal).sequence;
    pen->work.data = pen;
    (void)uv_prepare_init(loop, &pen->prepare); /* these never fail */
    pen->prepare.data = pen;
    (void)uv_prepare_start(&pen->prepare, on_prepare);
}

void mr_pen_close(struct mr_pen *pen, void (*closed)(void *arg), void *arg) {
    pen->is_closing = true;
    pen->closed = closed;
    pen->closed_arg = arg;
    (void)uv_prepare_stop(&pen->prepare);
    if (!pen->is_writing) {
        uv_close((uv_handle_t *)&pen->prepare, finish_closing);
    }
}
