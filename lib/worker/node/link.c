/* link: a worker's connection to its master: registering, heartbeats, the lease, incarnations. */
#include "lib/worker/node/link.h"

#include "lib/base/check.h"
#include "lib/base/error.h"
#include "lib/net/entry.h"
#include "lib/net/pulse.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <uv.h>

#define RETRY_FIRST_MS 50
#define RETRY_MOST_MS 2000
#define RETRY_REFUSED_MS 15000 /* of a master that refuses: nobody helps it but its operator */
#define HELD_ROWS 4096         /* in one message, which stays below its limit */
#define MOVED_ROWS 4096
#define SENT_TIMES 32 /* heartbeats whose time is remembered: far more than are under way */

/* X(name, from which states it is entered) */
#define STATE_TABLE(X)                                                                             \
    X(RESTING, 1u << CONNECTING | 1u << REGISTERING | 1u << REGISTERED)                            \
    X(CONNECTING, 1u << RESTING)                                                                   \
    X(REGISTERING, 1u << CONNECTING)                                                               \
    X(REGISTERED, 1u << REGISTERING)                                                               \
    X(CLOSING, 1u << RESTING | 1u << CONNECTING | 1u << REGISTERING | 1u << REGISTERED)

enum link_state {
#define STATE_NAME(name, from) name,
    STATE_TABLE(STATE_NAME)
#undef STATE_NAME
};

struct mr_link {
    struct mr_net *net;
    const char *master;
    const struct mr_link_events *events;
    void *user;
    enum link_state state;
    struct mr_conn *conn;
    uv_timer_t retry;
    uv_timer_t heartbeat;
    uv_timer_t lease;
    unsigned timers; /* that are not closed yet */
    uint64_t retry_ms;
    bool is_refused; /* by the master, on the last connection */
    uint64_t incarnation;
    bool has_lease; /* it was registered under this incarnation */
    uint64_t lease_until;
    uint32_t lease_ms;
    uint32_t heartbeat_ms;
    uint32_t node;
    struct mr_pulse master_pulse; /* whether the master is heard of: frames, not its PULSEs */
    uint64_t sent;                /* heartbeats on this connection */
    uint64_t renewed;
    uint64_t sent_at[SENT_TIMES];
    char said[MR_ERROR_TEXT_MAX]; /* last, of why there is no connection */
};

static void set_state(struct mr_link *link, enum link_state state) {
    static const unsigned from[] = {
#define STATE_FROM(name, mask) [name] = (mask),
        STATE_TABLE(STATE_FROM)
#undef STATE_FROM
    };
    MR_CHECK(from[state] & 1u << link->state);
    link->state = state;
}

static uint64_t now_ms(const struct mr_link *link) {
    return uv_now(mr_net_loop(link->net));
}

static void choose_incarnation(struct mr_link *link) {
    uint64_t number = 0;
    while (number == 0) {
        while (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number) {
        }
        number >>= 1;
    }
    link->incarnation = number;
    link->has_lease = false;
    uv_timer_stop(&link->lease);
}

static void drop(struct mr_link *link, const struct mr_error *why) {
    if (link->conn) {
        mr_conn_drop(link->conn, why);
    }
}

/* ---- the lease --------------------------------------------------------------------------------*/

static void fence(struct mr_link *link, const char *why) {
    choose_incarnation(link);
    link->events->fenced(link->user, why);
}

void mr_link_begin_anew(struct mr_link *link, const char *why) {
    fence(link, why);
    drop(link, NULL); /* what was said on it, either way, is void */
}

bool mr_link_has_lease(struct mr_link *link) {
    if (link->has_lease && now_ms(link) >= link->lease_until) {
        char why[160];
        snprintf(why, sizeof why, "the master renewed nothing for %" PRIu32 " ms", link->lease_ms);
        fence(link, why);
        drop(link, NULL); /* it may be half dead; a new one is made at once */
    }
    return link->has_lease;
}

static void lease_ended(uv_timer_t *timer) {
    (void)mr_link_has_lease(timer->data);
}

