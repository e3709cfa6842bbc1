/* pen: applies events to the journaled core, and has things done once they are durable.
 *
 * What one turn of the loop applies is one transaction: before the loop waits again it is sealed
 * and written by a thread of libuv's pool, so that heartbeats go on meanwhile; what comes in until
 * it is on disk gathers for the next. Where the disk has answered at once for a while, the loop
 * writes by itself what is short: that takes less time than to wake a thread, and hear of it. Then
 * its deeds are
 * done, in order: the core's effects, and what was asked for by mr_pen_then. The first failure ends
 * it, and nothing is done any more. */
#ifndef MR_SHELL_PEN_H
#define MR_SHELL_PEN_H

#include "master/journal/journal.h"
#include <uv.h>

/* A thing to do. `is_durable` false: the journal has ended; only what `arg` holds is to be freed.
 */
typedef void (*mr_pen_act)(void *arg, bool is_durable);

/* What the pen asks of its owner. */
struct mr_pen_face {
    /* The turn is about to be sealed: the last moment to add to it. */
    void (*gather)(void *arg);
    /* An effect that was just given; it must not be acted on outside of the process. No event may
     * be applied, but facts may be put. */
    void (*see)(void *arg, const struct mr_core_effect *effect);
    void (*perform)(void *arg, const struct mr_core_effect *effect); /* it is durable */
    void (*performed)(void *arg);                                    /* all of a transaction's */
    void (*wake)(void *arg, uint64_t time_ms);                       /* WAKE_AT */
    void (*failed)(void *arg, const struct mr_error *err);           /* once */
    void *arg;
};

struct mr_pen_deed {
    struct mr_core_effect effect;
    mr_pen_act act; /* in the effect's place, or NULL */
    void *arg;
};

/* In the owner's storage. */
struct mr_pen {
    struct mr_journal *journal; /* borrowed */
    const struct mr_pen_face *face;
    uv_loop_t *loop;
    uv_prepare_t prepare;
    uv_work_t work;
    struct mr_error flushed;
    uint64_t flush_ns;         /* that the last one took */
    unsigned quick;            /* writes in a row that the disk answered at once */
    struct mr_pen_deed *deeds; /* not done yet */
    size_t count;
    size_t capacity;
    size_t covered; /* deeds of the transaction that is being written */
    bool is_writing;
    bool is_closing;
    uint64_t sealed;   /* the last sequence number of that transaction */
    uint64_t sequence; /* of the journal: all up to it is on disk */
    struct mr_error err;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* Begins; `face` must outlive it. */
void mr_pen_open(struct mr_pen *pen, uv_loop_t *loop, struct mr_journal *journal,
                 const struct mr_pen_face *face);
/* Does nothing more, and calls back from the loop when no thread works for it any more. */
void mr_pen_close(struct mr_pen *pen, void (*closed)(void *arg), void *arg);

/* Applies one event, and what the core proposes because of it. `accepted` (may be NULL): whether an
 * ANSWER among the effects says so. MR_ERR_INTERNAL: the core refuses the event, nothing changed;
 * any other error has ended the pen. */
MR_MUST_USE int mr_pen_apply(struct mr_pen *pen, const struct mr_core_event *event, bool *accepted,
                             struct mr_error *err);

/* Has `act` called when all that was applied and put so far is durable. */
void mr_pen_then(struct mr_pen *pen, mr_pen_act act, void *arg);

/* Whether all that was applied and put is durable. */
bool mr_pen_is_settled(const struct mr_pen *pen);

/* Ends it by a failure. */
void mr_pen_end(struct mr_pen *pen, const struct mr_error *err);

#endif
