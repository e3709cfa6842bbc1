/* commit: makes an output directory appear whole, or not at all.
 *
 * Everything is written beside DIR, in a pending directory of the run's own (see pending.c), made
 * durable there, and then becomes visible by one rename: a reader of DIR, another run, or a crash
 * at any moment finds nothing, or all.
 *
 *     parts to out/ - _manifest.json - _SUCCESS - fsync out - out becomes DIR - fsync the parent
 *
 * How it becomes DIR is told in publish.c. What a failure leaves behind is removed by
 * mr_commit_end; what a kill leaves, by the next run on DIR. */
#include "lib/output/commit.h"

#include "lib/base/error.h"
#include "lib/base/fail_point.h"
#include "lib/base/file.h"
#include "lib/output/manifest.h"
#include "lib/output/manifest_read.h"
#include "lib/output/part.h"
#include "lib/output/pending.h"
#include "lib/output/publish.h"
#include "lib/output/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUT "out"
#define SHOWN "%.300s" /* a path in an error */

struct mr_commit {
    char *dir;    /* as the user wrote it, without slashes at its end */
    char *parent; /* the path around it */
    struct mr_pending_place place;
    struct mr_pending pending;
    bool is_pending; /* the pending directory is ours to remove */
    bool is_joined;  /* it is somebody else's, and only worked in */
    struct mr_publish publish;
};

static int split_path(struct mr_commit *commit, const char *dir, struct mr_error *err);
static int open_parent(struct mr_commit *commit, struct mr_error *err);
static int fail_inside(const struct mr_commit *commit, const char *what, const char *path,
                       struct mr_error *err);
static int make_out(struct mr_commit *commit, struct mr_error *err);

int mr_commit_begin(const char *dir, bool overwrite, const char *id, struct mr_commit **commit,
                    struct mr_error *err) {
    struct mr_commit *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "preparing the output directory");
    }
    made->publish = (struct mr_publish){.pending = &made->pending, .overwrite = overwrite};
    made->place.parent_fd = -1;
    int status = split_path(made, dir, err);
    if (!status) {
        status = open_parent(made, err);
    }
    if (!status) {
        mr_pending_clean(&made->place, NULL, NULL);
        status = mr_publish_check(&made->place, overwrite, err);
    }
    if (!status) {
        status = mr_pending_create(&made->place, id, &made->pending, err);
        made->is_pending = !status;
    }
    if (!status) {
        status = make_out(made, err);
    }
    if (status) {
        mr_commit_end(made);
        return status;
    }
    *commit = made;
    return 0;
}

static int make_commit(const char *dir, bool overwrite, struct mr_commit **commit,
                       struct mr_error *err) {
    struct mr_commit *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "preparing the output directory");
    }
    made->publish = (struct mr_publish){.pending = &made->pending, .overwrite = overwrite};
    made->place.parent_fd = -1;
    if (split_path(made, dir, err) || open_parent(made, err)) {
        mr_commit_end(made);
        return err->code;
    }
    *commit = made;
    return 0;
}

int mr_commit_look(const char *dir, bool overwrite, struct mr_error *err) {
    struct mr_commit *commit = NULL;
    if (!make_commit(dir, overwrite, &commit, err)) {
        (void)!mr_publish_check(&commit->place, overwrite, err);
    }
    mr_commit_leave(commit);
    return err->code;
}

static int fail_to_see(const char *dir, const char *node, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_IO,
                        "node %.100s does not see \"" SHOWN "\": all reducers must see the file "
                        "system of the output, or the job be submitted with --collect",
                        node, dir);
}

/* Whether the output is there and its manifest bears the id. */
static int look_for(const struct mr_commit *commit, const char *id, bool *is_done,
                    struct mr_error *err) {
    *is_done = false;
    int fd = openat(commit->place.parent_fd, commit->place.name,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno == EMFILE || errno == ENFILE || errno == EIO
                   ? mr_error_errno(err, MR_ERR_IO, errno, "open \"" SHOWN "\"", commit->dir)
                   : 0;
    }
    struct mr_error why = {0};
    int status = mr_manifest_read_id(fd, commit->dir, id, is_done, &why);
    (void)close(fd); /* nothing was written */
    return status == MR_ERR_INPUT || !status ? 0 : mr_error_set(err, status, "%s", why.text);
}

