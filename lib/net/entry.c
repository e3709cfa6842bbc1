/* entry: how connections begin: dialled or accepted, TLS, and who is there. */
#include "lib/net/entry.h"

#include "lib/base/error.h"
#include "lib/net/conn_inside.h"
#include "lib/net/dial.h"
#include "lib/net/welcome.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the greeting ---------------------------------------------------------------------------- */

static void refuse(struct mr_conn *conn, const struct mr_error *why) {
    struct mr_error err = {0};
    struct mr_error told = {0};
    conn->net->counters.refused++;
    if (!mr_welcome_refuse(conn->net, why, &err)) {
        (void)!mr_conn_send_made(conn, &err); /* who can't be told sees the connection close */
    }
    mr_error_set(&told, MR_ERR_CLUSTER, "%s was refused: %.800s", conn->label, why->text);
    mr_conn_leave(conn, &told);
}

/* Asks the owner of the door, and answers. */
static void hear_hello(struct mr_conn *conn) {
    struct mr_error err = {0};
    conn->is_at_door = true;
    if (!mr_welcome_judge(conn->net, &conn->theirs, mr_cipher_role(conn->stream), &err)) {
        (void)conn->door(conn, conn->user, &err);
    }
    conn->is_at_door = false;
    if (conn->state != MR_CONN_GREETING) {
        return; /* it was closed there */
    }
    if (err.code) {
        refuse(conn, &err);
        return;
    }
    conn->net->counters.greeted++;
    mr_conn_set_ready(conn);
    if (mr_welcome_say(conn->net, MR_GREETING_WELCOME, &err) || mr_conn_send_made(conn, &err) ||
        mr_cipher_write(conn->stream, conn->early.data, conn->early.len, &err)) {
        mr_conn_end(conn, false, &err);
    }
    mr_buffer_fini(&conn->early);
}

static void hear_welcome(struct mr_conn *conn) {
    struct mr_error err = {0};
    if (mr_welcome_judge(conn->net, &conn->theirs, MR_ROLE_KEY_WORKER, &err)) {
        mr_conn_end(conn, false, &err);
        return;
    }
    mr_conn_set_ready(conn);
    if (conn->events->ready) {
        conn->events->ready(conn, conn->user);
    }
}

/* The one message of the greeting that is for this side to hear. */
static void hear_greeting(struct mr_conn *conn, const struct mr_frame *frame) {
    struct mr_error err = {0};
    bool is_dialed = conn->door == NULL;
    if (mr_welcome_read(conn->net, is_dialed, conn->label, frame, &conn->theirs, &err)) {
        mr_conn_end(conn, false, &err);
        return;
    }
    conn->peer = (struct mr_conn_peer){.role = conn->theirs.role,
                                       .protocol = conn->theirs.protocol,
                                       .version = conn->theirs.version,
                                       .name = conn->theirs.name,
                                       .address = conn->address};
    if (is_dialed) {
        hear_welcome(conn);
    } else {
        hear_hello(conn);
    }
}

static void up(struct mr_conn *conn) {
    struct mr_error err = {0};
    if (!conn->door &&
        (mr_welcome_say(conn->net, MR_GREETING_HELLO, &err) || mr_conn_send_made(conn, &err))) {
        mr_conn_end(conn, false, &err);
    }
}

static const struct mr_conn_entry entry = {.up = up, .greeting = hear_greeting};

/* ---- the socket ------------------------------------------------------------------------------ */

static void end_late(struct mr_conn *conn) {
    struct mr_error why = {0};
    bool is_dialed = conn->door == NULL;
    conn->net->counters.late += !is_dialed;
    mr_error_set(
        &why, is_dialed ? MR_ERR_CLOSED : MR_ERR_CLUSTER,
        is_dialed ? "%s did not answer within %u ms" : "%s did not say who it is within %u ms",
        conn->label, is_dialed ? conn->net->limits.connect_ms : conn->net->limits.greeting_ms);
    mr_conn_end(conn, false, &why);
}

/* Nobody knows it yet: it goes without a word. */
static void discard(struct mr_conn *conn) {
    conn->events = NULL;
    mr_conn_end(conn, false, NULL);
}

static void write_peer_address(struct mr_conn *conn, int fd) {
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof name;
    (void)!getpeername(fd, (struct sockaddr *)&name, &len); /* gone already: "?" */
    mr_address_write((struct sockaddr *)&name, conn->address);
}

static void on_dialed(int fd, const struct mr_error *why, void *user) {
    struct mr_conn *conn = user;
    struct mr_error err = {0};
    conn->dial = NULL;
    if (fd < 0) {
        mr_conn_end(conn, false, why);
        return;
    }
    write_peer_address(conn, fd);
    if (mr_conn_shake(conn, fd, MR_TLS_CLIENT, &err)) {
        mr_conn_end(conn, false, &err);
    }
}

int mr_entry_dial(struct mr_net *net, const char *address, const struct mr_conn_events *events,
                  void *user, struct mr_conn **conn, struct mr_error *err) {
    struct mr_address target;
    if (mr_address_read(address, "the address", &target, err)) {
        return err->code;
    }
    struct mr_conn *made = mr_conn_create(net, &entry, events, user, err);
    if (!made) {
        return err->code;
    }
    strncpy(made->label, address, MR_CONN_LABEL_MAX - 1);
    strncpy(made->address, address, MR_ADDRESS_TEXT_MAX - 1);
    uint32_t within_ms = net->limits.connect_ms;
    if (mr_dial_start(net->loop, &target, within_ms, on_dialed, made, &made->dial, err)) {
        discard(made);
        return err->code;
    }
    mr_conn_set_deadline(made, within_ms, end_late);
    *conn = made;
    return MR_OK;
}

int mr_entry_accept(struct mr_net *net, int fd, const char *address, mr_conn_door door,
                    const struct mr_conn_events *events, void *user, struct mr_conn **conn,
                    struct mr_error *err) {
    struct mr_conn *made = mr_conn_create(net, &entry, events, user, err);
    if (!made) {
        (void)close(fd);
        return err->code;
    }
    made->door = door;
    strncpy(made->label, address, MR_CONN_LABEL_MAX - 1);
    strncpy(made->address, address, MR_ADDRESS_TEXT_MAX - 1);
    if (mr_conn_shake(made, fd, MR_TLS_SERVER, err)) {
        discard(made);
        return err->code;
    }
    mr_conn_set_deadline(made, net->limits.greeting_ms, end_late);
    *conn = made;
    return MR_OK;
}
