/* file: whole reads and whole writes over descriptors. */
#ifndef MR_BASE_FILE_H
#define MR_BASE_FILE_H

#include <mr/status.h>
#include <stdint.h>
#include <sys/types.h>

/* Writes all of `data`, through short writes and EINTR. `name` stands in the error: `write "NAME":
 * …`. EPIPE becomes MR_ERR_CLOSED. */
MR_MUST_USE int mr_file_write(int fd, const void *data, size_t len, const char *name,
                              struct mr_error *err);

/* Reads up to `len` bytes at `offset` (negative: at the descriptor's position), through short reads
 * and EINTR; less only at the end of the file. Stores the count. */
MR_MUST_USE int mr_file_read(int fd, int64_t offset, void *data, size_t len, const char *name,
                             size_t *got, struct mr_error *err);

/* Writes all of `data` at `offset`. */
MR_MUST_USE int mr_file_write_at(int fd, uint64_t offset, const void *data, size_t len,
                                 const char *name, struct mr_error *err);

/* Gives a file a second name, in the place of a file that has that name already. 0, or -1 and
 * errno. */
MR_MUST_USE int mr_file_link(const char *from, const char *to);

/* Closes *fd where it is open, sets it to -1, and reports a failed close. */
MR_MUST_USE int mr_file_close(int *fd, const char *name, struct mr_error *err);

/* fsync, never retried. */
MR_MUST_USE int mr_file_sync(int fd, const char *name, struct mr_error *err);

/* Makes an unnamed scratch file in `dir` (O_TMPFILE; a file system without it: made and unlinked at
 * once), which is gone when its descriptor is, whatever happens to the process. Stores the
 * descriptor. */
MR_MUST_USE int mr_file_scratch(const char *dir, int *fd, struct mr_error *err);

#endif
