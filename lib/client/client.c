/* client: a connection to the master, and requests made over it, one at a time. */
#include "lib/client/client.h"

#include "lib/base/error.h"
#include "lib/client/uploads.h"
#include "lib/net/entry.h"
#include "lib/net/loop.h"
#include "lib/net/net.h"
#include "lib/net/secret.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define RETRY_MS_FIRST 20
#define RETRY_MS_MOST 1000
#define TELL_MS 500 /* of waiting, before it is said */
#define CONNECT_MS_MOST 10000
#define CLOCK_LOOKS 3 /* a loop reads at least once in between */

static const int caught[] = {SIGINT, SIGTERM, SIGHUP};
#define CAUGHT (sizeof caught / sizeof *caught)

struct mr_client {
    char *master;
    uint64_t connect_ms;
    void (*say)(const char *line);
    void (*signalled)(int signal_number);
    uv_loop_t loop;
    struct mr_net *net;
    struct mr_conn *conn; /* NULL: none, not even in the making */
    bool is_ready;
    bool was_ready; /* ever */
    bool has_told;
    uint64_t lost_ms; /* when the connection was lost, or first wanted */
    uint64_t retry_ms;
    uv_timer_t retry;
    uv_timer_t clock;
    unsigned clock_looks; /* since it went off */
    uv_signal_t signals[CAUGHT];
    bool keeps_signals; /* between calls too */
    int signal_number;  /* that came so; 0: none */
    struct mr_uploads uploads;
    const struct mr_client_call *call; /* under way */
    bool is_over;                      /* it is: */
    struct mr_error err;
};

/* ---- calls ------------------------------------------------------------------------------------*/

void mr_client_settle(struct mr_client *client, int status, const struct mr_error *err) {
    if (client->is_over || status == 0) {
        return;
    }
    client->is_over = true;
    if (status < 0) {
        client->err = *err;
        client->err.code = status;
    }
}

static void begin_call(struct mr_client *client) {
    struct mr_error err = {0};
    int status = client->call->begin(client, client->call->arg, &err);
    /* Where the connection is gone, `closed` comes, and all begins again. */
    mr_client_settle(client, status == MR_ERR_CLOSED ? 0 : status, &err);
}

int mr_client_send(struct mr_client *client, enum mr_wire_kind kind, const void *message,
                   struct mr_error *err) {
    struct mr_error why = {0};
    if (!client->is_ready || !mr_wire_send(client->conn, kind, message, &why) ||
        why.code == MR_ERR_CLOSED) {
        return MR_OK;
    }
    return mr_error_set(err, why.code, "%s", why.text);
}

/* ---- the connection ---------------------------------------------------------------------------*/

static void connect_now(struct mr_client *client);

static void on_retry(uv_timer_t *timer) {
    connect_now(timer->data);
}

static void tell(struct mr_client *client, const struct mr_error *why) {
    char line[MR_ERROR_TEXT_MAX + 128];
    if (client->has_told || !client->say || uv_now(&client->loop) - client->lost_ms < TELL_MS) {
        return;
    }
    client->has_told = true;
    snprintf(line, sizeof line, "waiting for the master at %s, for %" PRIu64 " s%s%s\n",
             client->master, (client->connect_ms + 999) / 1000, why->text[0] ? ": " : "",
             why->text);
    client->say(line);
}

static void lose(struct mr_client *client, bool away, const struct mr_error *why) {
    struct mr_error err = {0};
    uint64_t waited = uv_now(&client->loop) - client->lost_ms;
    if (!away) {
        mr_error_set(&err, why->code, "%s", why->text);
        mr_client_settle(client, err.code, &err);
    } else if (waited >= client->connect_ms) {
        mr_error_set(&err, MR_ERR_CLUSTER, "no master answers at %s%s%s", client->master,
                     why->text[0] ? ": " : "", why->text);
        mr_client_settle(client, MR_ERR_CLUSTER, &err);
    } else {
        uint64_t left = client->connect_ms - waited;
        tell(client, why);
        uv_timer_start(&client->retry, on_retry, client->retry_ms < left ? client->retry_ms : left,
                       0);
        client->retry_ms *= client->retry_ms < RETRY_MS_MOST ? 2 : 1;
    }
}

static void on_ready(struct mr_conn *conn, void *user) {
    struct mr_client *client = user;
    (void)conn;
    client->is_ready = client->was_ready = true;
    client->has_told = false;
    if (client->call && !client->is_over) {
        begin_call(client);
    }
}

