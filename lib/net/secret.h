/* secret: the cluster's secret, in a file that only its owner can read.
 *
 * A secret is 32 random bytes; its file holds them as 64 hexadecimal digits and a newline. Whoever
 * has it may submit code, so the file must be a regular one, owned by who reads it, of mode 0600
 * or less. A file is made whole under another name and linked into place: nobody ever sees half of
 * one, and none is ever replaced. No error ever holds a byte of a secret. */
#ifndef MR_NET_SECRET_H
#define MR_NET_SECRET_H

#include <mr/status.h>
#include <stdbool.h>
#include <stddef.h>

#define MR_SECRET_BYTES 32
#define MR_SECRET_PATH_MAX 4096

/* In the caller's storage; wipe it with mr_secret_forget. */
struct mr_secret {
    unsigned char bytes[MR_SECRET_BYTES];
};

/* Makes a new secret file at `path`, durably. One that exists stays: MR_ERR_USAGE. */
MR_MUST_USE int mr_secret_new(const char *path, struct mr_error *err);

/* Reads the secret in `path`. A file that is missing, malformed or not private to its owner is
 * refused with a sentence that holds all that is wrong with it, one reason a line, and what to run:
 * MR_ERR_USAGE; one that can't be read: MR_ERR_IO. */
MR_MUST_USE int mr_secret_read(const char *path, struct mr_secret *secret, struct mr_error *err);

/* Where the commands and daemons of one user on one machine find each other's secret: cluster.key
 * in $XDG_RUNTIME_DIR/millrace, else in /run/user/UID/millrace, else in /tmp/millrace-UID. Writes
 * the path. With `make`, makes the directory where it is missing. A directory that is not the
 * user's own, or open to others, is refused: MR_ERR_USAGE. */
MR_MUST_USE int mr_secret_default_path(bool make, char path[MR_SECRET_PATH_MAX],
                                       struct mr_error *err);

/* Finds the secret: in `path`, or where that is NULL at the default place. There a daemon (`make`)
 * makes one where none is; of several that do so at once one wins, and all have the same. Without
 * `make`, a missing one is MR_ERR_CLUSTER: no daemon of this user ever ran here. */
MR_MUST_USE int mr_secret_find(const char *path, bool make, struct mr_secret *secret,
                               struct mr_error *err);

/* Overwrites it, in a way that no compiler leaves out. */
void mr_secret_forget(struct mr_secret *secret);

#endif
