/* folder: a worker's own folder on disk: who it is, and where it keeps what it holds. */
#include "lib/worker/node/folder.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/output/tree.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN "%.300s"
#define NOTE_MAX 512
#define NEW_TRIES 16
#define HOST_MAX 64
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int make_dir(const char *path, struct mr_error *err) {
    return mkdir(path, 0700) == 0 || errno == EEXIST
               ? MR_OK
               : mr_error_errno(err, MR_ERR_IO, errno, "make \"" SHOWN "\"", path);
}

/* ---- which one --------------------------------------------------------------------------------*/

/* Opens and locks; false where somebody else holds it (err->code stays 0) or that fails. */
static bool hold(struct mr_folder *folder, const char *path, struct mr_error *err) {
    struct stat about;
    char *real = realpath(path, NULL);
    if (!real || strlen(real) >= sizeof folder->path) {
        mr_error_errno(err, MR_ERR_IO, real ? ENAMETOOLONG : errno, "open \"" SHOWN "\"", path);
        free(real);
        return false;
    }
    snprintf(folder->path, sizeof folder->path, "%s", real);
    free(real);
    folder->dir_fd = open(folder->path, DIR_FLAGS);
    folder->lock_fd = folder->dir_fd < 0 ? -1
                                         : openat(folder->dir_fd, "lock",
                                                  O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (folder->lock_fd < 0 || fstat(folder->dir_fd, &about) != 0) {
        mr_error_errno(err, MR_ERR_IO, errno, "open \"" SHOWN "\"", path);
    } else if (about.st_uid != geteuid() || (about.st_mode & 022) != 0) {
        mr_error_set(err, MR_ERR_USAGE,
                     "\"" SHOWN "\" must be this user's own, and writable for nobody else", path);
    } else if (flock(folder->lock_fd, LOCK_EX | LOCK_NB) == 0) {
        return true;
    } else if (errno != EWOULDBLOCK) {
        mr_error_errno(err, MR_ERR_IO, errno, "lock \"" SHOWN "/lock\"", path);
    }
    mr_folder_close(folder);
    return false;
}

static void make_random(char text[7]) {
    static const char digits[] = "abcdefghijkmnpqrstuvwxyz23456789";
    unsigned char bytes[6];
    while (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        text[i] = digits[bytes[i] % 32];
    }
    text[6] = '\0';
}

/* HOST-ROLE-, the host's name without its domain. */
static void begin_name(char name[MR_FOLDER_NAME_MAX], const char *role) {
    char host[HOST_MAX] = "host";
    (void)gethostname(host, sizeof host - 1);
    host[strcspn(host, ".")] = '\0';
    snprintf(name, MR_FOLDER_NAME_MAX, "%s-%s-", host, role);
}

/* The user's directory for the folders of all workers. */
static int find_home(char path[MR_FOLDER_PATH_MAX], struct mr_error *err) {
    const char *tmp = getenv("TMPDIR");
    struct stat about;
    snprintf(path, MR_FOLDER_PATH_MAX, "%.3000s/millrace-%u", tmp && *tmp ? tmp : "/tmp",
             (unsigned)geteuid());
    if (make_dir(path, err)) {
        return err->code;
    }
    if (lstat(path, &about) != 0 || !S_ISDIR(about.st_mode) || about.st_uid != geteuid() ||
        (about.st_mode & 077) != 0) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "\"" SHOWN "\" is not a directory of this user's alone; remove it, or "
                            "name another place with --scratch",
                            path);
    }
    return MR_OK;
}

static int is_candidate(const struct dirent *entry) {
    return strncmp(entry->d_name, "worker-", 7) == 0;
}

/* Takes the first folder below `home` whose name begins so and that nobody holds. */
static bool take_up(struct mr_folder *folder, const char *home, const char *prefix) {
    struct dirent **entries = NULL;
    int count = scandir(home, &entries, is_candidate, alphasort);
    bool is_held = false;
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name + strlen("worker-");
        size_t len = strlen(prefix);
        char path[MR_FOLDER_PATH_MAX + 300];
        struct mr_error ignored = {0};
        if (!is_held && strncmp(name, prefix, len) == 0 && strlen(name) == len + 6) {
            snprintf(path, sizeof path, "%s/%s", home, entries[i]->d_name);
            is_held = hold(folder, path, &ignored);
        }
        free(entries[i]);
    }
    free(entries);
    return is_held;
}

