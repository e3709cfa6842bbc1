/* session: what is known of a connection to a worker or a client. */
#ifndef MR_SHELL_SESSION_H
#define MR_SHELL_SESSION_H

#include "lib/base/buffer.h"
#include "lib/base/hash.h"
#include "lib/net/wire.h"
#include "lib/worker/orders.h"
#include "master/core/terms.h"

#define MR_SESSIONS_CLIENTS_MAX 1024u
#define MR_SESSIONS_WANTS_MAX 4096u /* blobs that one peer waits for */
#define MR_SESSIONS_FOLLOWS_MAX 64u
#define MR_SESSIONS_HELD_MAX (1u << 22)

struct mr_master;
struct mr_roster_node;

/* Blobs on their way to a peer: couriers.c. */
struct mr_sessions_blobs {
    struct mr_hash_128 *hashes; /* that it waits for */
    size_t count;
    size_t capacity;
    int fd; /* of the first, or -1 */
    uint64_t size;
    uint64_t offset;
};

/* Which winners a worker is told of: supply.c. */
struct mr_sessions_sources {
    uint32_t job;
    uint32_t round; /* of the core: whose tasks read them */
    bool is_pairs;  /* of the round before; else map outputs of the round */
    size_t cursor;  /* changes that it was told */
};

/* What a worker on this connection knows. */
struct mr_sessions_told {
    uint32_t *jobs;
    size_t job_count;
    size_t job_capacity;
    uint32_t *peers; /* by node: the version that it was told */
    size_t peer_capacity;
    struct mr_sessions_sources *sources;
    size_t source_count;
    size_t source_capacity;
};

/* A job that a client hears of. */
struct mr_sessions_follow {
    uint32_t job;
    uint64_t news; /* that it was told */
    bool is_new;
};

struct mr_session {
    struct mr_master *master;
    struct mr_conn *conn; /* NULL: it is closed */
    bool is_worker;
    unsigned refs; /* the connection's, and those of what is to be done later */
    struct mr_session *before;
    struct mr_session *after;
    struct mr_sessions_blobs blobs;

    /* A worker's. */
    struct mr_roster_node *node;          /* once it registers */
    bool is_welcome;                      /* the journal has that, and it was told REGISTERED */
    struct mr_wire_register *registering; /* its first message, until its list is whole */
    struct mr_buffer register_body;       /* which that points into */
    struct mr_layout_held register_held;
    struct mr_core_attempt *held; /* as it said: job is a place in held_ids, phase the wire's */
    size_t held_count;
    size_t held_capacity;
    char (*held_ids)[MR_ORDERS_ID_LEN + 1];
    size_t held_id_count;
    struct mr_sessions_told told;
    bool is_back;           /* it is new on this connection */
    uint64_t renewed_sent;  /* number of the last RENEWED */
    uint64_t renewed_acked; /* that its heartbeats acknowledged */

    /* A client's. */
    bool has_submission;
    char submission_id[MR_ORDERS_ID_LEN + 1];
    struct mr_hash_128 submission_spec;
    struct mr_hash_128 *submission_blobs; /* that its spec names */
    size_t submission_blob_count;
    struct mr_sessions_follow follows[MR_SESSIONS_FOLLOWS_MAX];
    size_t follow_count;
    uint32_t listing;  /* the job whose tasks it is told, 0: none; */
    uint64_t listed;   /* so many were */
    uint32_t collects; /* the job that it collects, 0: none */
    bool has_parts;    /* it was told where they are */
};

struct mr_sessions {
    struct mr_session *first;
    uint32_t clients;
    uint32_t workers;
};

#endif
