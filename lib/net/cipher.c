/* cipher: the bytes of one TLS connection on a loop, with its queue and back-pressure. */
#include "lib/net/cipher.h"

#include "lib/base/error.h"
#include "lib/net/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define FLUSH_BYTES ((size_t)256 << 10) /* that do not wait for the end of the iteration */

#define KEEPALIVE_SECONDS 60 /* of silence, until the kernel asks whether the peer is there */

#define HANDLES 3

struct mr_cipher {
    struct mr_net *net;
    const char *label;
    const struct mr_cipher_events *events;
    void *user;
    enum mr_tls_side side;
    struct mr_tls *tls;
    uv_tcp_t tcp;
    uv_idle_t idle; /* active where something is left to do in this iteration */
    struct mr_outbox outbox;
    uv_shutdown_t shutdown;
    unsigned handles;      /* not closed yet */
    struct mr_buffer held; /* what came, and was left when reading paused */
    size_t stranger_left;  /* what it may still send before it is trusted */
    bool is_trusted;
    bool is_up; /* and told so */
    bool is_paused;
    bool reads;   /* from the socket */
    bool is_full; /* and not drained since */
    bool finishes;
    bool has_ended;
    bool has_told; /* the end */
    bool is_closing;
    struct mr_error why;
    uint64_t heard_ms;
};

static void on_idle(uv_idle_t *idle);

/* The rest is done from the loop, before it sleeps. */
static void wake(struct mr_cipher *stream) {
    if (!stream->is_closing) {
        uv_idle_start(&stream->idle, on_idle);
    }
}

/* Notes the end, which is told from the loop. */
static void end(struct mr_cipher *stream, const struct mr_error *why) {
    if (!stream->has_ended) {
        stream->has_ended = true;
        if (why) {
            stream->why = *why;
        }
        wake(stream);
    }
}

static void end_errno(struct mr_cipher *stream, int status) {
    struct mr_error why = {0};
    if (stream->finishes) {
        end(stream, NULL); /* all was sent, or the other side does not want it */
        return;
    }
    if (status == UV_EOF) {
        mr_error_set(&why, MR_ERR_CLOSED, "%s went away", stream->label);
    } else {
        mr_error_set(&why, MR_ERR_CLOSED, "the connection with %s broke: %s", stream->label,
                     uv_strerror(status));
    }
    end(stream, &why);
}

/* ---- sending --------------------------------------------------------------------------------- */

size_t mr_cipher_queued(const struct mr_cipher *stream) {
    return mr_tls_output(stream->tls)->len + mr_outbox_left(&stream->outbox);
}

bool mr_cipher_is_full(const struct mr_cipher *stream) {
    return stream->is_full;
}

static void on_failed(int status, void *user) {
    end_errno(user, status);
}

static void on_moved(void *user) {
    struct mr_cipher *stream = user;
    if (stream->is_full) {
        wake(stream); /* perhaps drained */
    }
}

static void on_stalled(size_t left, void *user) {
    struct mr_cipher *stream = user;
    struct mr_error why = {0};
    mr_error_set(&why, MR_ERR_CLOSED, "%s took nothing for %u ms, and %zu bytes wait for it",
                 stream->label, stream->net->limits.stall_ms, left);
    stream->net->counters.stalled++;
    end(stream, &why);
}

static const struct mr_outbox_events outbox_events = {
    .failed = on_failed, .moved = on_moved, .stalled = on_stalled};

/* Hands what is encrypted to the kernel, as much as it takes. */
static void flush(struct mr_cipher *stream) {
    struct mr_buffer *out = mr_tls_output(stream->tls);
    if (out->len == 0 || stream->is_closing) {
        return;
    }
    stream->net->counters.bytes_sent += out->len;
    int status = mr_outbox_put(&stream->outbox, out);
    if (status == MR_OUTBOX_NOMEM) {
        struct mr_error why = {0};
        (void)mr_error_nomem(&why, "sending");
        end(stream, &why);
    } else if (status) {
        end_errno(stream, status);
    }
}