static void extend_lease(struct mr_link *link, uint64_t from) {
    uint64_t until = from + link->lease_ms;
    uint64_t now = now_ms(link);
    if (!link->has_lease || until > link->lease_until) {
        link->has_lease = true;
        link->lease_until = until;
        uv_timer_start(&link->lease, lease_ended, until > now ? until - now : 0, 0);
    }
}

/* ---- heartbeats -------------------------------------------------------------------------------*/

static void send_heartbeat(struct mr_link *link) {
    struct mr_wire_row_moved rows[64];
    struct mr_wire_row_moved *moved = rows;
    struct mr_error err = {0};
    size_t most = sizeof rows / sizeof *rows;
    size_t count = link->events->list_moved(link->user, rows, most);
    if (count == most) { /* perhaps there are more */
        struct mr_wire_row_moved *many = calloc(MOVED_ROWS, sizeof *many);
        count = many ? link->events->list_moved(link->user, many, MOVED_ROWS) : count;
        moved = many ? many : rows;
    }
    struct mr_wire_heartbeat message = {
        .number = ++link->sent, .renewed = link->renewed, .moved = moved, .moved_count = count};
    link->sent_at[link->sent % SENT_TIMES] = now_ms(link);
    if (mr_wire_send(link->conn, MR_WIRE_HEARTBEAT, &message, &err) && err.code != MR_ERR_CLOSED) {
        drop(link, &err);
    }
    if (moved != rows) {
        free(moved);
    }
}

/* What came while this process stood still was not heard yet: that is no silence. */
static bool is_silent(struct mr_link *link) {
    uint32_t beats_ms = 2 * link->heartbeat_ms;
    struct mr_net_limits limits = {.pulse_ms = link->heartbeat_ms,
                                   .silence_ms = link->lease_ms / 2 > beats_ms ? link->lease_ms / 2
                                                                               : beats_ms};
    return mr_pulse_is_silent(&link->master_pulse, &limits, mr_conn_heard_ms(link->conn),
                              now_ms(link));
}

static void heartbeat(uv_timer_t *timer) {
    struct mr_link *link = timer->data;
    if (!mr_link_has_lease(link) || link->state != REGISTERED) {
        return;
    }
    if (is_silent(link)) {
        struct mr_error why = {0};
        mr_error_set(&why, MR_ERR_CLOSED, "the master at %s says nothing", link->master);
        drop(link, &why);
        return;
    }
    send_heartbeat(link);
}

static void take_renewed(struct mr_link *link, const struct mr_wire_renewed *message) {
    if (message->number > link->sent || message->number <= link->renewed ||
        link->sent - message->number >= SENT_TIMES || link->state != REGISTERED) {
        return; /* late, or none of ours */
    }
    link->renewed = message->number;
    extend_lease(link, link->sent_at[message->number % SENT_TIMES]);
    link->events->renewed(link->user, message);
}

/* ---- registering ------------------------------------------------------------------------------*/

static int send_register(struct mr_link *link, struct mr_error *err) {
    struct mr_wire_row_held *rows = calloc(HELD_ROWS, sizeof *rows);
    struct mr_wire_register message = {0};
    size_t sent = 0;
    if (!rows) {
        return mr_error_nomem(err, "registering");
    }
    link->events->describe(link->user, &message);
    message.incarnation = link->incarnation;
    message.held = rows;
    message.held_count = link->events->list_held(link->user, 0, rows, HELD_ROWS);
    message.held_follows = message.held_count == HELD_ROWS;
    (void)!mr_wire_send(link->conn, MR_WIRE_REGISTER, &message, err);
    while (!err->code && message.held_follows) {
        sent += HELD_ROWS;
        size_t count = link->events->list_held(link->user, sent, rows, HELD_ROWS);
        struct mr_wire_more_held more = {
            .held = rows, .held_count = count, .held_follows = count == HELD_ROWS};
        message.held_follows = more.held_follows;
        (void)!mr_wire_send(link->conn, MR_WIRE_MORE_HELD, &more, err);
    }
    free(rows);
    return err->code;
}

