/* scribe: applies events to the core, and has effects performed once they are durable.
 *
 * Without a journal that is at once. With one:
 *
 * Threads apply events, each with the lock held, and then ask for the commit. One of them writes
 * for all that have applied so far, the lock let go meanwhile; the others wait, or gather for the
 * next transaction. When it is on disk, the writer performs the effects of all of them, in order,
 * with the lock held. */
#ifndef MR_FILES_SCRIBE_H
#define MR_FILES_SCRIBE_H

#include "master/journal/journal.h"
#include <pthread.h>

struct mr_scribe {
    pthread_mutex_t lock;       /* its owner's too */
    pthread_cond_t changed;     /* likewise; on the monotonic clock */
    struct mr_journal *journal; /* NULL: none */
    struct mr_core *core;       /* the journal's, or one without */
    void (*perform)(void *arg, const struct mr_core_effect *effect); /* with the lock held */
    void *arg;
    struct mr_core_effect *effects; /* not performed yet */
    size_t count;
    size_t capacity;
    uint64_t applied; /* events */
    uint64_t committed;
    bool is_writing;
    struct mr_error err; /* that ended it: nothing is performed any more */
};

/* Sets up the lock; the caller fills in journal, core, perform and arg. */
void mr_scribe_init(struct mr_scribe *scribe);
void mr_scribe_fini(struct mr_scribe *scribe);

/* With the lock held. `is_accepted` (may be NULL): whether an ANSWER among its effects says so. */
MR_MUST_USE int mr_scribe_apply(struct mr_scribe *scribe, const struct mr_core_event *event,
                                bool *is_accepted, struct mr_error *err);

/* With the lock held, which is let go meanwhile. Returns when all that was applied before is on
 * disk, with the facts gathered beside it, and its effects were performed. */
MR_MUST_USE int mr_scribe_commit(struct mr_scribe *scribe, struct mr_error *err);

/* With the lock held. Nothing more is committed: what was applied lacks what belongs to it. */
void mr_scribe_end(struct mr_scribe *scribe, const struct mr_error *err);

#endif
