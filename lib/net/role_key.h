/* role_key: the keys that are derived from a cluster's secret, one a role. */
#ifndef MR_NET_ROLE_KEY_H
#define MR_NET_ROLE_KEY_H

#include "lib/net/secret.h"

#include <mr/status.h>

#define MR_ROLE_KEY_BYTES 32

/* X(name, the identity that names it to the other side) */
#define MR_ROLE_KEY_TABLE(X)                                                                       \
    X(CLIENT, "millrace client")                                                                   \
    X(WORKER, "millrace worker")

/* What a key is good for: a client's submits jobs, a worker's runs tasks. */
enum mr_role_key {
#define MR_ROLE_KEY_ROW(name, identity) MR_ROLE_KEY_##name,
    MR_ROLE_KEY_TABLE(MR_ROLE_KEY_ROW)
#undef MR_ROLE_KEY_ROW
        MR_ROLE_KEYS
};

const char *mr_role_key_identity(enum mr_role_key role);

/* Derives a role's key: HKDF (RFC 5869) with SHA-256, the identity as its info. Neither the secret
 * nor another role's key can be told from it. MR_ERR_IO where the library fails. Any thread. */
MR_MUST_USE int mr_role_key_derive(const struct mr_secret *secret, enum mr_role_key role,
                                   unsigned char key[MR_ROLE_KEY_BYTES], struct mr_error *err);

#endif