static void on_closed(struct mr_conn *conn, bool by_peer, const struct mr_error *why, void *user) {
    struct mr_client *client = user;
    (void)conn;
    (void)by_peer;
    bool was_ready = client->is_ready;
    client->conn = NULL;
    client->is_ready = false;
    mr_uploads_stop(&client->uploads);
    if (!client->call || client->is_over) {
        return;
    }
    if (was_ready) {
        client->lost_ms = uv_now(&client->loop);
        client->retry_ms = RETRY_MS_FIRST;
    }
    lose(client, why->code == MR_OK || why->code == MR_ERR_CLOSED, why);
}

static void on_frame(struct mr_conn *conn, const struct mr_frame *frame, void *user) {
    struct mr_client *client = user;
    union mr_wire_any any;
    struct mr_layout_held held;
    struct mr_error err = {0};
    if (mr_wire_decode(frame->kind, frame->body, &any, &held, &err)) {
        mr_layout_release(&held);
        mr_conn_drop(conn, &err);
        return;
    }
    int status = 0;
    if (frame->kind == MR_WIRE_WANT) {
        struct mr_hash_128 hash = {any.want_.high, any.want_.low};
        status = mr_uploads_start(&client->uploads, conn, hash, &err);
        status = status == MR_ERR_CLOSED ? 0 : status;
    } else if (client->call && !client->is_over) {
        struct mr_client_message message = {frame->kind, &any, frame->piece};
        status = client->call->take(client, &message, client->call->arg, &err);
    }
    mr_layout_release(&held);
    mr_client_settle(client, status, &err);
}

static void on_drained(struct mr_conn *conn, void *user) {
    struct mr_client *client = user;
    struct mr_error err = {0};
    int status = mr_uploads_go_on(&client->uploads, conn, &err);
    mr_client_settle(client, status == MR_ERR_CLOSED ? 0 : status, &err);
}

static const struct mr_conn_events events = {
    .ready = on_ready, .frame = on_frame, .drained = on_drained, .closed = on_closed};

static void connect_now(struct mr_client *client) {
    struct mr_error err = {0};
    if (mr_entry_dial(client->net, client->master, &events, client, &client->conn, &err)) {
        client->conn = NULL;
        mr_client_settle(client, err.code, &err);
    }
}

/* ---- signals, time ----------------------------------------------------------------------------*/

static void on_signal(uv_signal_t *handle, int signal_number) {
    struct mr_client *client = handle->data;
    struct mr_error err = {0};
    if (!client->call || !client->call->interrupted || client->is_over) {
        client->signal_number = signal_number;
        return;
    }
    if (client->signalled) {
        client->signalled(signal_number);
    }
    mr_client_settle(
        client, client->call->interrupted(client, signal_number, client->call->arg, &err), &err);
}

