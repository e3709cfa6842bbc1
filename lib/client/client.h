/* client: a connection to the master, and requests made over it, one at a time.
 *
 * A request is a call: `begin` asks, `take` hears what comes until it has what it wants. When the
 * connection is lost meanwhile it is made again, for as long as the connect timeout allows, and
 * `begin` asks again: every request is one that may be asked twice. What the other side WANTs of
 * blobs is sent by the client itself, with back-pressure.
 *
 * One thread. The loop runs inside the functions here only. */
#ifndef MR_CLIENT_CLIENT_H
#define MR_CLIENT_CLIENT_H

#include "lib/base/buffer.h"
#include "lib/base/hash.h"
#include "lib/net/wire.h"

#include <mr/bytes.h>
#include <mr/status.h>
#include <stdbool.h>
#include <stdint.h>

#define MR_CLIENT_MASTER "127.0.0.1:7077"
#define MR_CLIENT_CONNECT_SECONDS 30

struct mr_client; /* opaque */

struct mr_client_options {
    const char *master;  /* HOST:PORT; NULL: MILLRACE_MASTER, else MR_CLIENT_MASTER */
    const char *secret;  /* a file; NULL: MILLRACE_SECRET, else that of the user's own daemons */
    uint64_t connect_ms; /* so long a master that is away is waited for; 0: not at all */
    void (*say)(const char *line);        /* told once that it is waited for; NULL: in silence */
    void (*signalled)(int signal_number); /* told before `interrupted` is; NULL: not */
};

struct mr_client_message {
    unsigned kind; /* enum mr_wire_kind */
    const union mr_wire_any *as;
    struct mr_bytes piece; /* of bulk kinds */
};

/* Functions return 0 to go on, 1 when the call is done, or a status with its sentence. All but
 * begin and take may be NULL. */
struct mr_client_call {
    int (*begin)(struct mr_client *client, void *arg, struct mr_error *err);
    int (*take)(struct mr_client *client, const struct mr_client_message *message, void *arg,
                struct mr_error *err);
    /* SIGINT, SIGTERM or SIGHUP came; without this function they do what they always do. */
    int (*interrupted)(struct mr_client *client, int signal_number, void *arg,
                       struct mr_error *err);
    /* The time of mr_client_set_clock is over. */
    int (*expired)(struct mr_client *client, void *arg, struct mr_error *err);
    void *arg;
};

/* Reads the secret; connects with the first call. A secret that is not good: MR_ERR_USAGE, or
 * MR_ERR_CLUSTER where no daemon of this user ever ran here. */
MR_MUST_USE int mr_client_open(const struct mr_client_options *options, struct mr_client **client,
                               struct mr_error *err);
/* Sends what is still queued (for a few seconds at most), then frees. Harmless on NULL. */
void mr_client_close(struct mr_client *client);

/* Whether a signal that comes between two calls waits for the next one that can be interrupted, for
 * an owner who would leave something half-made; else it does what it always does. */
void mr_client_keep_signals(struct mr_client *client, bool keeps);

/* Makes a call. MR_ERR_CLUSTER: the master was away for too long, or refuses; else what the call's
 * functions returned (done: 0). */
MR_MUST_USE int mr_client_run(struct mr_client *client, const struct mr_client_call *call,
                              struct mr_error *err);

/* Inside a call: sends to the master. A connection that is lost is no failure: `begin` will be
 * called again. */
MR_MUST_USE int mr_client_send(struct mr_client *client, enum mr_wire_kind kind,
                               const void *message, struct mr_error *err);
/* Calls `expired` in so many milliseconds, once; 0: never. */
void mr_client_set_clock(struct mr_client *client, uint64_t milliseconds);
/* Ends the call from outside of its functions, with what they might return; *err is copied. */
void mr_client_settle(struct mr_client *client, int status, const struct mr_error *err);

/* Runs the loop, outside of a call, until that is so. */
void mr_client_pump(struct mr_client *client, bool (*is_so)(void *arg), void *arg);

/* Whether a master ever let it in: what is refused then is not said of the command line alone. */
bool mr_client_was_let_in(const struct mr_client *client);

/* Where further connections can be made, and what the master is called in sentences. */
struct mr_net *mr_client_net(struct mr_client *client);
const char *mr_client_master(const struct mr_client *client);

/* Has bytes ready for whoever wants the blob of that name; borrowed until the client is closed. */
MR_MUST_USE int mr_client_offer(struct mr_client *client, struct mr_bytes bytes,
                                struct mr_hash_128 *hash, struct mr_error *err);
/* A RESULT as a failure: sets *err and returns its code, or 1 where the request went well. */
int mr_client_result(const struct mr_wire_result *result, struct mr_error *err);
/* A status as it travels. */
int mr_client_status(uint64_t status);

#endif