int mr_commit_is_done(const char *dir, const char *id, bool *is_done, struct mr_error *err) {
    struct mr_commit *commit = NULL;
    *is_done = false;
    if (!make_commit(dir, false, &commit, err)) {
        (void)!look_for(commit, id, is_done, err);
    }
    mr_commit_leave(commit);
    return err->code;
}

/* What a run is to go on with, and who it is. */
struct taking {
    const char *dir;
    bool overwrite;
    bool looks; /* at who stands at DIR */
    const char *id;
    const char *owner;
};

static int take(const struct taking *taking, struct mr_commit **commit,
                enum mr_commit_standing *standing, struct mr_error *err) {
    struct mr_commit *made = NULL;
    bool is_done = false;
    int status = make_commit(taking->dir, taking->overwrite, &made, err);
    if (!status) {
        mr_pending_clean(&made->place, taking->owner, taking->id);
        status = look_for(made, taking->id, &is_done, err);
    }
    if (!status && !is_done && taking->looks) {
        status = mr_publish_check(&made->place, taking->overwrite, err);
    }
    if (!status && is_done) { /* that it has its name may not have reached the disk */
        status = mr_file_sync(made->place.parent_fd, taking->dir, err);
    }
    if (!status) {
        status = mr_pending_take_up(&made->place, taking->id, taking->owner, &made->pending, err);
        made->is_pending = !status;
    }
    if (!status && mkdirat(made->pending.dir_fd, OUT, 0777) != 0 && errno != EEXIST) {
        status = fail_inside(made, "make", OUT, err);
    }
    if (status) {
        mr_commit_leave(made);
        return status;
    }
    *standing = is_done ? MR_COMMIT_PUBLISHED : MR_COMMIT_OPEN;
    *commit = made;
    return 0;
}

int mr_commit_take_up(const char *dir, bool overwrite, const char *id, const char *owner,
                      struct mr_commit **commit, enum mr_commit_standing *standing,
                      struct mr_error *err) {
    struct taking taking = {dir, overwrite, true, id, owner};
    return take(&taking, commit, standing, err);
}

int mr_commit_take_over(const char *dir, bool overwrite, const char *id, struct mr_commit **commit,
                        enum mr_commit_standing *standing, struct mr_error *err) {
    struct taking taking = {dir, overwrite, false, id, MR_COMMIT_CLUSTER};
    return take(&taking, commit, standing, err);
}

int mr_commit_join(const char *dir, const char *id, const char *node, struct mr_commit **commit,
                   struct mr_error *err) {
    struct mr_commit *made = NULL;
    struct mr_error why = {0};
    if (make_commit(dir, false, &made, &why)) {
        return why.code == MR_ERR_USAGE ? fail_to_see(dir, node, err)
                                        : mr_error_set(err, why.code, "%s", why.text);
    }
    if (mr_pending_join(&made->place, id, &made->pending, &why)) {
        struct stat about;
        bool is_there =
            fstatat(made->place.parent_fd, made->pending.name, &about, AT_SYMLINK_NOFOLLOW) == 0 ||
            errno != ENOENT;
        mr_commit_leave(made);
        return is_there ? mr_error_set(err, why.code, "%s", why.text) : fail_to_see(dir, node, err);
    }
    made->is_joined = true;
    *commit = made;
    return MR_OK;
}

int mr_commit_drop(const char *dir, const char *id, enum mr_pending_left *left,
                   struct mr_error *err) {
    struct mr_commit *commit = NULL;
    *left = MR_PENDING_STAYS;
    if (!make_commit(dir, false, &commit, err)) {
        *left = mr_pending_drop(&commit->place, id);
    }
    mr_commit_leave(commit);
    return err->code;
}

