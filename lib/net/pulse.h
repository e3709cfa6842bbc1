/* pulse: sees that the other side of a connection is there, while nothing else is said.
 *
 * TCP notices a peer that vanished (its machine lost power, a cable was pulled) only when it has
 * something to send, and then for minutes tries again. So each side says PULSE, a frame without a
 * body, where it has said nothing for pulse_ms, and ends a connection on which nothing at all came
 * for silence_ms. A process that stands still says nothing either: it is as good as gone, and what
 * its connections were for begins again on new ones. Two silences don't count: while this side
 * doesn't read (mr_conn_pause), and while this process itself stood still. Of conn alone. */
#ifndef MR_NET_PULSE_H
#define MR_NET_PULSE_H

#include "lib/net/conn.h"

/* The connection is ready: from now on it is looked at each pulse_ms, by its timer. */
void mr_pulse_start(struct mr_conn *conn);

#endif
