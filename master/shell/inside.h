/* inside: what the rooms of the master share. Private to master/shell. */
#ifndef MR_SHELL_INSIDE_H
#define MR_SHELL_INSIDE_H

#include "lib/net/listener.h"
#include "lib/net/wire.h"
#include "lib/worker/blobs.h"
#include "master/shell/epochs.h"
#include "master/shell/jobs.h"
#include "master/shell/notes.h"
#include "master/shell/pen.h"
#include "master/shell/roster.h"
#include "master/shell/runs.h"
#include "master/shell/session.h"

/* A blob that is wanted, and who was asked for it, or sends it unasked. */
struct mr_couriers_want {
    struct mr_couriers_want *next;
    struct mr_hash_128 hash;
    struct mr_session *session;
    uint64_t since_ms; /* that it sent a piece of any, or was asked */
};

/* A job that failed: its end is told when the log of its first cause is here. */
struct mr_ending_wait;

/* A client that waits for a log that a worker has. */
struct mr_logs_request;

/* What a worker said that can't be dealt with before a blob is here. */
struct mr_turning_wait;

struct mr_master {
    uv_loop_t *loop;
    void (*close)(struct mr_master *master);   /* mr_master_close */
    void (*destroy)(struct mr_master *master); /* when all is closed */
    void (*look)(struct mr_master *master);    /* a blob came, or who was asked for it is gone */
    void (*ended)(void *arg, const struct mr_error *why);
    void *ended_arg;
    struct mr_error why; /* it ends */
    bool is_closing;
    unsigned open_handles; /* what must be closed before it is gone */

    char *state; /* the folder */
    int lock_fd;
    uint32_t lease_ms;
    uint32_t heartbeat_ms;
    char cluster[MR_ORDERS_ID_LEN + 1];

    struct mr_journal *journal;
    struct mr_epochs epochs;
    const struct mr_core *core; /* the journal's */
    struct mr_pen pen;
    struct mr_pen_face face;
    struct mr_blobs *blobs;
    struct mr_net *net;
    struct mr_listener *listener;
    uv_timer_t tick;
    uint64_t tick_ms; /* when it is due */
    uv_timer_t follow;
    bool is_following; /* the timer runs */

    struct mr_roster roster;
    struct mr_runs runs;
    struct mr_jobs jobs;
    struct mr_sessions sessions;
    struct mr_couriers_want *wants;
    struct mr_ending_wait *endings;
    struct mr_logs_request *log_requests;
    struct mr_turning_wait *turnings;
    uint32_t *lost; /* nodes that the core has given up, in this turn */
    size_t lost_count;
    size_t lost_capacity;
    bool has_to_close;   /* a round of some job */
    bool has_to_publish; /* some job */
    bool has_changed_sources;
    bool may_let_go;   /* what workers that leave hold may not be needed any more */
    bool has_to_sweep; /* blobs, from the next tick on: */
    bool sweeps;
};

/* Ends the master by a failure; does nothing when it ends already. */
void mr_inside_fail(struct mr_master *master, const struct mr_error *err);

/* Writes a line to the log (standard error). */
__attribute__((format(printf, 1, 2))) void mr_inside_log(const char *format, ...);

/* A handle, or a connection, that the master waits for has closed. */
void mr_inside_closed(struct mr_master *master);

/* Applies an event that a worker's or client's word has led to: one that the core refuses is
 * logged. False: it was refused, or the master ends. */
bool mr_inside_apply(struct mr_master *master, const struct mr_core_event *event, bool *accepted);

/* Fails the master where `err` is set; for what must not fail but by want of memory. */
bool mr_inside_check(struct mr_master *master, const struct mr_error *err);

/* A part of the job's output is not there any more: what was offered or begun of it is void, and it
 * is published when the part was made again. */
void mr_inside_withdraw(struct mr_master *master, struct mr_jobs_row *job);

/* The wall clock in milliseconds: to be shown, never to decide. */
uint64_t mr_inside_wall_ms(void);

#endif