/* Cuts the path in the output's own name and what is around it. */
static int split_path(struct mr_commit *commit, const char *dir, struct mr_error *err) {
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') {
        len--;
    }
    commit->dir = strndup(dir, len);
    commit->parent = strndup(dir, len);
    if (!commit->dir || !commit->parent) {
        return mr_error_nomem(err, "preparing the output directory");
    }
    char *slash = strrchr(commit->parent, '/');
    const char *name = slash ? commit->dir + (slash + 1 - commit->parent) : commit->dir;
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "output \"" SHOWN "\": the name of a directory to make is wanted", dir);
    }
    if (!slash) {
        commit->parent[0] = '\0'; /* here */
    } else {
        slash[slash == commit->parent] = '\0'; /* keeps the root's */
    }
    commit->place.name = name;
    commit->place.shown = commit->dir;
    return 0;
}

static int open_parent(struct mr_commit *commit, struct mr_error *err) {
    const char *path = *commit->parent ? commit->parent : ".";
    commit->place.parent_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (commit->place.parent_fd >= 0) {
        return 0;
    }
    int code = errno == ENOENT || errno == ENOTDIR ? MR_ERR_USAGE : MR_ERR_IO;
    return mr_error_errno(err, code, errno, "output \"" SHOWN "\": open \"" SHOWN "\"", commit->dir,
                          path);
}

/* An error about a path inside the pending directory, by errno. */
static int fail_inside(const struct mr_commit *commit, const char *what, const char *path,
                       struct mr_error *err) {
    return mr_error_errno(err, MR_ERR_IO, errno, "%s \"" SHOWN "%s/%s\"", what, commit->dir,
                          commit->pending.name + strlen(commit->place.name), path);
}

static int make_out(struct mr_commit *commit, struct mr_error *err) {
    if (mkdirat(commit->pending.dir_fd, OUT, 0777) != 0) {
        return fail_inside(commit, "make", OUT, err);
    }
    return 0;
}

int mr_commit_attempt(struct mr_commit *commit, uint32_t task, uint32_t attempt, int *dir_fd,
                      struct mr_error *err) {
    char name[64];
    snprintf(name, sizeof name, "attempt-%" PRIu32 "-%" PRIu32, task, attempt);
    if (mkdirat(commit->pending.dir_fd, name, 0700) != 0) {
        return fail_inside(commit, "make", name, err);
    }
    int fd = openat(commit->pending.dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return fail_inside(commit, "open", name, err);
    }
    *dir_fd = fd;
    return 0;
}

#define ATTEMPT_NAME_MAX 64

static void attempt_name(char name[ATTEMPT_NAME_MAX], uint32_t task, uint32_t attempt) {
    snprintf(name, ATTEMPT_NAME_MAX, "attempt-%" PRIu32 "-%" PRIu32, task, attempt);
}

/* Reads a file and compares; one that is missing is not whole. */
static int check_file(int dir_fd, const char *path, const struct mr_run_part *part, bool *is_whole,
                      struct mr_error *err) {
    struct mr_run_part found = {0};
    *is_whole = false;
    int fd = openat(dir_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT || errno == ELOOP
                   ? 0
                   : mr_error_errno(err, MR_ERR_IO, errno, "open \"%s\"", path);
    }
    struct stat about;
    int status = 0;
    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode) &&
        (uint64_t)about.st_size == part->bytes) {
        status = mr_part_hash(fd, path, &found, err);
        *is_whole = !status && found.bytes == part->bytes && found.xxh3 == part->xxh3;
    }
    (void)close(fd); /* nothing was written */
    return status;
}

int mr_commit_check(const struct mr_commit *commit, uint32_t task, uint32_t attempt,
                    const struct mr_run_part *part, bool *is_whole, struct mr_error *err) {
    char name[MR_PART_NAME_MAX];
    char attempt_dir[ATTEMPT_NAME_MAX];
    char path[sizeof OUT + ATTEMPT_NAME_MAX + MR_PART_NAME_MAX];
    mr_part_name(name, sizeof name, task);
    snprintf(path, sizeof path, OUT "/%s", name);
    if (check_file(commit->pending.dir_fd, path, part, is_whole, err) || *is_whole) {
        return err->code;
    }
    attempt_name(attempt_dir, task, attempt);
    snprintf(path, sizeof path, "%s/%s", attempt_dir, name);
    return check_file(commit->pending.dir_fd, path, part, is_whole, err);
}

