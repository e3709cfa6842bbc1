/* secret: the cluster's secret, in a file that only its owner can read. */
#include "lib/net/secret.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/job/problems.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN "%.300s"
#define DIGITS ((size_t)2 * MR_SECRET_BYTES)
#define FILE_BYTES (DIGITS + 1)
#define FILE_NAME "cluster.key"
#define TRIES_MAX 16

void mr_secret_forget(struct mr_secret *secret) {
    explicit_bzero(secret, sizeof *secret);
}

/* ---- making one ------------------------------------------------------------------------------ */

static int draw(void *bytes, size_t len, struct mr_error *err) {
    ssize_t got;
    do {
        got = getrandom(bytes, len, 0);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)len ? MR_OK : mr_error_errno(err, MR_ERR_IO, errno, "draw random bytes");
}

static void write_digits(const struct mr_secret *secret, char text[FILE_BYTES]) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < MR_SECRET_BYTES; i++) {
        text[2 * i] = digits[secret->bytes[i] >> 4];
        text[2 * i + 1] = digits[secret->bytes[i] & 15];
    }
    text[DIGITS] = '\n';
}

/* Writes a new secret to a file that nobody else has a name for yet. */
static int write_new(int fd, const char *path, struct mr_error *err) {
    struct mr_secret secret;
    char text[FILE_BYTES];
    if (fchmod(fd, 0600)) { /* whatever the umask took away */
        return mr_error_errno(err, MR_ERR_IO, errno, "create the secret \"" SHOWN "\"", path);
    }
    if (!draw(secret.bytes, sizeof secret.bytes, err)) {
        write_digits(&secret, text);
        if (!mr_file_write(fd, text, sizeof text, path, err)) {
            (void)!mr_file_sync(fd, path, err);
        }
    }
    mr_secret_forget(&secret);
    explicit_bzero(text, sizeof text);
    return err->code;
}

/* A file beside `path`, of a name that is nobody's. */
static int create_beside(const char *path, char name[MR_SECRET_PATH_MAX], int *fd,
                         struct mr_error *err) {
    for (int i = 0; i < TRIES_MAX; i++) {
        uint64_t random;
        if (draw(&random, sizeof random, err)) {
            return err->code;
        }
        int len =
            snprintf(name, MR_SECRET_PATH_MAX, "%s.%016llx", path, (unsigned long long)random);
        if (len < 0 || len >= MR_SECRET_PATH_MAX) {
            return mr_error_set(err, MR_ERR_USAGE, "the path of a secret is too long");
        }
        *fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (*fd >= 0 || errno != EEXIST) {
            break;
        }
    }
    return *fd >= 0
               ? MR_OK
               : mr_error_errno(err, MR_ERR_IO, errno, "create the secret \"" SHOWN "\"", path);
}

/* The name is durable when its directory is. */
static int sync_directory(const char *path, struct mr_error *err) {
    char dir[MR_SECRET_PATH_MAX];
    const char *slash = strrchr(path, '/');
    int len = !slash          ? snprintf(dir, sizeof dir, ".")
              : slash == path ? snprintf(dir, sizeof dir, "/")
                              : snprintf(dir, sizeof dir, "%.*s", (int)(slash - path), path);
    int fd = len > 0 && len < (int)sizeof dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "open the directory \"" SHOWN "\"", dir);
    }
    if (!mr_file_sync(fd, dir, err)) {
        return mr_file_close(&fd, dir, err);
    }
    (void)close(fd);
    return err->code;
}

