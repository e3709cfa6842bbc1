/* feed: the bytes of an input as they are stored, through a window that refills. */
#include "lib/input/feed.h"

#include "lib/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define WINDOW_BYTES ((size_t)256 << 10)
#define WINDOW_KEPT_MAX 64 /* what a decoder may leave in the window and still ask for more */
#define STOP_CHECK_MS 100

int mr_feed_open(struct mr_feed *feed, const struct mr_input *input, const atomic_bool *stop,
                 struct mr_error *err) {
    *feed = (struct mr_feed){.name = mr_feed_name(input),
                             .fd = -1,
                             .positioned = input->kind != MR_INPUT_STREAM,
                             .size = input->size,
                             .stop = stop};
    int status = mr_feed_open_descriptor(input, &feed->fd, err);
    if (status == MR_OK && feed->positioned) {
        (void)posix_fadvise(feed->fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* advice: may fail */
    }
    return status;
}

void mr_feed_open_memory(struct mr_feed *feed, struct mr_bytes bytes, const char *name) {
    *feed = (struct mr_feed){.next = (const unsigned char *)bytes.data,
                             .avail = bytes.len,
                             .ended = true,
                             .name = name,
                             .fd = -1};
}

void mr_feed_close(struct mr_feed *feed) {
    if (feed->fd >= 0) {
        close(feed->fd); /* only read from: nothing can be lost */
        feed->fd = -1;
    }
    free(feed->window);
    feed->window = NULL;
    feed->avail = 0;
    feed->ended = true;
}

/* Waits until a stream has something to say; looks at `stop` meanwhile. */
static int wait_readable(const struct mr_feed *feed, struct mr_error *err) {
    struct pollfd wait = {.fd = feed->fd, .events = POLLIN};
    for (;;) {
        if (feed->stop && atomic_load(feed->stop)) {
            return mr_error_set(err, MR_ERR_INTERRUPTED, "interrupted while reading \"%s\"",
                                feed->name);
        }
        int ready = poll(&wait, 1, feed->stop ? STOP_CHECK_MS : -1);
        if (ready > 0) {
            return MR_OK;
        }
        if (ready < 0 && errno != EINTR) {
            return mr_error_errno(err, MR_ERR_IO, errno, "read \"%s\"", feed->name);
        }
    }
}

/* One read of at most `len` bytes at the file's byte `at`; 0 bytes mean the end, which is then
 * noted. */
static int read_some(struct mr_feed *feed, uint64_t at, void *out, size_t len, size_t *got,
                     struct mr_error *err) {
    for (;;) {
        int status = feed->positioned ? MR_OK : wait_readable(feed, err);
        if (status != MR_OK) {
            return status;
        }
        ssize_t count =
            feed->positioned ? pread(feed->fd, out, len, (off_t)at) : read(feed->fd, out, len);
        if (count >= 0) {
            *got = (size_t)count;
            break;
        }
        if (errno != EINTR && (feed->positioned || errno != EAGAIN)) {
            mr_error_errno(err, mr_feed_status(errno), errno, "read \"%s\"", feed->name);
            return mr_error_add(err, " (at byte %" PRIu64 ")", at);
        }
    }
    feed->ended = *got == 0;
    return feed->ended && at < feed->size ? mr_feed_shrunk(feed->name, feed->size, at, err) : MR_OK;
}

int mr_feed_fill(struct mr_feed *feed, size_t want, struct mr_error *err) {
    if (feed->avail >= want || feed->ended) {
        return MR_OK;
    }
    if (!feed->window) {
        feed->window = malloc(WINDOW_BYTES + WINDOW_KEPT_MAX);
        if (!feed->window) {
            return mr_error_nomem(err, "making the window of an input");
        }
    }
    if (feed->avail > 0) {
        memmove(feed->window, feed->next, feed->avail);
    }
    feed->next = feed->window;
    int status = MR_OK;
    while (status == MR_OK && feed->avail < want && !feed->ended) {
        size_t got = 0;
        status = read_some(feed, feed->offset + feed->avail, feed->window + feed->avail,
                           WINDOW_BYTES + WINDOW_KEPT_MAX - feed->avail, &got, err);
        feed->avail += got;
    }
    return status;
}

void mr_feed_take(struct mr_feed *feed, size_t len) {
    feed->next += len;
    feed->avail -= len;
    feed->offset += len;
}

int mr_feed_read(struct mr_feed *feed, char *out, size_t room, size_t *got, struct mr_error *err) {
    *got = feed->avail < room ? feed->avail : room;
    if (*got > 0) {
        memcpy(out, feed->next, *got);
        mr_feed_take(feed, *got);
    }
    int status = MR_OK;
    while (status == MR_OK && *got < room && !feed->ended) {
        size_t count = 0;
        status = read_some(feed, feed->offset, out + *got, room - *got, &count, err);
        *got += count;
        feed->offset += count;
    }
    return status;
}

int mr_feed_open_descriptor(const struct mr_input *input, int *fd, struct mr_error *err) {
    const char *name = mr_feed_name(input);
    if (strcmp(input->path, "-") == 0) {
        *fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
    } else {
        /* Without O_NONBLOCK this would wait for a FIFO's writer, and no signal could end the wait.
         */
        int flags = input->kind == MR_INPUT_STREAM ? O_NONBLOCK : 0;
        *fd = open(input->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | flags);
    }
    if (*fd < 0) {
        return mr_error_errno(err, mr_feed_status(errno), errno, "open \"%s\"", name);
    }
    return MR_OK;
}

const char *mr_feed_name(const struct mr_input *input) {
    return strcmp(input->path, "-") == 0 ? "standard input" : input->path;
}

int mr_feed_status(int errno_value) {
    switch (errno_value) {
    case ENOMEM:
        return MR_ERR_NOMEM;
    case ENOENT:
    case EACCES:
    case EPERM:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case ENXIO:
    case ENODEV:
    case EBADF: /* standard input that is closed */
        return MR_ERR_INPUT;
    default:
        return MR_ERR_IO;
    }
}

int mr_feed_shrunk(const char *name, uint64_t listed, uint64_t size, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_INPUT,
                        "\"%s\" shrank while it was being read: it held %" PRIu64
                        " bytes when it was listed, now it ends at byte %" PRIu64,
                        name, listed, size);
}
