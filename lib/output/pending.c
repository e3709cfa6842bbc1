/* pending: the directory in which an output grows until it is published.
 *
 *     NAME.pending-ID/lock         held by flock as long as the run lives
 *     NAME.pending-ID/attempt-…/   what tasks write
 *     NAME.pending-ID/out/         what becomes NAME
 *     NAME.pending-ID/owner        the folder of the journal that remembers the run: not to be
 *                                  cleared while a journal is there; or that a cluster does:
 *                                  cleared by the cluster alone
 *     NAME.pending-ID/kept         where `out` is left to the user: not to be cleared
 *     NAME.old-ID/                 the output before, while it is replaced in two steps
 *
 * A cluster's job has its directory from the moment it is submitted, and nobody holds its lock
 * until it is published: attempts on several machines only make directories of their own in it.
 * Whether the job lives can't be seen from here, so other runs never clear it. It is removed by who
 * knows: the publisher, the client whose submission was refused, and the cluster when a job has
 * failed or was cancelled (mr_pending_drop). What a cluster leaves that was thrown away with its
 * state is the user's to remove.
 *
 * A run that is killed leaves its pending directory; the next run on the same output clears it.
 * Whether a run lives is told by its lock alone, which the kernel releases however the process
 * ended; a process number might be another's by now, or another machine's.
 *
 * A directory and a lock on a file in it are not made in one step, so makers and clearers agree on
 * this:
 * - Both take the lock (making the file where there is none), then look whether the directory and
 * the lock file that they hold are still the ones that the names lead to. If not, somebody cleared
 * them in between: a maker begins again, a clearer has nothing left to do.
 * - A clearer never waits for a lock. It removes the lock file last but one and the directory last.
 * A maker who puts a new lock file between these two steps keeps the directory: it isn't empty, so
 * its removal fails. A maker that finds its lock taken by a clearer waits for it: that is over in
 * moments, the directory being empty. */
#include "lib/output/pending.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/output/manifest.h"
#include "lib/output/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK "lock"
#define OUT "out"
#define KEPT "kept"
#define OWNER "owner"
#define OWNER_NEW "owner.new"
#define OWNER_JOURNAL "/journal.db" /* in the folder that it names */
#define PENDING_MARK ".pending-"
#define OLD_MARK ".old-"
#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Cleared under our hands more often than this, something else is wrong. */
#define TRIES_MAX 100

static bool is_id(const char *text) {
    return strspn(text, "0123456789abcdef") == MR_PENDING_ID_LEN && text[MR_PENDING_ID_LEN] == '\0';
}

static void begin(struct mr_pending *pending, const struct mr_pending_place *place,
                  const char *id) {
    *pending = (struct mr_pending){.place = place, .dir_fd = -1, .lock_fd = -1};
    for (size_t i = 0; i < MR_PENDING_SPARE; i++) {
        pending->spare[i] = -1;
    }
    snprintf(pending->name, sizeof pending->name, "%s" PENDING_MARK "%s", place->name, id);
    snprintf(pending->old, sizeof pending->old, "%s" OLD_MARK "%s", place->name, id);
}

static void release_spare(struct mr_pending *pending) {
    for (size_t i = 0; i < MR_PENDING_SPARE; i++) {
        if (pending->spare[i] >= 0) {
            (void)close(pending->spare[i]); /* a copy of the parent's */
            pending->spare[i] = -1;
        }
    }
}

/* 0, or -1 and errno. */
static int hold_spare(struct mr_pending *pending) {
    for (size_t i = 0; i < MR_PENDING_SPARE; i++) {
        pending->spare[i] = fcntl(pending->place->parent_fd, F_DUPFD_CLOEXEC, 0);
        if (pending->spare[i] < 0) {
            return -1;
        }
    }
    return 0;
}

static void let_go(struct mr_pending *pending) {
    if (pending->dir_fd >= 0) {
        (void)close(pending->dir_fd); /* nothing was written through it */
        pending->dir_fd = -1;
    }
    if (pending->lock_fd >= 0) {
        (void)close(pending->lock_fd);
        pending->lock_fd = -1;
    }
}

