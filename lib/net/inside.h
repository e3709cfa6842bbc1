/* inside: what the rooms of this folder know of a net; nobody else includes it. */
#ifndef MR_NET_INSIDE_H
#define MR_NET_INSIDE_H

#include "lib/base/buffer.h"
#include "lib/net/net.h"
#include "lib/net/tls.h"

#include <stdint.h>

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

#define MR_INSIDE_RECEIVED_BYTES ((size_t)256 << 10)

/* Which key a role speaks with. */
enum mr_role_key mr_net_role_key(enum mr_net_role role);

#endif