static int take_registered(struct mr_link *link, const struct mr_wire_registered *message,
                           struct mr_error *err) {
    if (link->state != REGISTERING || message->lease_ms == 0 || message->heartbeat_ms == 0) {
        return mr_error_set(err, MR_ERR_IO, "the master at %s answers what was not asked",
                            link->master);
    }
    uint64_t incarnation = link->incarnation;
    if (link->events->judge(link->user, message, err)) {
        return err->code;
    }
    if (link->incarnation != incarnation) { /* the owner begins anew: this answer is void */
        return MR_OK;
    }
    link->node = (uint32_t)message->node;
    link->lease_ms = (uint32_t)message->lease_ms;
    link->heartbeat_ms = (uint32_t)message->heartbeat_ms;
    mr_net_set_silence(link->net, link->lease_ms);
    link->sent = link->renewed = 0;
    link->retry_ms = RETRY_FIRST_MS;
    link->said[0] = '\0';
    set_state(link, REGISTERED);
    if (!link->has_lease || link->lease_until > now_ms(link) + link->lease_ms) {
        link->has_lease = false; /* it begins with the first registration; or is shorter now */
        extend_lease(link, now_ms(link));
    }
    mr_pulse_begin(&link->master_pulse, now_ms(link));
    uv_timer_start(&link->heartbeat, heartbeat, link->heartbeat_ms, link->heartbeat_ms);
    send_heartbeat(link);
    link->events->registered(link->user);
    return MR_OK;
}

/* It is asked again, but ever more seldom; or not at all. */
static int take_refused(struct mr_link *link, const struct mr_wire_refused *message,
                        struct mr_error *err) {
    const char *why = message->why ? message->why : "it does not say why";
    if (message->is_final) {
        link->events->refused(link->user, why);
        return MR_OK;
    }
    link->is_refused = true;
    return mr_error_set(err, MR_ERR_CLUSTER, "the master at %s refuses this worker: %s",
                        link->master, why);
}

/* ---- the connection ---------------------------------------------------------------------------*/

static void ready(struct mr_conn *conn, void *user) {
    struct mr_link *link = user;
    struct mr_error err = {0};
    set_state(link, REGISTERING);
    if (send_register(link, &err)) {
        mr_conn_drop(conn, &err);
    }
}

/* Says why there is no connection, once for each reason. */
static void complain(struct mr_link *link, const struct mr_error *why) {
    if (why->code && strcmp(why->text, link->said) != 0) {
        char text[MR_ERROR_TEXT_MAX + 64];
        snprintf(text, sizeof text, "%s; trying again", why->text);
        snprintf(link->said, sizeof link->said, "%s", why->text);
        link->events->say(link->user, text);
    }
}

static void take_fenced(struct mr_link *link, const struct mr_wire_fenced *message) {
    const char *why = message->why ? message->why : "the master says so";
    struct mr_error err = {0};
    if (link->has_lease) {
        mr_link_begin_anew(link, why);
    } else { /* it was not taken in: there is nothing to end */
        choose_incarnation(link);
        mr_error_set(&err, MR_ERR_CLUSTER, "%s", why);
        complain(link, &err);
        drop(link, NULL);
    }
}

static int take(struct mr_link *link, unsigned kind, const union mr_wire_any *message,
                struct mr_bytes piece, struct mr_error *err) {
    switch (kind) {
    case MR_WIRE_REGISTERED:
        return take_registered(link, &message->registered_, err);
    case MR_WIRE_REFUSED:
        return take_refused(link, &message->refused_, err);
    case MR_WIRE_RENEWED:
        take_renewed(link, &message->renewed_);
        return MR_OK;
    case MR_WIRE_FENCED:
        take_fenced(link, &message->fenced_);
        return MR_OK;
    default:
        if (link->state != REGISTERED) { /* said to an incarnation that is void by now */
            return MR_OK;
        }
        return link->events->message(link->user, kind, message, piece, err);
    }
}

static void frame(struct mr_conn *conn, const struct mr_frame *frame, void *user) {
    struct mr_link *link = user;
    union mr_wire_any *message = malloc(sizeof *message);
    struct mr_layout_held held = {0};
    struct mr_error err = {0};
    if (!message) {
        mr_error_nomem(&err, "reading a message");
    } else if (!mr_wire_decode(frame->kind, frame->body, message, &held, &err)) {
        (void)!take(link, frame->kind, message, frame->piece, &err);
    }
    mr_layout_release(&held);
    free(message);
    if (err.code) {
        mr_conn_drop(conn, &err);
    }
}