static int fail(const struct mr_pending *pending, const char *what, struct mr_error *err);
static int try_create(struct mr_pending *pending, bool is_first, bool *is_ours,
                      struct mr_error *err);

static int create(const struct mr_pending_place *place, const char *id, bool may_be_there,
                  struct mr_pending *pending, struct mr_error *err);

int mr_pending_create(const struct mr_pending_place *place, const char *id,
                      struct mr_pending *pending, struct mr_error *err) {
    return create(place, id, false, pending, err);
}

static int create(const struct mr_pending_place *place, const char *id, bool may_be_there,
                  struct mr_pending *pending, struct mr_error *err) {
    if (!is_id(id)) {
        return mr_error_set(err, MR_ERR_INTERNAL, "\"%.40s\" is no job id", id);
    }
    if (strlen(place->name) + sizeof PENDING_MARK + MR_PENDING_ID_LEN > NAME_MAX + 1) {
        return mr_error_set(err, MR_ERR_USAGE, "output \"%.300s\": its name is too long",
                            place->shown);
    }
    begin(pending, place, id);
    bool is_ours = false;
    int status = hold_spare(pending) ? fail(pending, "make", err) : 0;
    for (unsigned i = 0; i < TRIES_MAX && !is_ours && !status; i++) {
        let_go(pending);
        status = try_create(pending, i == 0 && !may_be_there, &is_ours, err);
    }
    if (!status && !is_ours) {
        status = mr_error_set(err, MR_ERR_IO, "make \"%.300s" PENDING_MARK "%s\": it keeps going",
                              place->shown, id);
    }
    if (status) {
        release_spare(pending);
        let_go(pending);
    }
    return status;
}

static int open_locked(struct mr_pending *pending, int how);
static bool is_linked(const struct mr_pending *pending);

static int fail(const struct mr_pending *pending, const char *what, struct mr_error *err) {
    return mr_error_errno(err, MR_ERR_IO, errno, "%s \"%.300s%s\"", what, pending->place->shown,
                          pending->name + strlen(pending->place->name));
}

/* Makes the directory and takes its lock; stores whether it is still there then. */
static int try_create(struct mr_pending *pending, bool is_first, bool *is_ours,
                      struct mr_error *err) {
    int parent_fd = pending->place->parent_fd;
    if (mkdirat(parent_fd, pending->name, 0700) != 0 && (errno != EEXIST || is_first)) {
        return fail(pending, "make", err);
    }
    if (open_locked(pending, LOCK_EX) == 0) {
        *is_ours = is_linked(pending);
        return 0;
    }
    if (errno == ENOENT) { /* cleared already */
        return 0;
    }
    int status = fail(pending, "lock", err);
    mr_pending_remove(pending);
    return status;
}