/* Makes a secret at `path`; *existed: somebody's was there, and stays. */
static int make(const char *path, bool *existed, struct mr_error *err) {
    char name[MR_SECRET_PATH_MAX];
    int fd = -1;
    *existed = false;
    if (create_beside(path, name, &fd, err)) {
        return err->code;
    }
    if (!write_new(fd, path, err) && !mr_file_close(&fd, path, err) && link(name, path)) {
        *existed = errno == EEXIST;
        if (!*existed) {
            (void)mr_error_errno(err, MR_ERR_IO, errno, "create the secret \"" SHOWN "\"", path);
        }
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    if (unlink(name) && !err->code) {
        return mr_error_errno(err, MR_ERR_IO, errno, "remove \"" SHOWN "\"", name);
    }
    return err->code || *existed ? err->code : sync_directory(path, err);
}

int mr_secret_new(const char *path, struct mr_error *err) {
    bool existed = false;
    struct stat info;
    if (lstat(path, &info) == 0) {
        existed = true;
    } else if (make(path, &existed, err)) {
        return err->code;
    }
    return existed ? mr_error_set(err, MR_ERR_USAGE,
                                  "\"" SHOWN "\" exists, and a secret is never replaced: name "
                                  "another file, or remove that one",
                                  path)
                   : MR_OK;
}

/* ---- reading one ----------------------------------------------------------------------------- */

/* Adds all that keeps a file from being a secret's. */
static void judge_file(const char *path, const struct stat *info, struct mr_problems *problems) {
    if (!S_ISREG(info->st_mode)) {
        mr_problems_add(problems, MR_ERR_USAGE, "the secret \"" SHOWN "\" is not a regular file",
                        path);
    }
    if (info->st_uid != geteuid()) {
        mr_problems_add(problems, MR_ERR_USAGE,
                        "the secret \"" SHOWN "\" is owned by user %u, not by you (user %u): make "
                        "a copy of your own",
                        path, (unsigned)info->st_uid, (unsigned)geteuid());
    }
    if (info->st_mode & 07177) {
        mr_problems_add(problems, MR_ERR_USAGE,
                        "the secret \"" SHOWN "\" is open to others (mode %04o): run chmod 600 on "
                        "it, and make a new one if others may have read it",
                        path, (unsigned)info->st_mode & 07777);
    }
    if (S_ISREG(info->st_mode) && info->st_size != (off_t)FILE_BYTES) {
        mr_problems_add(problems, MR_ERR_USAGE,
                        "the secret \"" SHOWN "\" has %lld bytes, not the %zu of a secret: "
                        "'millrace secret new FILE' makes one",
                        path, (long long)info->st_size, FILE_BYTES);
    }
}

/* The value of a hexadecimal digit, or negative. */
static int digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_digits(const char text[FILE_BYTES], struct mr_secret *secret) {
    int wrong = text[DIGITS] != '\n';
    for (size_t i = 0; i < MR_SECRET_BYTES; i++) {
        int high = digit(text[2 * i]);
        int low = digit(text[2 * i + 1]);
        wrong |= (high | low) < 0;
        secret->bytes[i] = (unsigned char)((unsigned)high << 4 | ((unsigned)low & 15));
    }
    return !wrong;
}

static int read_content(int fd, const char *path, struct mr_secret *secret, struct mr_error *err) {
    char text[FILE_BYTES];
    size_t got = 0;
    if (!mr_file_read(fd, 0, text, sizeof text, path, &got, err) &&
        (got != sizeof text || !read_digits(text, secret))) {
        mr_secret_forget(secret);
        mr_error_set(err, MR_ERR_USAGE,
                     "the secret \"" SHOWN "\" is not %zu hexadecimal digits and a newline: "
                     "'millrace secret new FILE' makes one",
                     path, DIGITS);
    }
    explicit_bzero(text, sizeof text);
    return err->code;
}

/* As mr_secret_read; *missing: there is no such file, and no sentence yet. */
static int read_file(const char *path, struct mr_secret *secret, bool *missing,
                     struct mr_error *err) {
    struct stat info;
    struct mr_problems problems = {0};
    /* A FIFO would make the opener wait. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    *missing = fd < 0 && errno == ENOENT;
    if (fd < 0) {
        return *missing
                   ? MR_OK
                   : mr_error_errno(err, MR_ERR_IO, errno, "open the secret \"" SHOWN "\"", path);
    }
    if (fstat(fd, &info)) {
        (void)mr_error_errno(err, MR_ERR_IO, errno, "look at the secret \"" SHOWN "\"", path);
    } else {
        judge_file(path, &info, &problems);
        if (!mr_problems_report(&problems, err)) {
            (void)!read_content(fd, path, secret, err);
        }
    }
    (void)close(fd); /* read only */
    return err->code;
}

int mr_secret_read(const char *path, struct mr_secret *secret, struct mr_error *err) {
    bool missing;
    if (!read_file(path, secret, &missing, err) && missing) {
        mr_error_set(err, MR_ERR_USAGE,
                     "there is no secret \"" SHOWN "\": 'millrace secret new' makes one, and all "
                     "machines of a cluster have the same",
                     path);
    }
    return err->code;
}

/* ---- the default place ----------------------------------------------------------------------- */

/* Whether `dir` is a directory of the user's alone. */
static int judge_directory(const char *dir, struct mr_error *err) {
    struct stat info;
    if (lstat(dir, &info)) {
        return mr_error_errno(err, MR_ERR_IO, errno, "look at \"" SHOWN "\"", dir);
    }
    if (!S_ISDIR(info.st_mode) || info.st_uid != geteuid() || info.st_mode & 077) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "\"" SHOWN "\" should be a directory of yours that is closed to others "
                            "(mode 0700), and is not: no secret is kept there; remove it, or use "
                            "--secret",
                            dir);
    }
    return MR_OK;
}

