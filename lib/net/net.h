/* net: what all connections of one process share: loop, keys, who we are, limits, counters.
 *
 * Everything in lib/net but frames, messages and secrets belongs to the one thread that runs the
 * loop. A net must outlive its listeners and connections: each of them ends with a callback. The
 * process ignores SIGPIPE. */
#ifndef MR_NET_NET_H
#define MR_NET_NET_H

#include "lib/base/buffer.h"
#include "lib/net/frame.h"
#include "lib/net/role_key.h"
#include "lib/net/secret.h"
#include "lib/net/tls.h"

#include <mr/status.h>
#include <stdint.h>

struct uv_loop_s;
struct mr_net; /* opaque but to the rooms of this folder */

/* The protocol between processes: two that differ in it refuse each other, in words. */
#define MR_NET_PROTOCOL 1u

/* X(name, in words, the key it speaks with) */
#define MR_NET_ROLE_TABLE(X)                                                                       \
    X(CLIENT, "client", CLIENT)                                                                    \
    X(MASTER, "master", WORKER)                                                                    \
    X(MAPPER, "mapper", WORKER)                                                                    \
    X(REDUCER, "reducer", WORKER)

enum mr_net_role {
#define MR_NET_ROLE_ROW(name, text, key) MR_NET_##name,
    MR_NET_ROLE_TABLE(MR_NET_ROLE_ROW)
#undef MR_NET_ROLE_ROW
        MR_NET_ROLES
};

const char *mr_net_role_name(enum mr_net_role role);

/* 0 stands for the default. Tests set them low. */
struct mr_net_limits {
    uint32_t connect_ms;         /* a connection must be made and greeted within: 10,000 */
    uint32_t greeting_ms;        /* an accepted one must have said who it is within: 5,000 */
    uint32_t stall_ms;           /* a peer that takes nothing for so long is closed: 30,000 */
    uint32_t pulse_ms;           /* where nothing else is said, PULSE is, each: 1,000 */
    uint32_t silence_ms;         /* a peer from which nothing comes for so long is gone: 10,000 */
    uint32_t farewell_ms;        /* mr_conn_close waits so long for what is queued: 5,000 */
    uint32_t accept_pause_ms;    /* a listener without descriptors rests for: 100 */
    uint32_t greeting_count_max; /* accepted connections of a listener before their greeting: 256 */
};

struct mr_net_config {
    struct uv_loop_s *loop;         /* the caller's; must outlive the net */
    const struct mr_secret *secret; /* read during mr_net_create only */
    enum mr_net_role role;          /* which we are */
    const char *name;     /* copied: what the other side knows us by; 1 to 255 printable bytes */
    mr_frame_limit limit; /* the kinds of frames behind the greeting; kinds below
                           * MR_NET_KIND_FIRST and MR_NET_KIND_FIRST | MR_FRAME_BULK are
                           * the greeting's own */
    struct mr_net_limits limits;
    /* For tests of the greeting: another protocol or version than this program's; 0, NULL. */
    uint32_t protocol;
    const char *version;
};

#define MR_NET_KIND_PULSE 4u /* behind the greeting, without a body: "I am here" */
#define MR_NET_KIND_FIRST 16u

/* What happened since mr_net_create. */
struct mr_net_counters {
    uint64_t accepted;       /* connections */
    uint64_t greeted;        /* of these: who said who they are */
    uint64_t wrong_secret;   /* handshakes that failed by the key */
    uint64_t no_tls;         /* peers that do not speak TLS, or not ours */
    uint64_t refused;        /* greetings refused in words, by us */
    uint64_t late;           /* closed at the deadline before their greeting */
    uint64_t crowded;        /* closed before their greeting to make room */
    uint64_t bad_frames;     /* connections closed because of what they sent */
    uint64_t stalled;        /* peers that took nothing */
    uint64_t silent;         /* peers that said nothing */
    uint64_t accept_pauses;  /* for want of descriptors */
    uint64_t bytes_received; /* as they came from the network */
    uint64_t bytes_sent;
};

/* Makes what connections share; derives the keys. MR_ERR_NOMEM, or MR_ERR_IO where the TLS library
 * fails. */
MR_MUST_USE int mr_net_create(const struct mr_net_config *config, struct mr_net **net,
                              struct mr_error *err);
const struct mr_net_counters *mr_net_counters(const struct mr_net *net);
struct uv_loop_s *mr_net_loop(const struct mr_net *net);
/* What a lease is worth: after so long peers that say nothing are gone, but never after less than
 * MR_NET_SILENCE_MS_LEAST. */
#define MR_NET_SILENCE_MS_LEAST 4000u
void mr_net_set_silence(struct mr_net *net, uint32_t silence_ms);
/* After the last of its listeners and connections told that it is closed. Harmless on NULL. */
void mr_net_destroy(struct mr_net *net);

/* ---- for the rooms of this folder alone ------------------------------------------------------ */

#define MR_NET_RECEIVED_BYTES ((size_t)256 << 10)

struct mr_net {
    struct uv_loop_s *loop;
    struct mr_tls_keys *keys;
    enum mr_net_role role;
    uint32_t protocol;
    char *name;
    char *version;
    struct mr_frame_rules rules;
    struct mr_net_limits limits; /* none of them 0 */
    struct mr_net_counters counters;
    /* One each, since one thread does one thing at a time. */
    char *received;         /* what read() gave, until its connection's TLS has it */
    struct mr_buffer frame; /* the frame that is being sent */
};

/* Which key a role speaks with. */
enum mr_role_key mr_net_role_key(enum mr_net_role role);

#endif