int mr_cipher_write(struct mr_cipher *stream, const void *data, size_t len, struct mr_error *err) {
    if (stream->has_ended || stream->finishes) {
        return mr_error_set(err, MR_ERR_CLOSED, "the connection with %s is closed", stream->label);
    }
    if (mr_tls_write(stream->tls, data, len, err)) {
        end(stream, err);
        return err->code;
    }
    if (mr_tls_output(stream->tls)->len >= FLUSH_BYTES) {
        flush(stream);
    }
    stream->is_full |= mr_cipher_queued(stream) >= MR_CIPHER_FULL_BYTES;
    wake(stream);
    return MR_OK;
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* Why TLS ended, in words for this side. */
static void end_tls(struct mr_cipher *stream, enum mr_tls_end how) {
    struct mr_error why = {0};
    struct mr_net_counters *counters = &stream->net->counters;
    bool is_client = stream->side == MR_TLS_CLIENT;
    switch (how) {
    case MR_TLS_DATA:
    case MR_TLS_MORE:
        return;
    case MR_TLS_CLOSED:
        break;
    case MR_TLS_WRONG_SECRET:
        counters->wrong_secret++;
        mr_error_set(&why, MR_ERR_CLUSTER,
                     is_client ? "%s doesn't know this secret: --secret or MILLRACE_SECRET names "
                                 "the file of the cluster's"
                               : "%s doesn't know this cluster's secret",
                     stream->label);
        break;
    case MR_TLS_NO_TLS:
        counters->no_tls++;
        mr_error_set(&why, MR_ERR_CLUSTER,
                     is_client ? "%s is no daemon of Millrace: it doesn't speak TLS 1.3"
                               : "%s doesn't speak TLS 1.3",
                     stream->label);
        break;
    case MR_TLS_BROKEN:
        counters->bad_frames++;
        mr_error_set(&why, MR_ERR_IO, "what came from %s was changed on its way, or is no TLS",
                     stream->label);
        break;
    case MR_TLS_NOMEM:
        (void)mr_error_nomem(&why, "receiving");
        break;
    }
    end(stream, &why);
}

size_t mr_cipher_read(struct mr_cipher *stream, void *data, size_t room) {
    size_t got = 0;
    if (!stream->has_ended && !stream->finishes) {
        end_tls(stream, mr_tls_read(stream->tls, data, room, &got));
    }
    return got;
}

/* Takes what was given to TLS as far as it goes. */
static void pump(struct mr_cipher *stream) {
    if (!stream->is_up && !stream->has_ended && !stream->finishes) {
        end_tls(stream, mr_tls_shake(stream->tls));
        stream->is_up = mr_tls_is_up(stream->tls);
        if (stream->is_up) {
            stream->events->up(stream->user);
        }
    }
    if (stream->is_up && !stream->has_ended && !stream->finishes && !stream->is_paused &&
        !stream->is_closing) {
        stream->events->readable(stream->user);
    }
    if (mr_tls_output(stream->tls)->len > 0) {
        wake(stream);
    }
}

/* Keeps what pausing left, since the memory that it was read into is for all. */
static void hold(struct mr_cipher *stream) {
    struct mr_bytes rest = mr_tls_rest(stream->tls);
    struct mr_buffer *held = &stream->held;
    struct mr_error err = {0};
    bool is_held = rest.len && held->len && rest.data + rest.len == held->data + held->len;
    if (is_held && !stream->has_ended && !stream->finishes) {
        return;
    }
    held->len = 0;
    mr_tls_give(stream->tls, (struct mr_bytes){0});
    if (rest.len == 0 || stream->has_ended || stream->finishes) {
        return;
    }
    if (mr_buffer_append(held, rest.data, rest.len, &err)) {
        end(stream, &err);
        return;
    }
    mr_tls_give(stream->tls, (struct mr_bytes){held->data, held->len});
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    const struct mr_cipher *stream = handle->data;
    (void)suggested;
    size_t room = stream->is_trusted ? MR_NET_RECEIVED_BYTES : stream->stranger_left;
    *buf = uv_buf_init(stream->net->received, (unsigned)room);
}

static void receive(struct mr_cipher *stream, size_t len) {
    struct mr_net *net = stream->net;
    net->counters.bytes_received += len;
    stream->heard_ms = uv_now(net->loop);
    if (stream->finishes || stream->has_ended) {
        return;
    }
    stream->stranger_left -= stream->is_trusted ? 0 : len;
    mr_tls_give(stream->tls, (struct mr_bytes){net->received, len});
    pump(stream);
    hold(stream);
    bool is_over = stream->has_ended || stream->finishes;
    if (!stream->is_trusted && stream->stranger_left == 0 && !is_over) {
        struct mr_error why = {0};
        mr_error_set(&why, MR_ERR_IO, "%s sent %zu bytes before it said who it is", stream->label,
                     MR_CIPHER_STRANGER_BYTES);
        net->counters.bad_frames++;
        end(stream, &why);
    }
}

static void read_no_more(struct mr_cipher *stream) {
    stream->reads = false;
    uv_read_stop((uv_stream_t *)&stream->tcp);
}

static void on_read(uv_stream_t *tcp, ssize_t got, const uv_buf_t *buf) {
    struct mr_cipher *stream = tcp->data;
    (void)buf;
    if (got > 0) {
        receive(stream, (size_t)got);
    } else if (got < 0) {
        read_no_more(stream);
        end_errno(stream, (int)got);
    }
}

static void read_on(struct mr_cipher *stream) {
    int status =
        stream->reads ? 0 : uv_read_start((uv_stream_t *)&stream->tcp, on_allocate, on_read);
    stream->reads = status == 0;
    if (status) {
        end_errno(stream, status);
    }
}

void mr_cipher_pause(struct mr_cipher *stream) {
    stream->is_paused = true;
    if (!stream->is_closing && !stream->finishes) {
        read_no_more(stream);
    }
}

void mr_cipher_resume(struct mr_cipher *stream) {
    stream->is_paused = false;
    wake(stream); /* first what is held */
}

uint64_t mr_cipher_heard_ms(const struct mr_cipher *stream) {
    return stream->heard_ms;
}

/* ---- from the loop --------------------------------------------------------------------------- */

static void on_shut(uv_shutdown_t *request, int status) {
    struct mr_cipher *stream = request->data;
    if (status && status != UV_ECANCELED) {
        end(stream, NULL);
    }
}

static void tell_drained(struct mr_cipher *stream) {
    if (stream->is_full && mr_cipher_queued(stream) < MR_CIPHER_DRAINED_BYTES) {
        stream->is_full = false;
        if (!stream->has_ended && !stream->finishes) {
            stream->events->drained(stream->user);
        }
    }
}

/* What pausing held back comes first, then reading goes on. */
static void go_on(struct mr_cipher *stream) {
    if (stream->is_paused || stream->has_ended || stream->finishes || stream->reads) {
        return;
    }
    pump(stream);
    hold(stream);
    if (!stream->is_paused && !stream->has_ended && !stream->is_closing) {
        read_on(stream);
    }
}

static void on_idle(uv_idle_t *idle) {
    struct mr_cipher *stream = idle->data;
    uv_idle_stop(idle);
    go_on(stream);
    flush(stream);
    tell_drained(stream);
    if (stream->has_ended && !stream->has_told && !stream->is_closing) {
        stream->has_told = true;
        read_no_more(stream);
        stream->events->ended(&stream->why, stream->user);
    }
}

void mr_cipher_finish(struct mr_cipher *stream) {
    if (stream->finishes || stream->has_ended || stream->is_closing) {
        return;
    }
    mr_tls_close(stream->tls);
    flush(stream);
    stream->finishes = true;
    stream->shutdown.data = stream;
    int status = uv_shutdown(&stream->shutdown, (uv_stream_t *)&stream->tcp, on_shut);
    if (status) {
        end(stream, NULL);
        return;
    }
    read_on(stream);
}

/* ---- its life -------------------------------------------------------------------------------- */

enum mr_role_key mr_cipher_role(const struct mr_cipher *stream) {
    return mr_tls_role(stream->tls);
}

void mr_cipher_trust(struct mr_cipher *stream) {
    stream->is_trusted = true;
}

static void on_closed(uv_handle_t *handle) {
    struct mr_cipher *stream = handle->data;
    if (--stream->handles == 0) {
        mr_tls_destroy(stream->tls);
        mr_buffer_fini(&stream->held);
        mr_outbox_fini(&stream->outbox);
        if (stream->events) {
            stream->events->gone(stream->user);
        }
        free(stream);
    }
}

void mr_cipher_destroy(struct mr_cipher *stream) {
    if (!stream->is_closing) {
        flush(stream); /* an alert tells the other side more than an end does */
        stream->is_closing = true;
        uv_close((uv_handle_t *)&stream->tcp, on_closed);
        uv_close((uv_handle_t *)&stream->idle, on_closed);
        mr_outbox_close(&stream->outbox, on_closed);
    }
}

static void start_handles(struct mr_cipher *stream) {
    uv_loop_t *loop = stream->net->loop;
    (void)uv_tcp_init(loop, &stream->tcp); /* makes no socket: can't fail */
    (void)uv_idle_init(loop, &stream->idle);
    mr_outbox_start(&stream->outbox, (uv_stream_t *)&stream->tcp, stream->net->limits.stall_ms,
                    &outbox_events, stream);
    stream->tcp.data = stream;
    stream->idle.data = stream;
    stream->handles = HANDLES;
}

int mr_cipher_open(struct mr_net *net, int fd, enum mr_tls_side side, const char *label,
                   const struct mr_cipher_events *events, void *user, struct mr_cipher **stream,
                   struct mr_error *err) {
    struct mr_cipher *made = calloc(1, sizeof *made);
    struct mr_tls *tls = NULL;
    if (!made) {
        (void)mr_error_nomem(err, "opening a connection");
    }
    if (!made || mr_tls_create(net->keys, side, mr_net_role_key(net->role), &tls, err)) {
        free(made);
        (void)close(fd);
        return err->code;
    }
    *made = (struct mr_cipher){.net = net,
                               .label = label,
                               .user = user,
                               .side = side,
                               .tls = tls,
                               .stranger_left = MR_CIPHER_STRANGER_BYTES,
                               .heard_ms = uv_now(net->loop)};
    start_handles(made);
    int status = uv_tcp_open(&made->tcp, fd);
    if (status) {
        (void)close(fd);
        mr_cipher_destroy(made);
        return mr_error_errno(err, MR_ERR_IO, -status, "open a connection with %s", label);
    }
    (void)uv_tcp_nodelay(&made->tcp, 1); /* only speed depends on it */
    /* A peer whose machine is gone, and to whom nothing is sent, does not stay for ever. */
    (void)uv_tcp_keepalive(&made->tcp, 1, KEEPALIVE_SECONDS);
    made->events = events;
    wake(made); /* the handshake begins, and reading */
    *stream = made;
    return MR_OK;
}
