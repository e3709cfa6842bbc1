/* welcome: the greeting at the beginning of a connection: says who we are, hears who is there. */
#include "lib/net/welcome.h"

#include "lib/base/error.h"
#include "lib/net/conn_inside.h"

#include <string.h>

static struct mr_greeting ours(const struct mr_conn *conn) {
    struct mr_greeting greeting = {.protocol = conn->net->protocol, .role = conn->net->role};
    strncpy(greeting.name, conn->net->name, MR_GREETING_NAME_MAX);
    strncpy(greeting.version, conn->net->version, MR_GREETING_VERSION_MAX);
    return greeting;
}

/* Says who we are. */
static int say_greeting(struct mr_conn *conn, enum mr_greeting_kind kind, struct mr_error *err) {
    struct mr_greeting greeting = ours(conn);
    conn->net->frame.len = 0;
    return mr_greeting_write(&conn->net->frame, kind, &greeting, err)
               ? err->code
               : mr_conn_send_made(conn, err);
}

static void refuse(struct mr_conn *conn, const struct mr_error *why) {
    struct mr_greeting greeting = ours(conn);
    struct mr_error err = {0};
    struct mr_error told = {0};
    conn->net->counters.refused++;
    conn->net->frame.len = 0;
    if (!mr_greeting_write_refusal(&conn->net->frame, why, &greeting, &err)) {
        (void)!mr_conn_send_made(conn, &err); /* who can't be told sees the connection close */
    }
    mr_error_set(&told, MR_ERR_CLUSTER, "%s was refused: %.800s", conn->label, why->text);
    mr_conn_leave(conn, &told);
}

/* Asks the owner of the door, and answers. */
static void hear_hello(struct mr_conn *conn) {
    struct mr_greeting greeting = ours(conn);
    struct mr_error err = {0};
    conn->is_at_door = true;
    if (!mr_greeting_judge(&greeting, &conn->theirs, mr_cipher_role(conn->stream), &err)) {
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
    if (say_greeting(conn, MR_GREETING_WELCOME, &err) ||
        mr_cipher_write(conn->stream, conn->early.data, conn->early.len, &err)) {
        mr_conn_end(conn, false, &err);
    }
    mr_buffer_fini(&conn->early);
}

static void hear_welcome(struct mr_conn *conn) {
    struct mr_greeting greeting = ours(conn);
    struct mr_error err = {0};
    if (mr_greeting_judge(&greeting, &conn->theirs, MR_ROLE_KEY_WORKER, &err)) {
        mr_conn_end(conn, false, &err);
        return;
    }
    mr_conn_set_ready(conn);
    if (conn->events->ready) {
        conn->events->ready(conn, conn->user);
    }
}

void mr_welcome_hear(struct mr_conn *conn, const struct mr_frame *frame) {
    struct mr_error err = {0};
    bool is_dialed = conn->door == NULL;
    if (is_dialed && frame->kind == MR_GREETING_REFUSED) {
        (void)mr_greeting_read_refusal(frame->body, conn->label, &err);
    } else if (frame->kind != (is_dialed ? MR_GREETING_WELCOME : MR_GREETING_HELLO)) {
        mr_error_set(&err, MR_ERR_IO, "%s greets with a message that does not belong there",
                     conn->label);
    } else if (mr_greeting_read(frame->body, &conn->theirs, &err)) {
        mr_error_add(&err, " (from %s)", conn->label);
    }
    if (err.code) {
        conn->net->counters.bad_frames += err.code == MR_ERR_IO;
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

void mr_welcome_begin(struct mr_conn *conn) {
    struct mr_error err = {0};
    if (!conn->door && say_greeting(conn, MR_GREETING_HELLO, &err)) {
        mr_conn_end(conn, false, &err);
    }
}