static int make_new(struct mr_folder *folder, const char *home, const char *prefix,
                    struct mr_error *err) {
    for (unsigned i = 0; i < NEW_TRIES; i++) {
        char random[7];
        char path[MR_FOLDER_PATH_MAX + 300];
        make_random(random);
        snprintf(path, sizeof path, "%s/worker-%s%s", home, prefix, random);
        if (make_dir(path, err) || hold(folder, path, err) || err->code) {
            return err->code;
        }
    }
    return mr_error_set(err, MR_ERR_IO, "\"" SHOWN "\": all names are taken", home);
}

static int find(struct mr_folder *folder, const struct mr_folder_options *options,
                struct mr_error *err) {
    char home[MR_FOLDER_PATH_MAX];
    char path[MR_FOLDER_PATH_MAX + 300];
    char prefix[MR_FOLDER_NAME_MAX];
    if (!options->path && find_home(home, err)) {
        return err->code;
    }
    if (options->path || options->name) {
        snprintf(path, sizeof path, options->path ? "%.4000s" : "%s/worker-%s",
                 options->path ? options->path : home, options->name);
        if (make_dir(path, err) || hold(folder, path, err) || err->code) {
            return err->code;
        }
        return mr_error_set(err, MR_ERR_USAGE,
                            "\"" SHOWN
                            "\" is held by another worker: each needs one of its own, by "
                            "--scratch or --name",
                            path);
    }
    begin_name(prefix, options->role);
    return take_up(folder, home, prefix) ? MR_OK : make_new(folder, home, prefix, err);
}

/* ---- what is noted in it ----------------------------------------------------------------------*/

static int write_note(const struct mr_folder *folder, struct mr_error *err) {
    char text[NOTE_MAX];
    int len =
        snprintf(text, sizeof text,
                 "millrace worker 1\nname %s\nidentity %016" PRIx64 "\ncluster %s\nepoch %" PRIu64
                 "\nstart %" PRIu64 "\nsequence %" PRIu64 "\nend\n",
                 folder->name, folder->identity, *folder->cluster ? folder->cluster : "-",
                 folder->seen.epoch, folder->seen.start, folder->seen.sequence);
    int fd = openat(folder->dir_fd, "node.new",
                    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "make \"" SHOWN "/node.new\"", folder->path);
    }
    int status = mr_file_write(fd, text, (size_t)len, "node.new", err);
    int closed = mr_file_close(&fd, "node.new", err);
    if (!status && !closed && renameat(folder->dir_fd, "node.new", folder->dir_fd, "node") != 0) {
        status = mr_error_errno(err, MR_ERR_IO, errno, "name \"" SHOWN "/node\"", folder->path);
    }
    return status ? status : closed;
}