static void drained(struct mr_conn *conn, void *user) {
    (void)conn;
    struct mr_link *link = user;
    if (link->state == REGISTERED) {
        link->events->drained(link->user);
    }
}

static void finish(struct mr_link *link);
static void rest(struct mr_link *link);

static void closed(struct mr_conn *conn, bool by_peer, const struct mr_error *why, void *user) {
    (void)conn;
    (void)by_peer;
    struct mr_link *link = user;
    link->conn = NULL;
    uv_timer_stop(&link->heartbeat);
    if (link->state == CLOSING) {
        finish(link);
        return;
    }
    complain(link, why);
    set_state(link, RESTING);
    rest(link);
}

static const struct mr_conn_events conn_events = {
    .ready = ready, .frame = frame, .drained = drained, .closed = closed};

static void connect_again(uv_timer_t *timer) {
    struct mr_link *link = timer->data;
    struct mr_error err = {0};
    if (mr_entry_dial(link->net, link->master, &conn_events, link, &link->conn, &err)) {
        link->conn = NULL;
        complain(link, &err);
        rest(link);
        return;
    }
    set_state(link, CONNECTING);
}

static void rest(struct mr_link *link) {
    uint64_t most = link->is_refused ? RETRY_REFUSED_MS : RETRY_MOST_MS;
    link->is_refused = false;
    link->retry_ms = link->retry_ms < most ? link->retry_ms : most;
    uv_timer_start(&link->retry, connect_again, link->retry_ms, 0);
    link->retry_ms = 2 * link->retry_ms;
}

/* ---- life -------------------------------------------------------------------------------------*/

int mr_link_open(struct mr_net *net, const char *master, const struct mr_link_events *events,
                 void *user, struct mr_link **link, struct mr_error *err) {
    struct mr_link *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "connecting to the master");
    }
    *made = (struct mr_link){.net = net,
                             .master = master,
                             .events = events,
                             .user = user,
                             .state = RESTING,
                             .timers = 3,
                             .retry_ms = RETRY_FIRST_MS};
    uv_timer_t *const timers[] = {&made->retry, &made->heartbeat, &made->lease};
    for (size_t i = 0; i < sizeof timers / sizeof *timers; i++) {
        uv_timer_init(mr_net_loop(net), timers[i]);
        timers[i]->data = made;
    }
    choose_incarnation(made);
    uv_timer_start(&made->retry, connect_again, 0, 0);
    *link = made;
    return MR_OK;
}

static void timer_closed(uv_handle_t *handle) {
    struct mr_link *link = handle->data;
    if (--link->timers == 0) {
        const struct mr_link_events *events = link->events;
        void *user = link->user;
        free(link);
        events->closed(user);
    }
}

static void finish(struct mr_link *link) {
    uv_close((uv_handle_t *)&link->retry, timer_closed);
    uv_close((uv_handle_t *)&link->heartbeat, timer_closed);
    uv_close((uv_handle_t *)&link->lease, timer_closed);
}

void mr_link_close(struct mr_link *link) {
    if (!link || link->state == CLOSING) {
        return;
    }
    uv_timer_stop(&link->retry);
    uv_timer_stop(&link->heartbeat);
    uv_timer_stop(&link->lease);
    set_state(link, CLOSING);
    if (link->conn) {
        mr_conn_close(link->conn);
    } else {
        finish(link);
    }
}

uint32_t mr_link_node(const struct mr_link *link) {
    return link->node;
}

bool mr_link_is_registered(const struct mr_link *link) {
    return link->state == REGISTERED;
}

struct mr_conn *mr_link_conn(const struct mr_link *link) {
    return link->state == REGISTERED ? link->conn : NULL;
}

bool mr_link_send(struct mr_link *link, enum mr_wire_kind kind, const void *message) {
    struct mr_error err = {0};
    if (link->state != REGISTERED || !mr_link_has_lease(link) || link->state != REGISTERED) {
        return false;
    }
    if (mr_wire_send(link->conn, kind, message, &err)) {
        if (err.code != MR_ERR_CLOSED) {
            drop(link, &err);
        }
        return false;
    }
    return true;
}
