/* welcome: the greeting at the beginning of a connection: says who we are, hears who is there.
 *
 * Of conn alone, in its state GREETING. Who dialled says HELLO and hears WELCOME or REFUSED; who
 * accepted hears HELLO, asks the owner of the door, and answers. */
#ifndef MR_NET_WELCOME_H
#define MR_NET_WELCOME_H

#include "lib/net/conn.h"

/* TLS is up: says HELLO, where it is for this side to begin. */
void mr_welcome_begin(struct mr_conn *conn);
/* Reads the one message of the greeting that belongs here; the connection is ready after it, or
 * ends. */
void mr_welcome_hear(struct mr_conn *conn, const struct mr_frame *frame);

#endif
