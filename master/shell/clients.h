/* clients: what people ask of the cluster: how jobs and nodes stand; cancel, drain. */
#ifndef MR_SHELL_CLIENTS_H
#define MR_SHELL_CLIENTS_H

#include "master/shell/sessions.h"

/* Messages. */
void mr_clients_ask_jobs(struct mr_session *session, union mr_wire_any *message,
                         const struct mr_frame *frame);
void mr_clients_cancel(struct mr_session *session, union mr_wire_any *message,
                       const struct mr_frame *frame);
void mr_clients_ask_nodes(struct mr_session *session, union mr_wire_any *message,
                          const struct mr_frame *frame);
void mr_clients_drain(struct mr_session *session, union mr_wire_any *message,
                      const struct mr_frame *frame);
void mr_clients_dead(struct mr_session *session, union mr_wire_any *message,
                     const struct mr_frame *frame);

/* The connection takes more: a list of tasks goes on. */
void mr_clients_go_on(struct mr_session *session);

#endif
