/* dial: makes a TCP connection to "HOST:PORT" without blocking the loop. */
#include "lib/net/dial.h"

#include "lib/base/error.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

struct mr_dial {
    uv_loop_t *loop;
    struct mr_address address;
    mr_dial_done done;
    void *user;
    uint32_t timeout_ms;
    uv_getaddrinfo_t lookup;
    bool looks_up;
    struct addrinfo *found;
    struct addrinfo *next; /* to try */
    uint32_t each_ms;
    uv_timer_t timer;
    bool has_timer;
    uv_poll_t poll; /* for one address after the other */
    bool has_poll;
    int fd;
    bool is_connected;
    bool is_over;        /* told, or cancelled */
    struct mr_error why; /* of the last address that was tried */
};

static void try_next(struct mr_dial *dial);

static void free_if_alone(struct mr_dial *dial) {
    if (dial->is_over && !dial->has_timer && !dial->has_poll && !dial->looks_up) {
        uv_freeaddrinfo(dial->found);
        free(dial);
    }
}

static void on_timer_closed(uv_handle_t *handle) {
    struct mr_dial *dial = handle->data;
    dial->has_timer = false;
    free_if_alone(dial);
}

/* Tells how it ended, unless it was cancelled, and goes. */
static void end(struct mr_dial *dial) {
    if (dial->is_over) {
        return;
    }
    dial->is_over = true;
    uv_close((uv_handle_t *)&dial->timer, on_timer_closed);
    int fd = dial->is_connected ? dial->fd : -1;
    dial->fd = -1;
    dial->done(fd, fd < 0 ? &dial->why : NULL, dial->user);
}

static void on_poll_closed(uv_handle_t *handle) {
    struct mr_dial *dial = handle->data;
    dial->has_poll = false;
    if (dial->is_over || !dial->is_connected) {
        (void)close(dial->fd);
        dial->fd = -1;
    }
    if (dial->is_over) {
        free_if_alone(dial);
    } else if (dial->is_connected) {
        end(dial);
    } else {
        try_next(dial);
    }
}

static void note(struct mr_dial *dial, int errno_value) {
    bool is_six = strchr(dial->address.host, ':') != NULL;
    dial->why = (struct mr_error){0};
    (void)mr_error_errno(&dial->why, MR_ERR_CLOSED, errno_value, "connect to %s%.255s%s:%s",
                         is_six ? "[" : "", dial->address.host, is_six ? "]" : "",
                         dial->address.port);
}

/* This address is done with: its handle is closed, then it goes on. */
static void settle(struct mr_dial *dial, int errno_value) {
    dial->is_connected = errno_value == 0;
    if (errno_value) {
        note(dial, errno_value);
    }
    uv_timer_stop(&dial->timer);
    if (!uv_is_closing((uv_handle_t *)&dial->poll)) {
        uv_close((uv_handle_t *)&dial->poll, on_poll_closed);
    }
}

static void on_writable(uv_poll_t *poll, int status, int events) {
    struct mr_dial *dial = poll->data;
    int value = 0;
    socklen_t len = sizeof value;
    (void)events;
    /* For a connection that failed libuv says only that its descriptor is bad. */
    if (getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &value, &len)) {
        value = errno;
    }
    settle(dial, value ? value : -status);
}

/* It may have come to an end while this process stood still. */
static void on_late(uv_timer_t *timer) {
    struct mr_dial *dial = timer->data;
    struct pollfd look = {.fd = dial->fd, .events = POLLOUT};
    if (poll(&look, 1, 0) > 0) {
        on_writable(&dial->poll, 0, UV_WRITABLE);
    } else {
        settle(dial, ETIMEDOUT);
    }
}

