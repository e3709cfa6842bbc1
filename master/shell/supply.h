/* supply: tells workers what to run, and all that they must know for it, once a connection.
 *
 * Before its first START of a job a worker is told JOB; before one that reads what others made,
 * SOURCES and the PEERs that hold it, and every change of these afterwards. */
#ifndef MR_SHELL_SUPPLY_H
#define MR_SHELL_SUPPLY_H

#include "master/shell/jobs.h"
#include "master/shell/runs.h"
#include "master/shell/sessions.h"

/* Everything that runs or is to stop on the worker of this connection. */
void mr_supply_all(struct mr_session *session);
/* START, or TURN. */
void mr_supply_start(struct mr_session *session, const struct mr_runs_row *row);
void mr_supply_stop(struct mr_session *session, const struct mr_core_attempt *attempt);

void mr_supply_tell_job(struct mr_session *session, const struct mr_jobs_row *job);
/* PEER, unless it was told so. */
void mr_supply_tell_peer(struct mr_session *session, uint32_t node);
/* PEER again, where it was told something else. */
void mr_supply_renew_peer(struct mr_session *session, const struct mr_roster_node *node);

/* Opens a job's lists of sources for a round of the core that begins. */
void mr_supply_open_round(struct mr_master *master, struct mr_jobs_row *job, uint32_t round);
/* Sends what changed to all who read it. */
void mr_supply_changes(struct mr_master *master);

/* A job is over: FORGET to everybody. */
void mr_supply_forget_job(struct mr_master *master, const struct mr_jobs_row *job);
/* The worker on this connection knows nothing. */
void mr_supply_forget(struct mr_session *session);

#endif