int mr_commit_discard(const struct mr_commit *commit, uint32_t task, uint32_t attempt,
                      struct mr_error *err) {
    char name[ATTEMPT_NAME_MAX];
    attempt_name(name, task, attempt);
    return mr_tree_remove(commit->pending.dir_fd, name, err);
}

/* What a sweep is to leave. */
struct sweep {
    const struct mr_commit *commit;
    const uint32_t *winners;
    size_t count;
};

static int visit_attempt(void *arg, const char *name, struct mr_error *err) {
    const struct sweep *sweep = arg;
    uint32_t task;
    uint32_t attempt;
    char same[ATTEMPT_NAME_MAX];
    if (sscanf(name, "attempt-%" SCNu32 "-%" SCNu32, &task, &attempt) != 2) {
        return 0;
    }
    attempt_name(same, task, attempt);
    bool is_winner = strcmp(same, name) == 0 && task < sweep->count && attempt &&
                     sweep->winners[task] == attempt;
    return is_winner ? 0 : mr_tree_remove(sweep->commit->pending.dir_fd, name, err);
}

int mr_commit_sweep(const struct mr_commit *commit, const uint32_t *winners, size_t count,
                    struct mr_error *err) {
    struct sweep sweep = {commit, winners, count};
    return mr_tree_each(commit->pending.dir_fd, visit_attempt, &sweep, err);
}

int mr_commit_sync(const struct mr_commit *commit, struct mr_error *err) {
    return mr_file_sync(commit->pending.dir_fd, commit->pending.name, err);
}

static int write_file(int out_fd, const char *name, struct mr_bytes content, struct mr_error *err);

