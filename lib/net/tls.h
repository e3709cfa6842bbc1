/* tls: one TLS 1.3 session between two holders of the cluster's secret, in memory.
 *
 * Both sides know a key that is derived from the secret (role_key.h), which TLS takes as an
 * external pre-shared key (RFC 8446, 2.2) together with a Diffie-Hellman exchange: mutual
 * authentication, and a recorded session stays closed when the secret becomes known later. No
 * certificates, no tickets, no early data, no other version.
 *
 * This room moves bytes in memory only: what came from the network is given in, what is to go there
 * is taken out. One thread at a time for all sessions of one set of keys. */
#ifndef MR_NET_TLS_H
#define MR_NET_TLS_H

#include "lib/base/buffer.h"
#include "lib/net/role_key.h"
#include "lib/net/secret.h"

#include <mr/bytes.h>
#include <mr/status.h>
#include <stdbool.h>
#include <stddef.h>

struct mr_tls_keys; /* what sessions of one secret share; opaque */
struct mr_tls;      /* a session; opaque */

enum mr_tls_side { MR_TLS_CLIENT, MR_TLS_SERVER };

/* How a read ended. */
enum mr_tls_end {
    MR_TLS_DATA,         /* something was read */
    MR_TLS_MORE,         /* nothing, until more is given in */
    MR_TLS_CLOSED,       /* the other side said that it sends nothing more */
    MR_TLS_WRONG_SECRET, /* the handshake failed: the other side has another secret, or none */
    MR_TLS_NO_TLS,       /* the handshake failed: the other side speaks something else */
    MR_TLS_BROKEN,       /* what came was tampered with, or makes no sense */
    MR_TLS_NOMEM,
};

/* Derives the keys of all roles. MR_ERR_IO or MR_ERR_NOMEM where the library fails. */
MR_MUST_USE int mr_tls_keys_create(const struct mr_secret *secret, struct mr_tls_keys **keys,
                                   struct mr_error *err);
/* After its last session. Harmless on NULL. */
void mr_tls_keys_destroy(struct mr_tls_keys *keys);

/* A session, which begins with mr_tls_shake. A client's speaks with this role's key; a
 * server's (role is ignored) accepts all. */
MR_MUST_USE int mr_tls_create(struct mr_tls_keys *keys, enum mr_tls_side side,
                              enum mr_role_key role, struct mr_tls **tls, struct mr_error *err);
void mr_tls_destroy(struct mr_tls *tls);

/* Gives in what came from the network, in place of what was given before: borrowed until it was
 * read or something else is given. */
void mr_tls_give(struct mr_tls *tls, struct mr_bytes bytes);
/* What is left of it. */
struct mr_bytes mr_tls_rest(const struct mr_tls *tls);

/* Goes on with the handshake: MR_TLS_DATA when it is done and well, and any time after. What is to
 * be sent may have grown, after a failure by the alert that tells the other side. */
enum mr_tls_end mr_tls_shake(struct mr_tls *tls);

/* Reads up to `room` bytes, after the handshake. Any end but the first two is for good. */
enum mr_tls_end mr_tls_read(struct mr_tls *tls, void *data, size_t room, size_t *got);

/* Whether the handshake ended well; and with which role's key the client spoke. */
bool mr_tls_is_up(const struct mr_tls *tls);
enum mr_role_key mr_tls_role(const struct mr_tls *tls);

/* Encrypts all of `data`. After the handshake. MR_ERR_NOMEM, or MR_ERR_CLOSED on a session that has
 * failed. */
MR_MUST_USE int mr_tls_write(struct mr_tls *tls, const void *data, size_t len,
                             struct mr_error *err);
/* Says that this side sends nothing more. */
void mr_tls_close(struct mr_tls *tls);

/* What is to be sent, which the caller empties, or takes and leaves another buffer. */
struct mr_buffer *mr_tls_output(struct mr_tls *tls);

#endif