static void catch_signals(struct mr_client *client) {
    for (size_t i = 0; i < CAUGHT; i++) {
        struct sigaction now;
        if (!uv_is_active((uv_handle_t *)&client->signals[i]) &&
            sigaction(caught[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN) {
            (void)uv_signal_start(&client->signals[i], on_signal, caught[i]);
        }
    }
}

static void release_signals(struct mr_client *client) {
    for (size_t i = 0; i < CAUGHT; i++) {
        (void)uv_signal_stop(&client->signals[i]);
    }
}

void mr_client_keep_signals(struct mr_client *client, bool keeps) {
    client->keeps_signals = keeps;
    if (keeps) {
        catch_signals(client);
    } else {
        release_signals(client);
    }
}

/* One that came before this call did. */
static void take_signal(struct mr_client *client) {
    int signal_number = client->signal_number;
    if (signal_number && client->call->interrupted) {
        client->signal_number = 0;
        on_signal(&client->signals[0], signal_number);
    }
}

/* What came while this process stood still is heard first. */
static void on_clock(uv_timer_t *timer) {
    struct mr_client *client = timer->data;
    struct mr_error err = {0};
    if (++client->clock_looks < CLOCK_LOOKS) {
        uv_timer_start(timer, on_clock, 1, 0);
        return;
    }
    if (client->call && client->call->expired && !client->is_over) {
        mr_client_settle(client, client->call->expired(client, client->call->arg, &err), &err);
    }
}

void mr_client_set_clock(struct mr_client *client, uint64_t milliseconds) {
    client->clock_looks = 0;
    if (milliseconds) {
        uv_update_time(&client->loop);
        uv_timer_start(&client->clock, on_clock, milliseconds, 0);
    } else {
        uv_timer_stop(&client->clock);
    }
}

int mr_client_run(struct mr_client *client, const struct mr_client_call *call,
                  struct mr_error *err) {
    client->call = call;
    client->is_over = false;
    client->err = (struct mr_error){0};
    uv_update_time(&client->loop);
    if (call->interrupted) {
        catch_signals(client);
    }
    if (client->is_ready) {
        begin_call(client);
    } else {
        client->lost_ms = uv_now(&client->loop);
        client->retry_ms = RETRY_MS_FIRST;
        if (!client->conn) {
            connect_now(client);
        }
    }
    take_signal(client);
    while (!client->is_over) {
        uv_run(&client->loop, UV_RUN_ONCE);
    }
    if (!client->keeps_signals) {
        release_signals(client);
    }
    uv_timer_stop(&client->retry);
    uv_timer_stop(&client->clock);
    client->call = NULL;
    return client->err.code ? mr_error_set(err, client->err.code, "%s", client->err.text) : MR_OK;
}

void mr_client_pump(struct mr_client *client, bool (*is_so)(void *arg), void *arg) {
    while (!is_so(arg)) {
        uv_run(&client->loop, UV_RUN_ONCE);
    }
}

/* ---- its beginning and end --------------------------------------------------------------------*/

static const char *or_environment(const char *given, const char *name, const char *fallback) {
    const char *value = given ? given : getenv(name);
    return value && *value ? value : fallback;
}

static int open_net(struct mr_client *client, const char *secret_path, struct mr_error *err) {
    struct mr_secret secret;
    uint64_t most = client->connect_ms < CONNECT_MS_MOST ? client->connect_ms : CONNECT_MS_MOST;
    struct mr_net_config config = {.loop = &client->loop,
                                   .secret = &secret,
                                   .role = MR_NET_CLIENT,
                                   .name = "client",
                                   .limit = mr_wire_limit,
                                   .limits.connect_ms = most < 1000 ? 1000 : (uint32_t)most};
    if (!mr_secret_find(secret_path, false, &secret, err)) {
        (void)!mr_net_create(&config, &client->net, err);
    }
    mr_secret_forget(&secret);
    return err->code;
}

int mr_client_open(const struct mr_client_options *options, struct mr_client **client,
                   struct mr_error *err) {
    const char *master = or_environment(options->master, "MILLRACE_MASTER", MR_CLIENT_MASTER);
    struct mr_client *made = calloc(1, sizeof *made);
    char *copy = strdup(master);
    if (!made || !copy) {
        mr_error_nomem(err, "prepare a connection");
    }
    if (err->code || mr_loop_init(&made->loop, "prepare a connection", err)) {
        free(made);
        free(copy);
        return err->code;
    }
    made->master = copy;
    made->connect_ms = options->connect_ms;
    made->say = options->say;
    made->signalled = options->signalled;
    (void)uv_timer_init(&made->loop, &made->retry);
    (void)uv_timer_init(&made->loop, &made->clock);
    made->retry.data = made;
    made->clock.data = made;
    for (size_t i = 0; i < CAUGHT; i++) {
        (void)uv_signal_init(&made->loop, &made->signals[i]);
        made->signals[i].data = made;
    }
    if (open_net(made, or_environment(options->secret, "MILLRACE_SECRET", NULL), err)) {
        mr_client_close(made);
        return err->code;
    }
    *client = made;
    return MR_OK;
}

void mr_client_close(struct mr_client *client) {
    if (!client) {
        return;
    }
    if (client->conn) {
        mr_conn_close(client->conn);
    }
    uv_close((uv_handle_t *)&client->retry, NULL);
    uv_close((uv_handle_t *)&client->clock, NULL);
    for (size_t i = 0; i < CAUGHT; i++) {
        uv_close((uv_handle_t *)&client->signals[i], NULL);
    }
    (void)uv_run(&client->loop, UV_RUN_DEFAULT);
    mr_net_destroy(client->net);
    mr_uploads_fini(&client->uploads);
    (void)uv_loop_close(&client->loop);
    free(client->master);
    free(client);
}

struct mr_net *mr_client_net(struct mr_client *client) {
    return client->net;
}

bool mr_client_was_let_in(const struct mr_client *client) {
    return client->was_ready;
}

const char *mr_client_master(const struct mr_client *client) {
    return client->master;
}

/* ---- blobs, results ---------------------------------------------------------------------------*/

int mr_client_offer(struct mr_client *client, struct mr_bytes bytes, struct mr_hash_128 *hash,
                    struct mr_error *err) {
    return mr_uploads_offer(&client->uploads, bytes, hash, err);
}

int mr_client_status(uint64_t status) {
    return -(int)status;
}

int mr_client_result(const struct mr_wire_result *result, struct mr_error *err) {
    return result->status ? mr_error_set(err, mr_client_status(result->status), "%s",
                                         result->why ? result->why : "the master refuses")
                          : 1;
}
