/* cipher: the bytes of one TLS connection on a loop, with its queue and back-pressure.
 *
 * It takes a connected socket, does the handshake, and then hands plain bytes both ways. Output is
 * encrypted at once and goes to the kernel once an iteration of the loop, many writes in one call.
 * Its callbacks come from the loop only. Used by conn alone. */
#ifndef MR_NET_CIPHER_H
#define MR_NET_CIPHER_H

#include "lib/net/net.h"
#include "lib/net/tls.h"

#include <mr/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MR_CIPHER_FULL_BYTES ((size_t)4 << 20)
#define MR_CIPHER_DRAINED_BYTES ((size_t)1 << 20)
#define MR_CIPHER_STRANGER_BYTES ((size_t)4 << 10) /* that one may send before it is trusted */

struct mr_cipher; /* opaque */

struct mr_cipher_events {
    void (*up)(void *user);       /* the handshake is done */
    void (*readable)(void *user); /* to be read until nothing is got, or paused */
    void (*drained)(void *user);  /* after mr_cipher_is_full */
    /* Nothing comes or goes any more. why->code 0: the other side closed, or ours was finished. */
    void (*ended)(const struct mr_error *why, void *user);
    void (*gone)(void *user); /* after mr_cipher_destroy: the stream is freed */
};

/* Takes `fd`, in any case. `label` names the other side in sentences; borrowed. */
MR_MUST_USE int mr_cipher_open(struct mr_net *net, int fd, enum mr_tls_side side, const char *label,
                               const struct mr_cipher_events *events, void *user,
                               struct mr_cipher **stream, struct mr_error *err);
/* Closes it at once. `gone` comes from the loop. */
void mr_cipher_destroy(struct mr_cipher *stream);

/* With whose key the other side speaks. */
enum mr_role_key mr_cipher_role(const struct mr_cipher *stream);
/* The other side said who it is: it may send without bound. */
void mr_cipher_trust(struct mr_cipher *stream);

/* Reads up to `room` bytes: how many; 0: nothing now, or it ended, which is told later. */
size_t mr_cipher_read(struct mr_cipher *stream, void *data, size_t room);
/* Encrypts and queues. MR_ERR_CLOSED or MR_ERR_NOMEM: `ended` comes. */
MR_MUST_USE int mr_cipher_write(struct mr_cipher *stream, const void *data, size_t len,
                                struct mr_error *err);
/* Says goodbye behind what is queued, and reads on, without looking, until the other side closes
 * too: then `ended`. */
void mr_cipher_finish(struct mr_cipher *stream);

size_t mr_cipher_queued(const struct mr_cipher *stream);
bool mr_cipher_is_full(const struct mr_cipher *stream);
void mr_cipher_pause(struct mr_cipher *stream);
void mr_cipher_resume(struct mr_cipher *stream);
uint64_t mr_cipher_heard_ms(const struct mr_cipher *stream);

#endif