/* False: there is none, or not a whole one: what lies in the folder is nobody's. */
static bool read_note(struct mr_folder *folder) {
    char text[NOTE_MAX + 1] = "";
    char end[4] = "";
    struct mr_error ignored = {0};
    size_t got = 0;
    int fd = openat(folder->dir_fd, "node", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    int status = mr_file_read(fd, 0, text, NOTE_MAX, "node", &got, &ignored);
    (void)close(fd); /* only read from */
    int fields =
        sscanf(text,
               "millrace worker 1 name %127s identity %16" SCNx64 " cluster %32s epoch %" SCNu64
               " start %" SCNu64 " sequence %" SCNu64 " %3s",
               folder->name, &folder->identity, folder->cluster, &folder->seen.epoch,
               &folder->seen.start, &folder->seen.sequence, end);
    bool is_whole = !status && fields == 7 && strcmp(end, "end") == 0 && folder->identity;
    if (!is_whole) {
        folder->name[0] = folder->cluster[0] = '\0';
        folder->identity = 0;
        folder->seen = (struct mr_folder_seen){0};
    }
    if (strcmp(folder->cluster, "-") == 0) {
        folder->cluster[0] = '\0';
    }
    return is_whole;
}

int mr_folder_note(struct mr_folder *folder, const char *cluster, const struct mr_folder_seen *seen,
                   struct mr_error *err) {
    if (strcmp(folder->cluster, cluster) == 0 && folder->seen.epoch == seen->epoch &&
        folder->seen.start == seen->start && folder->seen.sequence == seen->sequence) {
        return MR_OK;
    }
    if (cluster != folder->cluster) {
        snprintf(folder->cluster, sizeof folder->cluster, "%s", cluster);
    }
    folder->seen = *seen;
    return write_note(folder, err);
}

/* ---- opening ----------------------------------------------------------------------------------*/

/* Random: a folder that is made anew in this place is another. */
static void choose_identity(struct mr_folder *folder) {
    while (folder->identity == 0) {
        while (getrandom(&folder->identity, sizeof folder->identity, 0) !=
               (ssize_t)sizeof folder->identity) {
        }
    }
}

/* A name that was noted stays, unless another is given. */
static void choose_name(struct mr_folder *folder, const struct mr_folder_options *options) {
    const char *base = strrchr(folder->path, '/');
    char random[7];
    if (options->name) {
        snprintf(folder->name, sizeof folder->name, "%s", options->name);
    } else if (!*folder->name && !options->path && base) { /* its folder is called so */
        snprintf(folder->name, sizeof folder->name, "%.120s", base + 1 + strlen("worker-"));
    } else if (!*folder->name) {
        make_random(random);
        begin_name(folder->name, options->role);
        size_t len = strlen(folder->name);
        snprintf(folder->name + len, sizeof folder->name - len, "%s", random);
    }
}

static int open_rooms(struct mr_folder *folder, bool is_known, struct mr_error *err) {
    char blobs[MR_FOLDER_PATH_MAX + 16];
    mkdirat(folder->dir_fd, "trash", 0700);
    mr_folder_empty_trash(folder);
    if (!is_known && (mr_tree_remove(folder->dir_fd, "jobs", err) ||
                      mr_tree_remove(folder->dir_fd, "blobs", err))) {
        return err->code;
    }
    if (mkdirat(folder->dir_fd, "jobs", 0700) != 0 && errno != EEXIST) {
        return mr_error_errno(err, MR_ERR_IO, errno, "make \"" SHOWN "/jobs\"", folder->path);
    }
    snprintf(blobs, sizeof blobs, "%s/blobs", folder->path);
    return mr_blobs_open(blobs, false, &folder->blobs, err);
}

int mr_folder_open(struct mr_folder *folder, const struct mr_folder_options *options,
                   struct mr_error *err) {
    *folder = (struct mr_folder){.dir_fd = -1, .lock_fd = -1};
    if (find(folder, options, err)) {
        return err->code;
    }
    bool is_known = read_note(folder);
    choose_name(folder, options);
    choose_identity(folder);
    if (open_rooms(folder, is_known, err) || write_note(folder, err)) {
        mr_folder_close(folder);
    }
    return err->code;
}

void mr_folder_close(struct mr_folder *folder) {
    mr_blobs_close(folder->blobs);
    folder->blobs = NULL;
    int *const fds[] = {&folder->lock_fd, &folder->dir_fd};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (*fds[i] >= 0) {
            (void)close(*fds[i]);
            *fds[i] = -1;
        }
    }
}

void mr_folder_trash(struct mr_folder *folder, const char *path) {
    char to[64];
    snprintf(to, sizeof to, "trash/%" PRIu64, folder->trashed++);
    (void)renameat(folder->dir_fd, path, folder->dir_fd,
                   to); /* what stays, the next start clears */
}

void mr_folder_trash_job(struct mr_folder *folder, const char *id) {
    char path[64];
    snprintf(path, sizeof path, "jobs/%.40s", id);
    mr_folder_trash(folder, path);
}

void mr_folder_empty_trash(const struct mr_folder *folder) {
    struct mr_error ignored = {0};
    int fd = openat(folder->dir_fd, "trash", DIR_FLAGS);
    if (fd >= 0) {
        (void)!mr_tree_empty(fd, NULL, &ignored);
        (void)close(fd);
    }
}