/* Opens directory and lock file and locks it; -1 and errno where that fails. */
static int open_locked(struct mr_pending *pending, int how) {
    pending->dir_fd = openat(pending->place->parent_fd, pending->name, DIRECTORY_FLAGS);
    if (pending->dir_fd < 0) {
        return -1;
    }
    pending->lock_fd =
        openat(pending->dir_fd, LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (pending->lock_fd < 0) {
        return -1;
    }
    int status;
    do {
        status = flock(pending->lock_fd, how);
    } while (status != 0 && errno == EINTR);
    return status;
}

/* Whether the name in the directory leads to the open file. */
static bool leads_to(int dir_fd, const char *name, int fd) {
    struct stat named;
    struct stat held;
    return fstatat(dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &held) == 0 &&
           named.st_dev == held.st_dev && named.st_ino == held.st_ino;
}

static bool is_linked(const struct mr_pending *pending) {
    return leads_to(pending->place->parent_fd, pending->name, pending->dir_fd) &&
           leads_to(pending->dir_fd, LOCK, pending->lock_fd);
}

/* Notes the owner, durably; again where a crash left half of it. */
static int note_owner(const struct mr_pending *pending, const char *owner, struct mr_error *err) {
    int fd = openat(pending->dir_fd, OWNER_NEW,
                    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail(pending, "note the owner of", err);
    }
    int status = mr_file_write(fd, owner, strlen(owner), OWNER, err);
    if (!status) {
        status = mr_file_sync(fd, OWNER, err);
    }
    int closed = mr_file_close(&fd, OWNER, err);
    if (!status && !closed && renameat(pending->dir_fd, OWNER_NEW, pending->dir_fd, OWNER) != 0) {
        status = fail(pending, "note the owner of", err);
    }
    if (!status && !closed) {
        status = mr_file_sync(pending->dir_fd, pending->name, err);
    }
    if (!status && !closed) {
        status = mr_file_sync(pending->place->parent_fd, pending->place->shown, err);
    }
    return status ? status : closed;
}

int mr_pending_take_up(const struct mr_pending_place *place, const char *id, const char *owner,
                       struct mr_pending *pending, struct mr_error *err) {
    int status = create(place, id, true, pending, err);
    if (!status && (status = note_owner(pending, owner, err))) {
        mr_pending_leave(pending);
    }
    return status;
}

void mr_pending_leave(struct mr_pending *pending) {
    release_spare(pending);
    let_go(pending);
}

/* What failed once may have been short of something for a moment only. */
static void unlink_twice(int dir_fd, const char *name, int flags) {
    if (unlinkat(dir_fd, name, flags) != 0) {
        (void)unlinkat(dir_fd, name, flags);
    }
}

void mr_pending_remove(struct mr_pending *pending) {
    struct mr_error ignored = {0};
    release_spare(pending);
    if (pending->dir_fd < 0 || mr_tree_empty(pending->dir_fd, LOCK, &ignored) == 0) {
        if (pending->dir_fd >= 0) {
            unlink_twice(pending->dir_fd, LOCK, 0);
        }
        unlink_twice(pending->place->parent_fd, pending->name, AT_REMOVEDIR);
    }
    let_go(pending);
}

void mr_pending_keep(struct mr_pending *pending) {
    int fd = openat(pending->dir_fd, KEPT, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void)close(fd); /* it has no content */
    }
    release_spare(pending);
    let_go(pending);
}

