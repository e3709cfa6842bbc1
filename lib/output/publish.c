/* publish: gives a finished directory the name of the output, in one step.
 *
 * The rename must not replace what somebody else made while the job ran: renameat2 with
 * RENAME_NOREPLACE. A file system that doesn't know the flag gets a look and then a plain rename,
 * which the system refuses where the name is taken by anything but an empty directory: nothing can
 * be lost in between, and no part is seen before the others.
 *
 * An output that may be replaced holds a manifest of ours. That is looked at before, and again when
 * the two have changed places: what came out is put back where it holds none. RENAME_EXCHANGE swaps
 * the two at once. Without it the old one is renamed to NAME.old-ID first, and for a moment there
 * is none; a run killed then leaves both, and the next one on this output finishes or undoes it
 * (mr_pending_clean). */
#include "lib/output/publish.h"

#include "lib/base/error.h"
#include "lib/output/manifest.h"
#include "lib/output/manifest_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUT "out"
#define SHOWN "%.300s" /* a path in an error */

/* The output may appear and go again between two looks at it; not that often. */
#define TRIES_MAX 10

static int check_ours(int dir_fd, const char *name, const char *shown, struct mr_error *err);

int mr_publish_check(const struct mr_pending_place *place, bool overwrite, struct mr_error *err) {
    struct stat about;
    if (fstatat(place->parent_fd, place->name, &about, AT_SYMLINK_NOFOLLOW) != 0) {
        bool is_free = errno == ENOENT;
        return is_free
                   ? 0
                   : mr_error_errno(err, MR_ERR_IO, errno, "output \"" SHOWN "\"", place->shown);
    }
    if (!S_ISDIR(about.st_mode)) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "output \"" SHOWN "\" exists, and is no directory: name another",
                            place->shown);
    }
    if (!overwrite) {
        struct mr_error why = {0};
        bool is_ours =
            check_ours(place->parent_fd, place->name, place->shown, &why) != MR_ERR_USAGE;
        return mr_error_set(err, MR_ERR_USAGE,
                            is_ours
                                ? "output \"" SHOWN "\" exists: name another, or give --overwrite"
                                : "output \"" SHOWN "\" exists, and is no output of Millrace: "
                                  "name another (--overwrite replaces outputs of Millrace only)",
                            place->shown);
    }
    /* A rival that replaces it meanwhile takes the manifest away with the old directory. */
    struct mr_error why = {0};
    int status = 0;
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        why = (struct mr_error){0};
        status = check_ours(place->parent_fd, place->name, place->shown, &why);
        struct stat now;
        if (fstatat(place->parent_fd, place->name, &now, AT_SYMLINK_NOFOLLOW) != 0) {
            return errno == ENOENT ? 0
                                   : mr_error_errno(err, MR_ERR_IO, errno, "output \"" SHOWN "\"",
                                                    place->shown);
        }
        if (status == 0 || (now.st_dev == about.st_dev && now.st_ino == about.st_ino)) {
            break;
        }
        about = now;
    }
    return status ? mr_error_set(err, status, "%s", why.text) : 0;
}

/* Sees that the directory holds a manifest of ours. */
static int check_ours(int dir_fd, const char *name, const char *shown, struct mr_error *err) {
    struct mr_run_part *parts = NULL;
    size_t count;
    struct mr_error why = {0};
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "open \"" SHOWN "\"", shown);
    }
    int status = mr_manifest_read_at(fd, shown, &parts, &count, &why);
    free(parts);
    (void)close(fd); /* nothing was written */
    if (status == MR_ERR_INPUT) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "output \"" SHOWN "\" exists, and only a directory that holds a"
                            " manifest of ours is replaced: %.400s",
                            shown, why.text);
    }
    return status ? mr_error_set(err, status, "%s", why.text) : 0;
}

/* Whether renameat2 failed because file system or kernel don't know its flag. */
static bool lacks_flag(int cause) {
    return cause == EINVAL || cause == ENOSYS || cause == EOPNOTSUPP;
}

static bool is_taken(int cause) {
    return cause == EEXIST || cause == ENOTEMPTY || cause == ENOTDIR;
}

