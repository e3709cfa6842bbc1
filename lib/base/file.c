/* file: whole reads and whole writes over descriptors. */
#include "lib/base/file.h"

#include "lib/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SCRATCH_NAME "/.millrace-scratch-XXXXXX"

/* After a failed call: whether it is worth trying again. A descriptor that somebody else made
 * non-blocking (a terminal shared with another program) is waited for. */
static bool try_again(int fd, short events) {
    if (errno == EINTR) {
        return true;
    }
    if (errno != EAGAIN) {
        return false;
    }
    struct pollfd wait = {.fd = fd, .events = events};
    return poll(&wait, 1, -1) >= 0 || errno == EINTR;
}

/* Writes all; a negative `offset` means the descriptor's position. */
static int write_all(int fd, int64_t offset, const char *data, size_t len, const char *name,
                     struct mr_error *err) {
    size_t done = 0;
    while (done < len) {
        ssize_t count = offset < 0
                            ? write(fd, data + done, len - done)
                            : pwrite(fd, data + done, len - done, (off_t)offset + (off_t)done);
        if (count > 0) {
            done += (size_t)count;
        } else if (count == 0) {
            return mr_error_errno(err, MR_ERR_IO, EIO, "write \"%s\"", name);
        } else if (!try_again(fd, POLLOUT)) {
            int code = errno == EPIPE ? MR_ERR_CLOSED : MR_ERR_IO;
            return mr_error_errno(err, code, errno, "write \"%s\"", name);
        }
    }
    return MR_OK;
}

int mr_file_write(int fd, const void *data, size_t len, const char *name, struct mr_error *err) {
    return write_all(fd, -1, data, len, name, err);
}

int mr_file_read(int fd, int64_t offset, void *data, size_t len, const char *name, size_t *got,
                 struct mr_error *err) {
    char *out = data;
    *got = 0;
    while (*got < len) {
        ssize_t count = offset < 0 ? read(fd, out + *got, len - *got)
                                   : pread(fd, out + *got, len - *got, (off_t)offset + (off_t)*got);
        if (count > 0) {
            *got += (size_t)count;
        } else if (count == 0) {
            break;
        } else if (!try_again(fd, POLLIN)) {
            return mr_error_errno(err, MR_ERR_IO, errno, "read \"%s\"", name);
        }
    }
    return MR_OK;
}

int mr_file_write_at(int fd, uint64_t offset, const void *data, size_t len, const char *name,
                     struct mr_error *err) {
    if (offset > (uint64_t)INT64_MAX - len) {
        return mr_error_errno(err, MR_ERR_IO, EFBIG, "write \"%s\"", name);
    }
    return write_all(fd, (int64_t)offset, data, len, name, err);
}

int mr_file_link(const char *from, const char *to) {
    int status = link(from, to);
    return status != 0 && errno == EEXIST && unlink(to) == 0 ? link(from, to) : status;
}

int mr_file_close(int *fd, const char *name, struct mr_error *err) {
    if (*fd < 0) {
        return MR_OK;
    }
    int status = close(*fd);
    *fd = -1;
    /* Linux has released the descriptor after EINTR too; closing again could close another
     * thread's. */
    if (status != 0 && errno != EINTR) {
        return mr_error_errno(err, MR_ERR_IO, errno, "close \"%s\"", name);
    }
    return MR_OK;
}

int mr_file_sync(int fd, const char *name, struct mr_error *err) {
    if (fsync(fd) != 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "sync \"%s\"", name);
    }
    return MR_OK;
}

/* For file systems without O_TMPFILE: a named file whose name is gone at once. */
static int scratch_by_name(const char *dir, int *fd, struct mr_error *err) {
    int status = MR_OK;
    char *path = NULL;
    if (asprintf(&path, "%s%s", dir, SCRATCH_NAME) < 0) {
        return mr_error_nomem(err, "naming a scratch file");
    }
    int made = mkostemp(path, O_CLOEXEC);
    if (made < 0) {
        status = mr_error_errno(err, MR_ERR_IO, errno, "make a scratch file in \"%s\"", dir);
        goto done;
    }
    if (unlink(path) != 0) {
        status = mr_error_errno(err, MR_ERR_IO, errno, "unlink \"%s\"", path);
        close(made);
        goto done;
    }
    *fd = made;
done:
    free(path);
    return status;
}

int mr_file_scratch(const char *dir, int *fd, struct mr_error *err) {
    int made = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (made >= 0) {
        *fd = made;
        return MR_OK;
    }
    if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL) {
        return scratch_by_name(dir, fd, err);
    }
    return mr_error_errno(err, MR_ERR_IO, errno, "make a scratch file in \"%s\"", dir);
}
