/* listener: the one door: accepts connections, and hands over those that are greeted.
 *
 * Before its greeting ended a connection reaches nothing but the handshake: it has 4 KiB of buffer
 * and greeting_ms of time, and there are at most greeting_count_max of them; one more closes the
 * one that has waited longest. A process without descriptors gives up its reserve to tell one peer
 * so (by closing), and rests for accept_pause_ms. All functions: the loop's thread. */
#ifndef MR_NET_LISTENER_H
#define MR_NET_LISTENER_H

#include "lib/net/conn.h"
#include "lib/net/net.h"

#include <mr/status.h>
#include <stdbool.h>

struct mr_listener; /* opaque */

struct mr_listener_options {
    const char *address;      /* "HOST:PORT", IPv6 in brackets; port 0: any */
    bool has_explicit_secret; /* --secret was given: others than loopback may be listened on */
    bool allow_root;          /* --allow-root */
};

struct mr_listener_events {
    /* A peer is known: the owner takes it over (mr_conn_set_owner) and returns 0, or refuses it:
     * sets *err to a sentence, which the peer is told, and returns its code. It may send at once:
     * that comes behind the greeting. */
    int (*accepted)(struct mr_listener *listener, struct mr_conn *conn, void *user,
                    struct mr_error *err);
    /* Somebody was turned away: wrong secret, no TLS, another version, too late. For the log, at
     * most once a second for an address. May be NULL. */
    void (*turned_away)(struct mr_listener *listener, const struct mr_error *why, void *user);
    /* It is gone when this returns. May be NULL. */
    void (*closed)(struct mr_listener *listener, void *user);
};

/* Adds to *problems all reasons not to listen so: an address beyond loopback without an explicit
 * secret, or as root without allow_root, or that is none. 0, or the code of the first problem in
 * it. Looks names up, which may take as long as that takes. */
struct mr_problems;
int mr_listener_check(const struct mr_listener_options *options, const char *command,
                      struct mr_problems *problems);

/* Listens; checks again, with `command` ("master") in the sentence that says what to run. Nobody
 * is accepted before the loop runs. `events` must outlive it. */
MR_MUST_USE int mr_listener_open(struct mr_net *net, const struct mr_listener_options *options,
                                 const char *command, const struct mr_listener_events *events,
                                 void *user, struct mr_listener **listener, struct mr_error *err);

/* "HOST:PORT" as it is bound: for `ready HOST:PORT`. Valid while the listener is. */
const char *mr_listener_address(const struct mr_listener *listener);

/* Stops accepting; those before their greeting are dropped, connections handed over stay. */
void mr_listener_close(struct mr_listener *listener);

#endif
