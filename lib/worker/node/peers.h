/* peers: the other workers, and the connections to them over which outputs are fetched.
 *
 * There is one connection to a peer, made when it is needed first and closed when nothing was asked
 * for a while. The loop's thread. */
#ifndef MR_NODE_PEERS_H
#define MR_NODE_PEERS_H

#include "lib/net/wire.h"
#include "lib/worker/node/dossier.h"

struct mr_peers; /* opaque */

/* What a request brings. Its last callback is `ended`. */
struct mr_peers_request {
    struct mr_dossier *job; /* kept in use by who asks */
    struct mr_wire_row_held row;
    uint32_t node;
    unsigned codec;
    const uint32_t *partitions; /* none: the whole file; borrowed until it was begun */
    size_t partition_count;
    /* Bytes of the file, checked as a piece. An error ends the request. */
    int (*piece)(void *user, uint64_t offset, struct mr_bytes bytes, struct mr_error *err);
    /* All came (err->code 0; `size` of the file), or it can't be had: MR_ERR_IO: a piece came
     * damaged; MR_ERR_CLOSED, MR_ERR_CLUSTER: the peer can't be reached; else what the peer says.
     */
    void (*ended)(void *user, uint64_t size, const struct mr_error *err);
    void *user;
};

MR_MUST_USE int mr_peers_create(struct mr_net *net, struct mr_peers **peers, struct mr_error *err);
/* Ends requests and connections; then `closed`. */
void mr_peers_close(struct mr_peers *peers, void (*closed)(void *user), void *user);

/* PEER: a worker, or news of one; another incarnation or address ends the connection to it. */
MR_MUST_USE int mr_peers_enter(struct mr_peers *peers, const struct mr_wire_peer *message,
                               struct mr_error *err);

/* What is known of a peer; NULL: nothing. Valid until the next mr_peers_enter. */
struct mr_peers_about {
    uint32_t node;
    uint64_t incarnation;
    const char *name;
    const char *host;
    const char *address;
    const char *scratch;
};
const struct mr_peers_about *mr_peers_find(const struct mr_peers *peers, uint32_t node);

/* Asks. A peer that is not known: MR_ERR_CLUSTER, and nothing is called. At most
 * MR_PEERS_REQUESTS_MAX are under way at once with one peer: the others wait. */
#define MR_PEERS_REQUESTS_MAX 8
MR_MUST_USE int mr_peers_ask(struct mr_peers *peers, const struct mr_peers_request *request,
                             struct mr_error *err);

#endif