int mr_commit_add(struct mr_commit *commit, const char *name, struct mr_bytes content,
                  struct mr_error *err) {
    int out_fd =
        openat(commit->pending.dir_fd, OUT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (out_fd < 0) {
        return fail_inside(commit, "open", OUT, err);
    }
    int status = write_file(out_fd, name, content, err);
    int closed = mr_file_close(&out_fd, commit->dir, err);
    return status ? status : closed;
}

/* What is to be published. */
struct content {
    const struct mr_run_part *parts;
    const uint32_t *winners;
    size_t count;
    const char *manifest;
};

static int fill_out(const struct mr_commit *commit, const struct content *content,
                    struct mr_error *err);
static int settle(struct mr_commit *commit, struct mr_error *err);

int mr_commit_publish(struct mr_commit *commit, const struct mr_run_part *parts,
                      const uint32_t *winners, size_t count, const char *manifest,
                      struct mr_error *err) {
    if (!commit->is_pending) {
        return mr_error_set(err, MR_ERR_INTERNAL, "output \"" SHOWN "\" is published or kept",
                            commit->dir);
    }
    struct content content = {parts, winners, count, manifest};
    int status = fill_out(commit, &content, err);
    if (!status) {
        status = mr_publish_appear(&commit->publish, err);
    }
    if (!status) {
        status = settle(commit, err);
    }
    if (!status) {
        MR_FAIL_POINT(output_appeared);
    }
    if (status && commit->publish.must_keep) {
        mr_pending_keep(&commit->pending);
        commit->is_pending = false;
    }
    if (status) {
        return status;
    }
    if (commit->publish.way == MR_PUBLISH_ASIDE) {
        struct mr_error ignored = {0};
        status = mr_tree_remove(commit->place.parent_fd, commit->pending.old, &ignored);
        (void)status; /* what stays, the next run on DIR clears */
    }
    mr_pending_remove(&commit->pending);
    commit->is_pending = false;
    return 0;
}

static int move_part(const struct mr_commit *commit, int out_fd, const struct content *content,
                     uint32_t task, struct mr_error *err);

/* Makes `out` what the output shall be, and durable. */
static int fill_out(const struct mr_commit *commit, const struct content *content,
                    struct mr_error *err) {
    int out_fd =
        openat(commit->pending.dir_fd, OUT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (out_fd < 0) {
        return fail_inside(commit, "open", OUT, err);
    }
    int status = 0;
    for (size_t i = 0; i < content->count && !status; i++) {
        status = move_part(commit, out_fd, content, (uint32_t)i, err);
    }
    if (!status) {
        status = write_file(out_fd, MR_MANIFEST_NAME, mr_bytes_text(content->manifest), err);
    }
    if (!status) {
        status = write_file(out_fd, MR_MANIFEST_SUCCESS, mr_bytes_text(""), err);
    }
    if (!status) {
        status = mr_file_sync(out_fd, commit->dir, err);
    }
    int closed = mr_file_close(&out_fd, commit->dir, err);
    return status ? status : closed;
}

/* Moves one winner's part to `out`, unless it was: then it is not where it was written. What lies
 * in `out` beside it is of an earlier winner, and replaced. */
static int move_part(const struct mr_commit *commit, int out_fd, const struct content *content,
                     uint32_t task, struct mr_error *err) {
    char name[MR_PART_NAME_MAX];
    mr_part_name(name, sizeof name, task);
    uint64_t bytes = content->parts[task].bytes;
    struct stat about;
    char path[64 + MR_PART_NAME_MAX];
    snprintf(path, sizeof path, "attempt-%" PRIu32 "-%" PRIu32 "/%s", task, content->winners[task],
             name);
    if (fstatat(commit->pending.dir_fd, path, &about, AT_SYMLINK_NOFOLLOW) != 0) {
        int why = errno;
        bool is_moved = why == ENOENT && fstatat(out_fd, name, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
                        S_ISREG(about.st_mode) && (uint64_t)about.st_size == bytes;
        errno = why;
        return is_moved ? 0 : fail_inside(commit, "find", path, err);
    }
    if (!S_ISREG(about.st_mode) || (uint64_t)about.st_size != bytes) {
        return mr_error_set(err, MR_ERR_IO,
                            "output \"" SHOWN "\": %s has %" PRId64 " bytes, though %" PRIu64
                            " were written",
                            commit->dir, path, (int64_t)about.st_size, bytes);
    }
    if (renameat(commit->pending.dir_fd, path, out_fd, name) != 0) {
        return fail_inside(commit, "move", path, err);
    }
    MR_FAIL_POINT(part_moved);
    return 0;
}

/* Writes a small file durably, again where an earlier try left one. */
static int write_file(int out_fd, const char *name, struct mr_bytes content, struct mr_error *err) {
    struct mr_part part;
    struct mr_run_part ignored;
    if (unlinkat(out_fd, name, 0) != 0 && errno != ENOENT) {
        return mr_error_errno(err, MR_ERR_IO, errno, "replace \"%s\"", name);
    }
    int status = mr_part_create(&part, out_fd, name, err);
    if (!status) {
        status = mr_part_write(&part, content.data, content.len, err);
    }
    if (!status) {
        status = mr_part_finish(&part, &ignored, err);
    }
    mr_part_abandon(&part);
    return status;
}

/* Sees that what is visible is durable, or takes it back. */
static int settle(struct mr_commit *commit, struct mr_error *err) {
    int status = mr_file_sync(commit->place.parent_fd, *commit->parent ? commit->parent : ".", err);
    if (status && mr_publish_take_back(&commit->publish) != 0) {
        mr_error_add(err, "; \"" SHOWN "\" is there, but may not survive a power failure",
                     commit->dir);
    }
    return status;
}

static void destroy(struct mr_commit *commit) {
    if (commit->place.parent_fd >= 0) {
        (void)close(commit->place.parent_fd); /* nothing was written through it */
    }
    free(commit->parent);
    free(commit->dir);
    free(commit);
}

void mr_commit_end(struct mr_commit *commit) {
    if (!commit) {
        return;
    }
    if (!commit->is_pending) {
        mr_commit_leave(commit);
        return;
    }
    mr_pending_remove(&commit->pending);
    destroy(commit);
}

void mr_commit_leave(struct mr_commit *commit) {
    if (!commit) {
        return;
    }
    if (commit->is_pending || commit->is_joined) {
        mr_pending_leave(&commit->pending);
    }
    destroy(commit);
}
