/* outbox: what waits for the kernel to take it, and whether it moves. */
#include "lib/net/outbox.h"

#include <stdlib.h>

#define SPARE_BYTES_MAX ((size_t)2 << 20)
#define STALL_LOOKS 8 /* within the time that a peer may take nothing */

/* A write that the kernel did not take whole at once. */
struct write {
    uv_write_t request;
    struct mr_outbox *outbox;
    struct mr_buffer buffer;
};

void mr_outbox_start(struct mr_outbox *outbox, uv_stream_t *stream, uint32_t stall_ms,
                     const struct mr_outbox_events *events, void *user) {
    *outbox =
        (struct mr_outbox){.stream = stream, .events = events, .user = user, .stall_ms = stall_ms};
    (void)uv_timer_init(stream->loop, &outbox->timer);
    outbox->timer.data = user;
}

size_t mr_outbox_left(const struct mr_outbox *outbox) {
    return uv_stream_get_write_queue_size(outbox->stream);
}

/* Keeps a buffer for the next write where none is kept. */
static void keep(struct mr_outbox *outbox, struct mr_buffer *buffer) {
    if (!outbox->spare.data && buffer->cap <= SPARE_BYTES_MAX) {
        outbox->spare = *buffer;
        outbox->spare.len = 0;
    } else {
        mr_buffer_fini(buffer);
    }
}

static void on_written(uv_write_t *request, int status) {
    struct write *write = request->data;
    struct mr_outbox *outbox = write->outbox;
    keep(outbox, &write->buffer);
    free(write);
    if (status == 0) {
        outbox->events->moved(outbox->user);
    } else if (status != UV_ECANCELED) {
        outbox->events->failed(status, outbox->user);
    }
}

static void on_look(uv_timer_t *timer) {
    struct mr_outbox *outbox =
        (struct mr_outbox *)((char *)timer - offsetof(struct mr_outbox, timer));
    size_t left = mr_outbox_left(outbox);
    if (left == 0) {
        uv_timer_stop(timer);
    } else if (left != outbox->moved_left) {
        outbox->moved_left = left;
        outbox->looks = 0;
    } else if (++outbox->looks >= STALL_LOOKS) {
        uv_timer_stop(timer);
        outbox->events->stalled(left, outbox->user);
    }
}

static void watch(struct mr_outbox *outbox) {
    if (!uv_is_active((uv_handle_t *)&outbox->timer)) {
        uint32_t look_ms = outbox->stall_ms / STALL_LOOKS + 1;
        outbox->moved_left = mr_outbox_left(outbox);
        outbox->looks = 0;
        uv_timer_start(&outbox->timer, on_look, look_ms, look_ms);
    }
}

/* Leaves the kernel the rest of the output, from `done` on, for when it can take it. */
static int queue_rest(struct mr_outbox *outbox, struct mr_buffer *out, size_t done) {
    struct write *write = malloc(sizeof *write);
    if (!write) {
        out->len = 0; /* half of it is gone: the rest is of no use */
        return MR_OUTBOX_NOMEM;
    }
    *write = (struct write){.outbox = outbox, .buffer = *out};
    write->request.data = write;
    *out = outbox->spare;
    outbox->spare = (struct mr_buffer){0};
    uv_buf_t rest = uv_buf_init(write->buffer.data + done, (unsigned)(write->buffer.len - done));
    int status = uv_write(&write->request, outbox->stream, &rest, 1, on_written);
    if (status) {
        mr_buffer_fini(&write->buffer);
        free(write);
        return status;
    }
    watch(outbox);
    return 0;
}

int mr_outbox_put(struct mr_outbox *outbox, struct mr_buffer *out) {
    size_t done = 0;
    if (mr_outbox_left(outbox) == 0) {
        uv_buf_t all = uv_buf_init(out->data, (unsigned)out->len);
        int status = uv_try_write(outbox->stream, &all, 1);
        if (status < 0 && status != UV_EAGAIN) {
            out->len = 0;
            return status;
        }
        done = status > 0 ? (size_t)status : 0;
    }
    if (done == out->len) {
        out->len = 0;
        return 0;
    }
    return queue_rest(outbox, out, done);
}

void mr_outbox_close(struct mr_outbox *outbox, uv_close_cb closed) {
    uv_close((uv_handle_t *)&outbox->timer, closed);
}

void mr_outbox_fini(struct mr_outbox *outbox) {
    mr_buffer_fini(&outbox->spare);
}
