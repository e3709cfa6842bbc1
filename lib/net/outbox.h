/* outbox: what waits for the kernel to take it, and whether it moves. */
#ifndef MR_NET_OUTBOX_H
#define MR_NET_OUTBOX_H

#include "lib/base/buffer.h"

#include <mr/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* What its owner is told, from the loop. `status` is libuv's. */
struct mr_outbox_events {
    void (*failed)(int status, void *user);
    void (*moved)(void *user);                /* the kernel took some of it */
    void (*stalled)(size_t left, void *user); /* it took nothing for stall_ms */
};

/* In the caller's storage, which outlives it until mr_outbox_close called back. */
struct mr_outbox {
    uv_stream_t *stream;
    const struct mr_outbox_events *events;
    void *user;
    uint32_t stall_ms;
    uv_timer_t timer;       /* active while something waits: looks whether it moves */
    struct mr_buffer spare; /* for what is to be sent, used again */
    size_t moved_left;      /* what the kernel left when it last took something */
    unsigned looks;         /* since then: counted, as we may have been stopped ourselves */
};

void mr_outbox_start(struct mr_outbox *outbox, uv_stream_t *stream, uint32_t stall_ms,
                     const struct mr_outbox_events *events, void *user);

/* Hands all of `out` to the kernel, as much as it takes, and keeps the rest for later; `out` is
 * empty then, in any case, and perhaps another buffer. 0, or libuv's status; MR_OUTBOX_NOMEM where
 * memory ran out. */
#define MR_OUTBOX_NOMEM UV_ENOMEM
MR_MUST_USE int mr_outbox_put(struct mr_outbox *outbox, struct mr_buffer *out);

/* Bytes that wait. */
size_t mr_outbox_left(const struct mr_outbox *outbox);

/* Closes its timer; `closed` is called from the loop, with a handle whose data is `user`. What
 * waits is dropped when the stream is closed. */
void mr_outbox_close(struct mr_outbox *outbox, uv_close_cb closed);
/* After that, and after the stream was closed. */
void mr_outbox_fini(struct mr_outbox *outbox);

#endif
