/* logs: brings what attempts wrote from the workers that have it. */
#ifndef MR_SHELL_LOGS_H
#define MR_SHELL_LOGS_H

#include "master/shell/jobs.h"
#include "master/shell/sessions.h"

/* Messages: a client's request, a worker's answer. */
void mr_logs_ask(struct mr_session *session, union mr_wire_any *message,
                 const struct mr_frame *frame);
void mr_logs_arrived(struct mr_session *session, union mr_wire_any *message,
                     const struct mr_frame *frame);

/* Asks a worker for the log of the attempt (as on the wire) that a job failed by:
 * mr_ending_log_came is called with it. */
void mr_logs_fetch(struct mr_session *worker, const char *id, const struct mr_core_attempt *told);

/* The connection can't answer, or hear an answer, any more. */
void mr_logs_disconnected(struct mr_session *session);
void mr_logs_fini(struct mr_master *master);

#endif
