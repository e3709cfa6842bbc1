/* part: writes one output file, or a stream, and knows its size and checksum.
 *
 * Bytes go out as they come: whoever calls has a buffer already. Left to itself the kernel would
 * keep them in memory until the fsync at the end, which then takes as long as the disk does; so
 * write-back is started along the way.
 *
 * A full disk is the one failure that people mend themselves, so its sentence says what they need:
 * which file on which disk, how much of it got there, and how much more would have been needed at
 * least. */
#include "lib/output/part.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/term/units.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLUSH_BYTES ((uint64_t)8 << 20)
#define STOP_CHECK_MS 100
#define PIECE_BYTES ((size_t)1 << 20)

void mr_part_name(char *name, size_t size, uint32_t partition) {
    snprintf(name, size, "part-%05u", partition);
}

/* Stores the path that the kernel knows the file by, cut at its front where it is long. */
static void show_path(struct mr_part *part, const char *name) {
    char link[32];
    char path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", part->fd);
    ssize_t got = readlink(link, path, sizeof path);
    if (got <= 0) { /* no /proc */
        snprintf(part->shown, sizeof part->shown, "%s", name);
        return;
    }
    size_t len = (size_t)got;
    size_t room = sizeof part->shown - 1;
    size_t shown_len = len <= room ? len : room;
    memcpy(part->shown, path + len - shown_len, shown_len);
    if (shown_len < len) {
        memcpy(part->shown, "...", 3);
    }
}

int mr_part_create(struct mr_part *part, int dir_fd, const char *name, struct mr_error *err) {
    *part = (struct mr_part){.fd = -1};
    int status = mr_hash_create(&part->hash, err);
    if (status) {
        return status;
    }
    part->fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (part->fd < 0) {
        status = mr_error_errno(err, MR_ERR_IO, errno, "make \"%s\"", name);
        mr_part_abandon(part);
        return status;
    }
    show_path(part, name);
    return 0;
}

/* Opens a pipe again, so that writing never blocks: the other processes that hold it share the
 * flags of the descriptor they were given, not those of this one. -1: it is no pipe. */
static int open_pipe_again(int fd) {
    struct stat about;
    char path[32];
    if (fstat(fd, &about) != 0 || !S_ISFIFO(about.st_mode)) {
        return -1;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

int mr_part_stream(struct mr_part *part, int fd, struct mr_error *err) {
    *part = (struct mr_part){.fd = fd, .is_stream = true};
    snprintf(part->shown, sizeof part->shown, "%s",
             fd == STDOUT_FILENO ? "standard output" : "the output stream");
    int status = mr_hash_create(&part->hash, err);
    int again = status ? -1 : open_pipe_again(fd);
    if (again >= 0) {
        part->fd = again;
        part->is_reopened = true;
    }
    return status;
}

/* Adds to the error of a write what is known about the disk that refused it. */
static int explain(const struct mr_part *part, size_t len, int cause, struct mr_error *err) {
    struct stat about;
    if (part->is_stream || fstat(part->fd, &about) != 0) {
        return err->code;
    }
    uint64_t there = (uint64_t)about.st_size;
    char text[MR_UNITS_TEXT_MAX];
    mr_error_add(err, ": %s of it written", mr_units_bytes(text, sizeof text, there));
    uint64_t wanted = part->written + len;
    if ((cause == ENOSPC || cause == EDQUOT) && wanted > there) {
        mr_error_add(err, "; at least %s more is needed",
                     mr_units_bytes(text, sizeof text, wanted - there));
    }
    return err->code;
}

/* Asks for write-back without waiting for it. What goes wrong with it, fsync reports. */
static void start_write_back(struct mr_part *part) {
    if (part->is_stream || part->written - part->flushed < FLUSH_BYTES) {
        return;
    }
    (void)sync_file_range(part->fd, (off_t)part->flushed, (off_t)(part->written - part->flushed),
                          SYNC_FILE_RANGE_WRITE);
    part->flushed = part->written;
}

/* Waits until the reader of a pipe has made room; looks at `stop` meanwhile. */
static int wait_for_reader(const struct mr_part *part, struct mr_error *err) {
    struct pollfd wait = {.fd = part->fd, .events = POLLOUT};
    while (!part->stop || !atomic_load(part->stop)) {
        int ready = poll(&wait, 1, STOP_CHECK_MS);
        if (ready > 0) {
            return 0;
        }
        if (ready < 0 && errno != EINTR) {
            return mr_error_errno(err, MR_ERR_IO, errno, "write \"%s\"", part->shown);
        }
    }
    return mr_error_set(err, MR_ERR_INTERRUPTED, "interrupted while writing to %s", part->shown);
}

static int write_pipe(const struct mr_part *part, const char *data, size_t len,
                      struct mr_error *err) {
    int status = wait_for_reader(part, err);
    while (!status && len > 0) {
        ssize_t count = write(part->fd, data, len);
        if (count >= 0) {
            data += count;
            len -= (size_t)count;
        } else if (errno == EAGAIN) {
            status = wait_for_reader(part, err);
        } else if (errno != EINTR) {
            int code = errno == EPIPE ? MR_ERR_CLOSED : MR_ERR_IO;
            status = mr_error_errno(err, code, errno, "write \"%s\"", part->shown);
        }
    }
    return status;
}

int mr_part_write(struct mr_part *part, const void *data, size_t len, struct mr_error *err) {
    int status = part->is_reopened ? write_pipe(part, data, len, err)
                                   : mr_file_write(part->fd, data, len, part->shown, err);
    if (status) {
        return explain(part, len, errno, err);
    }
    mr_hash_update(part->hash, data, len);
    part->written += len;
    start_write_back(part);
    return 0;
}

int mr_part_finish(struct mr_part *part, struct mr_run_part *result, struct mr_error *err) {
    if (!part->is_stream) {
        if (mr_file_sync(part->fd, part->shown, err)) {
            return explain(part, 0, errno, err);
        }
        int status = mr_file_close(&part->fd, part->shown, err);
        if (status) {
            return status;
        }
    }
    result->bytes = part->written;
    result->xxh3 = mr_hash_digest(part->hash);
    mr_part_abandon(part);
    return 0;
}

void mr_part_abandon(struct mr_part *part) {
    if (!part->hash) {
        return; /* zeroed or finished: the descriptor is nobody's */
    }
    mr_hash_destroy(part->hash);
    part->hash = NULL;
    if ((!part->is_stream || part->is_reopened) && part->fd >= 0) {
        (void)close(part->fd); /* nobody will read it; of a pipe all is in the kernel's hands */
    }
    part->fd = -1;
}

int mr_part_hash(int fd, const char *name, struct mr_run_part *found, struct mr_error *err) {
    struct mr_hash *hash = NULL;
    void *piece = malloc(PIECE_BYTES);
    int status = piece ? mr_hash_create(&hash, err) : mr_error_nomem(err, "reading the parts");
    size_t got = PIECE_BYTES;
    found->bytes = 0;
    while (!status && got == PIECE_BYTES) {
        status = mr_file_read(fd, (int64_t)found->bytes, piece, PIECE_BYTES, name, &got, err);
        if (!status) {
            mr_hash_update(hash, piece, got);
            found->bytes += got;
        }
    }
    if (!status) {
        found->xxh3 = mr_hash_digest(hash);
    }
    mr_hash_destroy(hash);
    free(piece);
    return status;
}
