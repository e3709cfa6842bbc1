/* sessions: sends to workers and clients. */
#ifndef MR_SHELL_SESSIONS_H
#define MR_SHELL_SESSIONS_H

#include "master/shell/session.h"

void mr_sessions_ref(struct mr_session *session);
void mr_sessions_unref(struct mr_session *session);

/* The connection to a worker in this life of it, which was told REGISTERED; NULL: there is none. */
struct mr_session *mr_sessions_of(const struct mr_master *master, struct mr_core_worker worker);
/* Sends; a connection that is gone takes nothing, and that is no error. NULL is harmless. */
void mr_sessions_send(struct mr_session *session, enum mr_wire_kind kind, const void *message);
void mr_sessions_send_piece(struct mr_session *session, enum mr_wire_kind kind, const void *message,
                            struct mr_bytes piece);

/* Sends when all that was applied so far is durable. The message's texts are copied by being
 * encoded at once. */
void mr_sessions_send_later(struct mr_session *session, enum mr_wire_kind kind,
                            const void *message);
/* A RESULT. */
void mr_sessions_answer(struct mr_session *session, const struct mr_error *how);

/* Frees what a registration has gathered. */
void mr_sessions_forget_registering(struct mr_session *session);
void mr_sessions_forget_held(struct mr_session *session);

/* Closes every connection. */
void mr_sessions_close_all(struct mr_master *master);

#endif
