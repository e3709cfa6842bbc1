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

/* Is given a log, as much of it as came; data NULL: none did. */
typedef void (*mr_logs_came)(struct mr_master *master, const struct mr_core_attempt *told,
                             struct mr_bytes log);
/* Asks a worker for the log of an attempt (as on the wire) of the job with this id. */
void mr_logs_fetch(struct mr_session *worker, const char *id, const struct mr_core_attempt *told,
                   mr_logs_came came);

/* The connection can't answer, or hear an answer, any more. */
void mr_logs_disconnected(struct mr_session *session);
void mr_logs_fini(struct mr_master *master);

#endif