/* Begins to connect to one address; 0, or an errno value. */
static int begin(struct mr_dial *dial, const struct addrinfo *target) {
    dial->fd = socket(target->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (dial->fd < 0) {
        return errno;
    }
    int failed = connect(dial->fd, target->ai_addr, target->ai_addrlen) ? errno : 0;
    if (failed && failed != EINPROGRESS && failed != EINTR) {
        return failed;
    }
    int status = uv_poll_init(dial->loop, &dial->poll, dial->fd);
    if (status) {
        return -status;
    }
    dial->poll.data = dial;
    dial->has_poll = true;
    status = uv_poll_start(&dial->poll, UV_WRITABLE, on_writable);
    return status ? -status : 0;
}

static void try_next(struct mr_dial *dial) {
    while (dial->next) {
        const struct addrinfo *target = dial->next;
        dial->next = target->ai_next;
        int failed = begin(dial, target);
        if (!failed) {
            if (dial->next) { /* the last is tried for as long as the caller likes */
                uv_timer_start(&dial->timer, on_late, dial->each_ms, 0);
            }
            return;
        }
        if (dial->has_poll) {
            settle(dial, failed);
            return;
        }
        note(dial, failed);
        if (dial->fd >= 0) {
            (void)close(dial->fd);
            dial->fd = -1;
        }
    }
    end(dial);
}

static void use(struct mr_dial *dial, struct addrinfo *found) {
    uint32_t count = 0;
    dial->found = found;
    dial->next = found;
    for (const struct addrinfo *each = found; each; each = each->ai_next) {
        count++;
    }
    dial->each_ms = dial->timeout_ms / (count ? count : 1) + 1;
    try_next(dial);
}

static void fail_lookup(struct mr_dial *dial, const char *reason) {
    mr_error_set(&dial->why, MR_ERR_CLOSED, "look up the host \"%.255s\": %s", dial->address.host,
                 reason);
    end(dial);
}

static void on_found(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found) {
    struct mr_dial *dial = lookup->data;
    dial->looks_up = false;
    if (dial->is_over) {
        uv_freeaddrinfo(found);
        free_if_alone(dial);
    } else if (status) {
        fail_lookup(dial, uv_strerror(status));
    } else {
        uv_timer_stop(&dial->timer);
        use(dial, found);
    }
}

static void on_lookup_late(uv_timer_t *timer) {
    fail_lookup(timer->data, "no answer in time");
}

static void on_start(uv_timer_t *timer) {
    struct mr_dial *dial = timer->data;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (getaddrinfo(dial->address.host, dial->address.port, &hints, &found) == 0) {
        use(dial, found); /* digits need no thread that asks a server */
        return;
    }
    hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
    int status = uv_getaddrinfo(dial->loop, &dial->lookup, on_found, dial->address.host,
                                dial->address.port, &hints);
    if (status) {
        fail_lookup(dial, uv_strerror(status));
        return;
    }
    dial->looks_up = true;
    uv_timer_start(&dial->timer, on_lookup_late, dial->timeout_ms, 0);
}

int mr_dial_start(struct uv_loop_s *loop, const struct mr_address *address, uint32_t timeout_ms,
                  mr_dial_done done, void *user, struct mr_dial **dial, struct mr_error *err) {
    struct mr_dial *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "connecting");
    }
    *made = (struct mr_dial){.loop = loop,
                             .address = *address,
                             .done = done,
                             .user = user,
                             .timeout_ms = timeout_ms,
                             .fd = -1};
    made->lookup.data = made;
    uv_timer_init(loop, &made->timer);
    made->timer.data = made;
    made->has_timer = true;
    uv_timer_start(&made->timer, on_start, 0, 0);
    *dial = made;
    return MR_OK;
}

void mr_dial_cancel(struct mr_dial *dial) {
    dial->is_over = true;
    uv_close((uv_handle_t *)&dial->timer, on_timer_closed);
    if (dial->looks_up) {
        (void)uv_cancel((uv_req_t *)&dial->lookup); /* on_found is called in any case */
    }
    if (dial->has_poll && !uv_is_closing((uv_handle_t *)&dial->poll)) {
        uv_close((uv_handle_t *)&dial->poll, on_poll_closed);
    }
}
