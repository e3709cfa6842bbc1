/* entry: how connections begin: dialled or accepted, TLS, and who is there.
 *
 * Behind the TLS handshake who dialled says HELLO and hears WELCOME, or REFUSED and why; who
 * accepted hears HELLO and asks the owner of the door. Each has its deadline. */
#ifndef MR_NET_ENTRY_H
#define MR_NET_ENTRY_H

#include "lib/net/conn.h"

/* Connects to "HOST:PORT" (IPv6 in brackets; names are resolved on the loop, all their addresses
 * tried in turn). Returns at once; what fails later comes as `closed`. `events` must outlive it. An
 * address that is none: MR_ERR_USAGE. On failure there is no connection. */
MR_MUST_USE int mr_entry_dial(struct mr_net *net, const char *address,
                              const struct mr_conn_events *events, void *user,
                              struct mr_conn **conn, struct mr_error *err);

/* ---- for the listener alone ------------------------------------------------------------------ */

/* Begins a connection on an accepted socket, which it takes in any case; until `door` gave it
 * another owner, `events` and `user` are whose it is. */
MR_MUST_USE int mr_entry_accept(struct mr_net *net, int fd, const char *address, mr_conn_door door,
                                const struct mr_conn_events *events, void *user,
                                struct mr_conn **conn, struct mr_error *err);

#endif