/* Whether there is a directory for what lives as long as the user's session, and it is private. */
static bool is_runtime_directory(const char *dir) {
    struct stat info;
    return stat(dir, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid() &&
           !(info.st_mode & 077);
}

static int name_directory(char dir[MR_SECRET_PATH_MAX], struct mr_error *err) {
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char usual[64];
    snprintf(usual, sizeof usual, "/run/user/%u", (unsigned)geteuid());
    if (!runtime || runtime[0] != '/' || !is_runtime_directory(runtime)) {
        runtime = is_runtime_directory(usual) ? usual : NULL;
    }
    int len = runtime ? snprintf(dir, MR_SECRET_PATH_MAX, "%s/millrace", runtime)
                      : snprintf(dir, MR_SECRET_PATH_MAX, "/tmp/millrace-%u", (unsigned)geteuid());
    return len > 0 && len < MR_SECRET_PATH_MAX - (int)sizeof "/" FILE_NAME
               ? MR_OK
               : mr_error_set(err, MR_ERR_USAGE, "the path in XDG_RUNTIME_DIR is too long");
}

int mr_secret_default_path(bool make_directory, char path[MR_SECRET_PATH_MAX],
                           struct mr_error *err) {
    char dir[MR_SECRET_PATH_MAX];
    struct stat info;
    if (name_directory(dir, err)) {
        return err->code;
    }
    if (make_directory && mkdir(dir, 0700) && errno != EEXIST) {
        return mr_error_errno(err, MR_ERR_IO, errno, "make the directory \"" SHOWN "\"", dir);
    }
    snprintf(path, MR_SECRET_PATH_MAX, "%.*s/" FILE_NAME, MR_SECRET_PATH_MAX - 16, dir);
    bool is_there = make_directory || lstat(dir, &info) == 0 || errno != ENOENT;
    return is_there ? judge_directory(dir, err) : MR_OK;
}

int mr_secret_find(const char *path, bool make_one, struct mr_secret *secret,
                   struct mr_error *err) {
    char place[MR_SECRET_PATH_MAX];
    bool missing = false;
    bool existed;
    if (path) {
        return mr_secret_read(path, secret, err);
    }
    if (mr_secret_default_path(make_one, place, err) || read_file(place, secret, &missing, err)) {
        return err->code;
    }
    if (missing && make_one && !make(place, &existed, err)) {
        return mr_secret_read(place, secret, err);
    }
    return missing ? mr_error_set(err, MR_ERR_CLUSTER,
                                  "no daemon of yours has run on this machine (there is no \"" SHOWN
                                  "\"): 'millrace cluster up' starts a cluster; another machine's "
                                  "needs --secret FILE",
                                  place)
                   : err->code;
}
