/* pulse: decides when a connection on which nothing is said is to say so, and when it is dead.
 *
 * TCP notices a peer that vanished (its machine lost power, a cable was pulled) only when it has
 * something to send, and then for minutes tries again. So each side says PULSE, a frame without a
 * body, where it has said nothing for pulse_ms, and ends a connection on which nothing at all came
 * for silence_ms. A process that stands still says nothing either: it is as good as gone, and what
 * its connections were for begins again on new ones. Two silences don't count: while this side
 * doesn't read, and while this process itself stood still. Times are the loop's. */
#ifndef MR_NET_PULSE_H
#define MR_NET_PULSE_H

#include "lib/net/net.h"

#include <stdbool.h>

/* Of a connection, in its storage. */
struct mr_pulse {
    uint64_t sent_ms;   /* when a frame was last sent */
    uint64_t looked_ms; /* when mr_pulse_is_silent was last asked */
    uint64_t since_ms;  /* since when silence counts */
};

/* Silence counts from now on. */
void mr_pulse_begin(struct mr_pulse *pulse, uint64_t now_ms);
/* A frame was sent. */
void mr_pulse_sent(struct mr_pulse *pulse, uint64_t now_ms);

/* Asked each pulse_ms: whether the peer, from which something last came at heard_ms, is gone. */
bool mr_pulse_is_silent(struct mr_pulse *pulse, const struct mr_net_limits *limits,
                        uint64_t heard_ms, uint64_t now_ms);
/* Whether it is time to say something. */
bool mr_pulse_is_due(const struct mr_pulse *pulse, const struct mr_net_limits *limits,
                     uint64_t now_ms);

#endif
