/* tree: steps through directories and removes them, without allocating memory.
 *
 * Removal is what runs after something failed, and what failed may be an allocation or the last
 * free descriptor. So names are read straight from the kernel into a buffer on the stack, and a
 * directory open a level is all it takes. */
#include "lib/output/tree.h"

#include "lib/base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define NAMES_BYTES 2048 /* on the stack, once a level; a name takes up to 280 */
#define DEPTH_MAX                                                                                  \
    64 /* ours are 3 deep; a user may have put more into a directory that is replaced */

static bool is_dot(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Visits the names in one buffer of the kernel's. */
static int visit_names(const char *names, size_t len, mr_tree_visit visit, void *arg,
                       struct mr_error *err) {
    size_t at = 0;
    int status = 0;
    while (at < len && !status) {
        const struct dirent64 *entry = (const void *)(names + at);
        at += entry->d_reclen;
        status = is_dot(entry->d_name) ? 0 : visit(arg, entry->d_name, err);
    }
    return status;
}

int mr_tree_each(int dir_fd, mr_tree_visit visit, void *arg, struct mr_error *err) {
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* a position of its own */
    if (fd < 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "list a directory");
    }
    alignas(struct dirent64) char names[NAMES_BYTES];
    int status = 0;
    ssize_t len;
    do {
        len = getdents64(fd, names, sizeof names);
        if (len < 0) {
            status = mr_error_errno(err, MR_ERR_IO, errno, "list a directory");
        } else {
            status = visit_names(names, (size_t)len, visit, arg, err);
        }
    } while (len > 0 && !status);
    (void)close(fd); /* nothing was written */
    return status;
}

/* A directory being emptied. */
struct removal {
    int dir_fd;
    const char *keep;
    unsigned depth;
    bool is_moving; /* something was removed in this pass */
};

static int empty(int dir_fd, const char *keep, unsigned depth, struct mr_error *err);

static int remove_directory(int dir_fd, const char *name, unsigned depth, struct mr_error *err) {
    if (depth == DEPTH_MAX) {
        return mr_error_set(err, MR_ERR_IO, "remove \"%s\": more than %d directories deep", name,
                            DEPTH_MAX);
    }
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "open \"%s\"", name);
    }
    int status = empty(fd, NULL, depth, err);
    (void)close(fd); /* nothing was written */
    if (!status && unlinkat(dir_fd, name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
        status = mr_error_errno(err, MR_ERR_IO, errno, "remove \"%s\"", name);
    }
    return status;
}

static int remove_name(int dir_fd, const char *name, unsigned depth, struct mr_error *err) {
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT) {
        return 0;
    }
    if (errno == EISDIR || errno == EPERM) { /* Linux, POSIX */
        return remove_directory(dir_fd, name, depth, err);
    }
    return mr_error_errno(err, MR_ERR_IO, errno, "remove \"%s\"", name);
}

static int visit_remove(void *arg, const char *name, struct mr_error *err) {
    struct removal *removal = arg;
    bool is_kept = removal->keep && strcmp(name, removal->keep) == 0;
    if (!is_kept && remove_name(removal->dir_fd, name, removal->depth + 1, err) == 0) {
        removal->is_moving = true;
    }
    return 0; /* the others go all the same; *err has the first failure */
}

/* Passes over the directory until one finds nothing to remove: some file systems lose their place
 * in a directory whose entries go. */
static int empty(int dir_fd, const char *keep, unsigned depth, struct mr_error *err) {
    struct removal removal = {.dir_fd = dir_fd, .keep = keep, .depth = depth};
    int status;
    do {
        removal.is_moving = false;
        status = mr_tree_each(dir_fd, visit_remove, &removal, err);
    } while (!status && !err->code && removal.is_moving);
    return err->code;
}

int mr_tree_remove(int dir_fd, const char *name, struct mr_error *err) {
    struct mr_error first = {0};
    struct mr_error second = {0};
    if (remove_name(dir_fd, name, 0, &first) == 0 || remove_name(dir_fd, name, 0, &second) == 0) {
        return 0;
    }
    return mr_error_set(err, second.code, "%s", second.text);
}

int mr_tree_empty(int dir_fd, const char *keep, struct mr_error *err) {
    struct mr_error first = {0};
    struct mr_error second = {0};
    if (empty(dir_fd, keep, 0, &first) == 0 || empty(dir_fd, keep, 0, &second) == 0) {
        return 0;
    }
    return mr_error_set(err, second.code, "%s", second.text);
}
