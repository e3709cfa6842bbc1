/* join: lets a worker write into the pending directory that a job's client made. */
#include "lib/output/join.h"

#include "lib/base/error.h"
#include "lib/output/tree.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN "%.300s"
#define NAME_BYTES 64

static int name_pending(const char *dir, const char *id, char path[PATH_MAX],
                        struct mr_error *err) {
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') {
        len--;
    }
    int written = snprintf(path, PATH_MAX, "%.*s.pending-%s", (int)len, dir, id);
    return written < PATH_MAX
               ? MR_OK
               : mr_error_set(err, MR_ERR_USAGE, "output \"" SHOWN "\": too long", dir);
}

/* Opens the pending directory; MR_ERR_INPUT where it isn't. */
static int open_pending(const char *dir, const char *id, char path[PATH_MAX], int *fd,
                        struct mr_error *err) {
    if (name_pending(dir, id, path, err)) {
        return err->code;
    }
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*fd < 0) {
        int code =
            errno == ENOENT || errno == ENOTDIR || errno == EACCES ? MR_ERR_INPUT : MR_ERR_IO;
        return mr_error_errno(err, code, errno, "open \"" SHOWN "\"", path);
    }
    return MR_OK;
}

int mr_join_attempt(const char *dir, const char *id, uint32_t task, uint32_t attempt, char *path,
                    size_t size, struct mr_error *err) {
    char pending[PATH_MAX];
    char name[NAME_BYTES];
    int fd = -1;
    if (open_pending(dir, id, pending, &fd, err)) {
        return err->code;
    }
    snprintf(name, sizeof name, "attempt-%" PRIu32 "-%" PRIu32, task, attempt);
    int written = snprintf(path, size, "%s/%s", pending, name);
    if (written < 0 || (size_t)written >= size) {
        mr_error_set(err, MR_ERR_USAGE, "output \"" SHOWN "\": too long", dir);
    } else if (!mr_tree_remove(fd, name, err) && mkdirat(fd, name, 0700) != 0) {
        mr_error_errno(err, MR_ERR_IO, errno, "make \"" SHOWN "\"", path);
    } else if (!err->code && fsync(fd) != 0) {
        mr_error_errno(err, MR_ERR_IO, errno, "sync \"" SHOWN "\"", pending);
    }
    (void)close(fd); /* nothing was written through it */
    return err->code;
}

int mr_join_discard(const char *dir, const char *id, uint32_t task, uint32_t attempt,
                    struct mr_error *err) {
    char pending[PATH_MAX];
    char name[NAME_BYTES];
    int fd = -1;
    if (open_pending(dir, id, pending, &fd, err)) {
        if (err->code == MR_ERR_INPUT) { /* gone with all that was in it */
            *err = (struct mr_error){0};
        }
        return err->code;
    }
    snprintf(name, sizeof name, "attempt-%" PRIu32 "-%" PRIu32, task, attempt);
    (void)!mr_tree_remove(fd, name, err);
    (void)close(fd);
    return err->code;
}