/* This and the next ones rename only: -1 and errno where that fails. */
static int put_new(const struct mr_pending *pending) {
    int parent_fd = pending->place->parent_fd;
    const char *name = pending->place->name;
    if (renameat2(pending->dir_fd, OUT, parent_fd, name, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (!lacks_flag(errno)) {
        return -1;
    }
    struct stat about;
    if (fstatat(parent_fd, name, &about, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    return renameat(pending->dir_fd, OUT, parent_fd, name);
}

static int exchange(const struct mr_pending *pending) {
    return renameat2(pending->dir_fd, OUT, pending->place->parent_fd, pending->place->name,
                     RENAME_EXCHANGE);
}

/* Replaces in two steps. */
static int put_aside(const struct mr_pending *pending) {
    int parent_fd = pending->place->parent_fd;
    const char *name = pending->place->name;
    if (renameat(parent_fd, name, parent_fd, pending->old) != 0) {
        return -1;
    }
    if (put_new(pending) == 0) {
        return 0;
    }
    int cause = errno;
    (void)renameat(parent_fd, pending->old, parent_fd, name); /* else the next run does it */
    errno = cause;
    return -1;
}

int mr_publish_take_back(const struct mr_publish *publish) {
    const struct mr_pending *pending = publish->pending;
    int parent_fd = pending->place->parent_fd;
    const char *name = pending->place->name;
    if (publish->way == MR_PUBLISH_EXCHANGED) {
        return exchange(pending);
    }
    if (renameat(parent_fd, name, pending->dir_fd, OUT) != 0) {
        return -1;
    }
    bool has_old = publish->way == MR_PUBLISH_ASIDE;
    return has_old ? renameat(parent_fd, pending->old, parent_fd, name) : 0;
}

/* Where the result is, behind the output's path. */
static const char *suffix(const struct mr_publish *publish) {
    return publish->pending->name + strlen(publish->pending->place->name);
}

static int fail(const struct mr_publish *publish, struct mr_error *err) {
    return mr_error_errno(err, MR_ERR_IO, errno, "publish \"" SHOWN "%s/" OUT "\"",
                          publish->pending->place->shown, suffix(publish));
}

/* Leaves the result to the user, as the name is somebody else's; *err may say so already. */
static int keep(struct mr_publish *publish, struct mr_error *err) {
    const char *shown = publish->pending->place->shown;
    mr_error_set(err, MR_ERR_USAGE, "output \"" SHOWN "\" has appeared while the job ran", shown);
    publish->must_keep = true;
    return mr_error_add(err, "; the result is kept: mv \"" SHOWN "%s/" OUT "\" NAME publishes it",
                        shown, suffix(publish));
}

static int replace(struct mr_publish *publish, bool *is_done, struct mr_error *err);

int mr_publish_appear(struct mr_publish *publish, struct mr_error *err) {
    const struct mr_pending_place *place = publish->pending->place;
    for (unsigned i = 0; i < TRIES_MAX; i++) {
        publish->way = MR_PUBLISH_NEW;
        if (put_new(publish->pending) == 0) {
            return 0;
        }
        if (!is_taken(errno)) {
            return fail(publish, err);
        }
        struct mr_error why = {0};
        int status = mr_publish_check(place, publish->overwrite, &why);
        if (status && (status != MR_ERR_USAGE || publish->overwrite)) {
            mr_error_set(err, status, "%s", why.text);
        }
        if (status) {
            return status == MR_ERR_USAGE ? keep(publish, err) : status;
        }
        bool is_done = false; /* nothing is there any more, or what may be replaced */
        status = publish->overwrite ? replace(publish, &is_done, err) : 0;
        if (status || is_done) {
            return status;
        }
    }
    return mr_error_set(err, MR_ERR_IO, "publish \"" SHOWN "\": it comes and goes", place->shown);
}

/* Puts the new output in the place of the old one, unless that is gone meanwhile. */
static int replace(struct mr_publish *publish, bool *is_done, struct mr_error *err) {
    const struct mr_pending *pending = publish->pending;
    publish->way = MR_PUBLISH_EXCHANGED;
    int status = exchange(pending);
    if (status != 0 && lacks_flag(errno)) {
        publish->way = MR_PUBLISH_ASIDE;
        status = put_aside(pending);
    }
    if (status != 0) {
        bool has_changed = errno == ENOENT || is_taken(errno);
        return has_changed ? 0 : fail(publish, err);
    }
    *is_done = true;
    bool is_aside = publish->way == MR_PUBLISH_ASIDE;
    status = check_ours(is_aside ? pending->place->parent_fd : pending->dir_fd,
                        is_aside ? pending->old : OUT, pending->place->shown, err);
    if (!status) {
        return 0;
    }
    if (mr_publish_take_back(publish) != 0) {
        publish->must_keep = true;
        return mr_error_add(err, "; it is replaced all the same: it could not be put back");
    }
    return status == MR_ERR_USAGE ? keep(publish, err) : status;
}
