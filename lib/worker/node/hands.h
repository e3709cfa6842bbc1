/* hands: a worker's slots: threads that each wait for one task process (lib/worker/hand).
 *
 * All is called, and calls back, on the loop's thread; what happens in a slot's thread is one
 * attempt: it looks whether the node sees what the attempt needs, and has the process do it. A
 * process stays with its job, idle, until another job needs the slot or the job is over. */
#ifndef MR_NODE_HANDS_H
#define MR_NODE_HANDS_H

#include "lib/worker/hand.h"
#include "lib/worker/node/dossier.h"

#define MR_HANDS_SHIFT_MAX 8

struct uv_loop_s;
struct mr_hands; /* opaque */

/* An attempt to be done; the caller's, who leaves it alone until it is finished. */
struct mr_hands_work {
    void *owner;
    struct mr_dossier *job;
    struct mr_orders_task order; /* what it points to must live as long */
    char log[MR_ORDERS_PATH_MAX];
    bool writes_part; /* its output is made: in the pending directory, or in the job's folder */
    char output[MR_ORDERS_PATH_MAX];
    struct mr_hand_outcome outcome; /* when it is finished; release with mr_hand_release */
    bool is_unseen;                 /* it failed since the node does not see something */
    double seconds;
    unsigned slot;
    struct mr_hands_work *next;
};

struct mr_hands_options {
    struct uv_loop_s *loop;
    unsigned slots;
    const char *program; /* that has `task` */
    const char *node;    /* the worker's name, for sentences */
    const char *id;      /* of this life of the worker, short: for the names of cgroups */
    bool echoes;
    void (*finished)(void *user, struct mr_hands_work *work);
    void (*prepared)(void *user);                     /* a slot that was busy with that is free */
    void (*left)(void *user, struct mr_dossier *job); /* one mr_hands_give less points to it */
    void (*closed)(void *user);
    void *user;
};

/* Starts the threads. */
MR_MUST_USE int mr_hands_create(const struct mr_hands_options *options, struct mr_hands **hands,
                                struct mr_error *err);
/* Stops what runs (each is finished first), ends processes and threads; then `closed` comes. */
void mr_hands_close(struct mr_hands *hands);

/* Slots that are free. */
unsigned mr_hands_free(const struct mr_hands *hands);
unsigned mr_hands_count(const struct mr_hands *hands);
/* Has an attempt done; a slot must be free. Every call is followed, in the end, by one `left` with
 * its job. */
void mr_hands_give(struct mr_hands *hands, struct mr_hands_work *work);
/* A job will have an attempt done soon: a slot that serves no job starts a process for it, where no
 * free one has it. True: one `left` with the job follows, as for mr_hands_give, when it is over. */
bool mr_hands_prepare(struct mr_hands *hands, struct mr_dossier *job);
/* It is not wanted any more. `finished` comes. */
void mr_hands_stop(struct mr_hands *hands, const struct mr_hands_work *work);
/* Where in its input a map attempt is. */
uint64_t mr_hands_position(const struct mr_hands *hands, const struct mr_hands_work *work);
/* A job is over: processes that serve it end. */
void mr_hands_retire(struct mr_hands *hands, const struct mr_dossier *job);

#endif
