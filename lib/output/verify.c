/* verify: compares an output directory with its manifest. */
#include "lib/output/verify.h"

#include "lib/base/error.h"
#include "lib/base/number.h"
#include "lib/output/manifest.h"
#include "lib/output/manifest_read.h"
#include "lib/output/part.h"
#include "lib/output/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN_MAX 10      /* differences told one by one */
#define DIFFERENCE_MAX 80 /* bytes of one, so that ten fit in an error beside the path */

/* A comparison under way. */
struct check {
    const char *dir;
    int dir_fd;
    const struct mr_run_part *parts;
    size_t count;
    uint64_t differences;
    struct mr_error found; /* all of them */
};

__attribute__((format(printf, 2, 3))) static void differ(struct check *check, const char *format,
                                                         ...) {
    check->differences++;
    if (check->differences > SHOWN_MAX) {
        return;
    }
    char text[DIFFERENCE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    mr_error_set(&check->found, MR_ERR_INPUT, "\"%.150s\" differs from its manifest:", check->dir);
    mr_error_add(&check->found, "\n%s", text);
}

static int check_all(struct check *check, struct mr_error *err);

int mr_verify_output(const char *dir, struct mr_run_part **parts, size_t *count,
                     struct mr_error *err) {
    struct check check = {.dir = dir};
    check.dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (check.dir_fd < 0) {
        return mr_error_errno(err, MR_ERR_INPUT, errno, "open \"%.300s\"", dir);
    }
    int status = mr_manifest_read_at(check.dir_fd, dir, parts, count, err);
    if (status) {
        goto done;
    }
    check.parts = *parts;
    check.count = *count;
    status = check_all(&check, err);
    if (!status && check.differences > SHOWN_MAX) {
        mr_error_add(&check.found, "\nand %" PRIu64 " more", check.differences - SHOWN_MAX);
    }
    if (!status && check.differences > 0) {
        status = mr_error_set(err, check.found.code, "%s", check.found.text);
    }
done:
    (void)close(check.dir_fd); /* nothing was written */
    return status;
}

static int check_part(struct check *check, uint32_t index, struct mr_error *err);
static int visit_name(void *arg, const char *name, struct mr_error *err);

static int check_all(struct check *check, struct mr_error *err) {
    struct stat about;
    if (fstatat(check->dir_fd, MR_MANIFEST_SUCCESS, &about, AT_SYMLINK_NOFOLLOW) != 0) {
        differ(check, MR_MANIFEST_SUCCESS " is missing");
    }
    int status = 0;
    for (size_t i = 0; i < check->count && !status; i++) {
        status = check_part(check, (uint32_t)i, err);
    }
    return status ? status : mr_tree_each(check->dir_fd, visit_name, check, err);
}

static int check_open(struct check *check, uint32_t index, int fd, struct mr_error *err);

/* Says what keeps a part from being opened. */
static int refuse(struct check *check, const char *name, int cause, struct mr_error *err) {
    char reason[64];
    switch (cause) {
    case ENOENT:
        differ(check, "%s is missing", name);
        return 0;
    case ELOOP:
        differ(check, "%s is no regular file", name);
        return 0;
    case EMFILE:
    case ENFILE:
    case ENOMEM: /* nothing is known about the part */
        return mr_error_errno(err, MR_ERR_IO, cause, "open \"%s\"", name);
    default:
        differ(check, "%s: %s", name, strerror_r(cause, reason, sizeof reason));
        return 0;
    }
}

static int check_part(struct check *check, uint32_t index, struct mr_error *err) {
    char name[MR_PART_NAME_MAX];
    mr_part_name(name, sizeof name, index);
    int fd = openat(check->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return refuse(check, name, errno, err);
    }
    int status = check_open(check, index, fd, err);
    (void)close(fd); /* nothing was written */
    return status;
}

/* Compares one part. That it can't be read is a difference too, but for want of memory. */
static int check_open(struct check *check, uint32_t index, int fd, struct mr_error *err) {
    const struct mr_run_part *wanted = &check->parts[index];
    char name[MR_PART_NAME_MAX];
    mr_part_name(name, sizeof name, index);
    struct stat about;
    if (fstat(fd, &about) != 0) {
        return refuse(check, name, errno, err);
    }
    if (!S_ISREG(about.st_mode)) {
        return refuse(check, name, ELOOP, err);
    }
    struct mr_run_part found = {.bytes = (uint64_t)about.st_size};
    struct mr_error why = {0};
    int status = found.bytes == wanted->bytes ? mr_part_hash(fd, name, &found, &why) : 0;
    if (status == MR_ERR_NOMEM) {
        return mr_error_set(err, status, "%s", why.text);
    }
    if (status) {
        differ(check, "%s", why.text);
    } else if (found.bytes != wanted->bytes) {
        differ(check, "%s has %" PRIu64 " bytes, not %" PRIu64, name, found.bytes, wanted->bytes);
    } else if (found.xxh3 != wanted->xxh3) {
        differ(check, "%s has the XXH3 %016" PRIx64 ", not %016" PRIx64, name, found.xxh3,
               wanted->xxh3);
    }
    return 0;
}

/* Whether the manifest lists the name. */
static bool is_listed(const struct check *check, const char *name) {
    uint64_t index;
    char listed[MR_PART_NAME_MAX];
    if (!mr_number_read_u64(name + strlen("part-"), &index) || index >= check->count) {
        return false;
    }
    mr_part_name(listed, sizeof listed, (uint32_t)index);
    return strcmp(listed, name) == 0;
}

/* Notices a part that isn't listed. Its name may hold anything: what could steer a terminal is not
 * shown. */
static int visit_name(void *arg, const char *name, struct mr_error *err) {
    (void)err;
    struct check *check = arg;
    if (strncmp(name, "part-", strlen("part-")) != 0 || is_listed(check, name)) {
        return 0;
    }
    char shown[48];
    snprintf(shown, sizeof shown, "%s", name);
    for (char *at = shown; *at; at++) {
        *at = (unsigned char)*at < ' ' || *at == 0x7f ? '?' : *at;
    }
    differ(check, "%s is not in the manifest", shown);
    return 0;
}
