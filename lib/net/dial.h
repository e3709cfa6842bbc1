/* dial: makes a TCP connection to "HOST:PORT" without blocking the loop. */
#ifndef MR_NET_DIAL_H
#define MR_NET_DIAL_H

#include "lib/net/address.h"

#include <mr/status.h>
#include <stdint.h>

struct uv_loop_s;
struct mr_dial; /* opaque */

/* How it ended: fd >= 0 (non-blocking, close-on-exec) is the callee's, or negative and *why tells:
 * MR_ERR_CLOSED. Called once, from the loop, unless it was cancelled; the dial is no more. */
typedef void (*mr_dial_done)(int fd, const struct mr_error *why, void *user);

/* Looks the host up and tries each of its addresses in turn, each for its share of `timeout_ms`,
 * but the last until it answers or the caller cancels: that is the caller's deadline. */
MR_MUST_USE int mr_dial_start(struct uv_loop_s *loop, const struct mr_address *address,
                              uint32_t timeout_ms, mr_dial_done done, void *user,
                              struct mr_dial **dial, struct mr_error *err);

/* Gives up; nothing is called any more. The loop must still run to free it. */
void mr_dial_cancel(struct mr_dial *dial);

#endif