static bool is_there(int dir_fd, const char *name) {
    struct stat about;
    return fstatat(dir_fd, name, &about, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Whether it is left to the user. */
static bool is_kept(const struct mr_pending *pending) {
    return is_there(pending->dir_fd, KEPT) && is_there(pending->dir_fd, OUT);
}

/* What is cleared, and who asks. */
struct cleaning {
    const struct mr_pending_place *place;
    const char *owner;
    const char *id;
    bool is_over; /* a cluster says that of its job */
};

static int visit_leftover(void *arg, const char *name, struct mr_error *err);

void mr_pending_clean(const struct mr_pending_place *place, const char *owner, const char *id) {
    struct mr_error ignored = {0};
    struct cleaning cleaning = {place, owner, id, false};
    int status = mr_tree_each(place->parent_fd, visit_leftover, &cleaning, &ignored);
    (void)status; /* what stays, the next run clears */
}

/* The id behind NAME and the mark; NULL where the name is of another make. */
static const char *find_id(const char *name, const char *output, const char *mark) {
    size_t output_len = strlen(output);
    size_t mark_len = strlen(mark);
    if (strncmp(name, output, output_len) != 0 || strncmp(name + output_len, mark, mark_len) != 0) {
        return NULL;
    }
    const char *id = name + output_len + mark_len;
    return is_id(id) ? id : NULL;
}

static void clean(const struct cleaning *cleaning, const char *id);

static int visit_leftover(void *arg, const char *name, struct mr_error *err) {
    (void)err;
    const struct cleaning *cleaning = arg;
    const char *id = find_id(name, cleaning->place->name, PENDING_MARK);
    if (!id) {
        id = find_id(name, cleaning->place->name, OLD_MARK);
    }
    if (id) {
        clean(cleaning, id);
    }
    return 0;
}

static void settle_old(const struct mr_pending *pending);

/* Whether a journal remembers the run: the folder that is named there still holds one. */
static bool is_owned(const struct mr_pending *pending, const struct cleaning *cleaning,
                     const char *id) {
    char path[PATH_MAX + sizeof OWNER_JOURNAL];
    if (cleaning->owner && strcmp(id, cleaning->id) == 0) {
        return true;
    }
    int fd = openat(pending->dir_fd, OWNER, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return errno != ENOENT; /* what can't be told is left alone */
    }
    ssize_t len = read(fd, path, PATH_MAX);
    (void)close(fd); /* nothing was written */
    path[len > 0 ? len : 0] = '\0';
    if (strcmp(path, MR_PENDING_CLUSTER) == 0) {
        return !cleaning->is_over;
    }
    if (path[0] != '/') {
        return false;
    }
    if (cleaning->owner && strcmp(path, cleaning->owner) == 0) {
        return false; /* that journal remembers another run by now */
    }
    memcpy(path + len, OWNER_JOURNAL, sizeof OWNER_JOURNAL);
    return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

enum mr_pending_left mr_pending_drop(const struct mr_pending_place *place, const char *id) {
    struct cleaning cleaning = {place, NULL, NULL, true};
    struct mr_pending pending;
    if (!is_id(id)) {
        return MR_PENDING_NOTHING;
    }
    begin(&pending, place, id);
    bool was_there =
        is_there(place->parent_fd, pending.name) || is_there(place->parent_fd, pending.old);
    clean(&cleaning, id);
    pending.dir_fd = openat(place->parent_fd, pending.name, DIRECTORY_FLAGS);
    bool is_done = pending.dir_fd < 0 ? errno == ENOENT : is_kept(&pending);
    let_go(&pending);
    return !is_done ? MR_PENDING_STAYS : was_there ? MR_PENDING_DROPPED : MR_PENDING_NOTHING;
}

int mr_pending_join(const struct mr_pending_place *place, const char *id,
                    struct mr_pending *pending, struct mr_error *err) {
    if (!is_id(id)) {
        return mr_error_set(err, MR_ERR_INTERNAL, "\"%.40s\" is no job id", id);
    }
    begin(pending, place, id);
    pending->dir_fd = openat(place->parent_fd, pending->name, DIRECTORY_FLAGS);
    return pending->dir_fd < 0 ? fail(pending, "open", err) : MR_OK;
}

/* Clears all that bears one id, unless its run lives. */
static void clean(const struct cleaning *cleaning, const char *id) {
    const struct mr_pending_place *place = cleaning->place;
    struct mr_pending pending;
    begin(&pending, place, id);
    if (open_locked(&pending, LOCK_EX | LOCK_NB) == 0 && is_linked(&pending)) {
        settle_old(&pending);
        if (!is_kept(&pending) && !is_owned(&pending, cleaning, id) &&
            !is_there(place->parent_fd, pending.old)) {
            mr_pending_remove(&pending);
        }
    } else if (pending.dir_fd < 0 && errno == ENOENT) { /* only the old output is left */
        settle_old(&pending);
    }
    let_go(&pending);
}

/* Between the two steps of a replacement there is no output at all: one of the two becomes it. */
static void settle_old(const struct mr_pending *pending) {
    int parent_fd = pending->place->parent_fd;
    const char *name = pending->place->name;
    if (!is_there(parent_fd, pending->old)) {
        return;
    }
    if (!is_there(parent_fd, name)) {
        bool is_finished = pending->dir_fd >= 0 &&
                           is_there(pending->dir_fd, OUT "/" MR_MANIFEST_SUCCESS) &&
                           renameat(pending->dir_fd, OUT, parent_fd, name) == 0;
        if (!is_finished && renameat(parent_fd, pending->old, parent_fd, name) != 0) {
            return;
        }
        if (fsync(parent_fd) != 0) {
            return; /* the two stay as they are until it is on disk */
        }
    }
    struct mr_error ignored = {0};
    int status = mr_tree_remove(parent_fd, pending->old, &ignored);
    (void)status; /* what stays, the next run clears */
}
