/* inputs: turns what the user named into a list of input files, each with its kind and size.
 *
 * Problems with single names (MR_ERR_INPUT) are gathered, so that one run tells all of them;
 * anything else (no memory, no descriptors, EIO) ends the expansion at once. FIFOs and devices are
 * not opened here: a FIFO's writer would be woken and then find its reader gone. */
#include "lib/input/inputs.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/input/feed.h"
#include "lib/input/listing.h"
#include "lib/input/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROBLEMS_SHOWN_MAX 10
#define PROBLEMS_ROOM 64 /* kept free for the count of those not shown */
#define COMPRESSED_WEIGHT 4
#define PATH_SHOWN_MAX 200 /* of a longer path the end is shown: the reason must fit too */

struct expansion {
    struct mr_inputs *inputs;
    size_t cap;
    size_t skipped_cap;
    bool stdin_named;
    struct mr_error problems; /* one a line */
    size_t problems_shown;
    size_t problems_left_out;
    struct mr_error one; /* what is being gathered */
};

static int add_stdin(struct expansion *expansion, struct mr_error *err);
static int add_named(struct expansion *expansion, const char *name, struct mr_error *err);
static int add_nothing_found(struct expansion *expansion, const char *name, size_t count,
                             struct mr_error *err);

int mr_inputs_expand(const char *const *names, size_t count, struct mr_inputs *inputs,
                     struct mr_error *err) {
    *inputs = (struct mr_inputs){0};
    struct expansion expansion = {.inputs = inputs};
    int status = count == 0 ? add_stdin(&expansion, err) : MR_OK;
    for (size_t i = 0; status == MR_OK && i < count; i++) {
        status = add_named(&expansion, names[i], err);
    }
    if (status == MR_OK && inputs->count == 0 && expansion.problems_shown == 0) {
        status = add_nothing_found(&expansion, names[0], count, err);
    }
    if (status == MR_OK && expansion.problems_shown > 0) {
        status = mr_error_set(err, MR_ERR_INPUT, "%s", expansion.problems.text);
        if (expansion.problems_left_out > 0) {
            mr_error_add(err, "\nand %zu more", expansion.problems_left_out);
        }
    }
    if (status != MR_OK) {
        mr_inputs_fini(inputs);
    }
    return status;
}

void mr_inputs_fini(struct mr_inputs *inputs) {
    for (size_t i = 0; i < inputs->count; i++) {
        free(inputs->items[i].path);
    }
    for (size_t i = 0; i < inputs->skipped_count; i++) {
        free(inputs->skipped[i].path);
    }
    free(inputs->items);
    free(inputs->skipped);
    *inputs = (struct mr_inputs){0};
}

/* ---- problems ---- */

/* Settles a status whose sentence is in expansion->one: a problem with the input is gathered and
 * becomes 0; of another failure the sentence goes to *err. */
static int settle(struct expansion *expansion, int status, struct mr_error *err) {
    struct mr_error one = expansion->one;
    expansion->one.code = 0;
    if (status != MR_ERR_INPUT) {
        return status == MR_OK ? MR_OK : mr_error_set(err, status, "%s", one.text);
    }
    size_t used = strlen(expansion->problems.text);
    bool fits = used + strlen(one.text) + PROBLEMS_ROOM < MR_ERROR_TEXT_MAX;
    if (expansion->problems_shown == 0) {
        mr_error_set(&expansion->problems, MR_ERR_INPUT, "%s", one.text);
        expansion->problems_shown = 1;
    } else if (fits && expansion->problems_shown < PROBLEMS_SHOWN_MAX) {
        mr_error_add(&expansion->problems, "\n%s", one.text);
        expansion->problems_shown++;
    } else {
        expansion->problems_left_out++;
    }
    return MR_OK;
}

/* The end of a path that is too long to be shown, from the beginning of a character. */
static const char *shown(const char *path) {
    size_t len = strlen(path);
    if (len <= PATH_SHOWN_MAX) {
        return path;
    }
    const char *tail = path + len - PATH_SHOWN_MAX;
    while (((unsigned char)*tail & 0xc0) == 0x80) {
        tail++;
    }
    return tail;
}

/* `path` can't be opened or looked at, because of `cause`, an errno. */
static int add_failed(struct expansion *expansion, const char *path, int cause,
                      struct mr_error *err) {
    const char *end = shown(path);
    int status = mr_error_errno(&expansion->one, mr_feed_status(cause), cause, "open \"%s%s\"",
                                end == path ? "" : "...", end);
    return settle(expansion, status, err);
}

/* `path` is there, but `what` is said about it. */
static int add_refused(struct expansion *expansion, const char *path, const char *what,
                       struct mr_error *err) {
    const char *end = shown(path);
    int status = mr_error_set(&expansion->one, MR_ERR_INPUT, "\"%s%s\" %s",
                              end == path ? "" : "...", end, what);
    return settle(expansion, status, err);
}

static bool has_outputs(const struct mr_inputs *inputs) {
    for (size_t i = 0; i < inputs->skipped_count; i++) {
        if (strcmp(inputs->skipped[i].why, MR_INPUTS_OUTPUT) == 0) {
            return true;
        }
    }
    return false;
}

static int add_nothing_found(struct expansion *expansion, const char *name, size_t count,
                             struct mr_error *err) {
    if (count == 1) {
        return add_refused(expansion, name,
                           has_outputs(expansion->inputs)
                               ? "holds no input files but outputs of Millrace: name those"
                               : "holds no input files",
                           err);
    }
    int status = mr_error_set(&expansion->one, MR_ERR_INPUT,
                              "no input files in any of the %zu names given", count);
    return settle(expansion, status, err);
}

/* ---- rows ---- */

/* Makes room for one more row of `size` bytes; `rows` is the address of the array's pointer. */
static int reserve_row(void *rows, size_t size, size_t count, size_t *cap, struct mr_error *err) {
    if (count < *cap) {
        return MR_OK;
    }
    void *old;
    memcpy(&old, rows, sizeof old);
    size_t wanted = *cap ? 2 * *cap : 8;
    void *grown = reallocarray(old, wanted, size);
    if (!grown) {
        return mr_error_nomem(err, "listing the inputs");
    }
    memcpy(rows, &grown, sizeof grown);
    *cap = wanted;
    return MR_OK;
}

static uint64_t add_bytes(uint64_t a, uint64_t b) {
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static void count_bytes(struct mr_inputs *inputs, const struct mr_input *input) {
    if (input->kind == MR_INPUT_STREAM) {
        inputs->has_stream = true;
        return;
    }
    bool is_plain = input->kind == MR_INPUT_FILE;
    uint64_t weighted;
    if (__builtin_mul_overflow(input->size, is_plain ? 1 : COMPRESSED_WEIGHT, &weighted)) {
        weighted = UINT64_MAX;
    }
    inputs->bytes = add_bytes(inputs->bytes, input->size);
    inputs->weighted_bytes = add_bytes(inputs->weighted_bytes, weighted);
}

static int add_input(struct expansion *expansion, const char *path, const struct stat *info,
                     enum mr_input_kind kind, struct mr_error *err) {
    struct mr_inputs *inputs = expansion->inputs;
    int status =
        reserve_row(&inputs->items, sizeof *inputs->items, inputs->count, &expansion->cap, err);
    if (status != MR_OK) {
        return status;
    }
    char *copy = strdup(path);
    if (!copy) {
        return mr_error_nomem(err, "listing the inputs");
    }
    struct mr_input *input = &inputs->items[inputs->count++];
    *input = (struct mr_input){.path = copy,
                               .kind = kind,
                               .size = kind == MR_INPUT_STREAM ? 0 : (uint64_t)info->st_size,
                               .mtime = info->st_mtim,
                               .dev = info->st_dev,
                               .ino = info->st_ino};
    count_bytes(inputs, input);
    return MR_OK;
}

static int add_skip(struct expansion *expansion, const char *path, const char *why,
                    struct mr_error *err) {
    struct mr_inputs *inputs = expansion->inputs;
    int status = reserve_row(&inputs->skipped, sizeof *inputs->skipped, inputs->skipped_count,
                             &expansion->skipped_cap, err);
    if (status != MR_OK) {
        return status;
    }
    char *copy = strdup(path);
    if (!copy) {
        return mr_error_nomem(err, "listing the inputs");
    }
    inputs->skipped[inputs->skipped_count++] = (struct mr_input_skip){copy, why};
    return MR_OK;
}

/* ---- files ---- */

/* Looks into an open regular file. */
static int add_opened(struct expansion *expansion, const char *path, int fd, struct mr_error *err) {
    struct stat info;
    char head[MR_SOURCE_MAGIC_BYTES];
    if (fstat(fd, &info) != 0) {
        return add_failed(expansion, path, errno, err);
    }
    size_t got;
    struct mr_error unread = {0};
    if (mr_file_read(fd, 0, head, sizeof head, path, &got, &unread)) {
        return add_failed(expansion, path, errno, err);
    }
    if (mr_source_check_head(head, got, strcmp(path, "-") ? shown(path) : "standard input",
                             &expansion->one)) {
        return settle(expansion, expansion->one.code, err);
    }
    enum mr_input_kind kind = mr_source_kind(head, got);
    if (info.st_size == 0 && got > 0) {
        kind = MR_INPUT_STREAM; /* a file of /proc: its size is not known */
    }
    return add_input(expansion, path, &info, kind, err);
}

static int add_regular(struct expansion *expansion, const char *path, struct mr_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return add_failed(expansion, path, errno, err);
    }
    int status = add_opened(expansion, path, fd, err);
    close(fd); /* only read from: nothing can be lost */
    return status;
}

static int add_stdin(struct expansion *expansion, struct mr_error *err) {
    struct stat info;
    if (expansion->stdin_named) {
        return add_refused(expansion, "-", "is named twice: standard input can be read only once",
                           err);
    }
    expansion->stdin_named = true;
    if (fstat(STDIN_FILENO, &info) != 0) {
        return add_failed(expansion, "standard input", errno, err);
    }
    if (S_ISDIR(info.st_mode)) {
        return add_refused(expansion, "standard input", "is a directory", err);
    }
    /* A file of which somebody has read a part already is read on from there. */
    if (S_ISREG(info.st_mode) && lseek(STDIN_FILENO, 0, SEEK_CUR) == 0) {
        return add_opened(expansion, "-", STDIN_FILENO, err);
    }
    return add_input(expansion, "-", &info, MR_INPUT_STREAM, err);
}

/* ---- directories, patterns ---- */

static int add_directory(struct expansion *expansion, const char *path, struct mr_error *err);

/* What a path leads to, a link followed: named by the user, or matched by the user's pattern. */
static int add_found(struct expansion *expansion, const char *path, const struct stat *info,
                     struct mr_error *err) {
    if (S_ISDIR(info->st_mode)) {
        return add_directory(expansion, path, err);
    }
    if (S_ISREG(info->st_mode)) {
        return add_regular(expansion, path, err);
    }
    if (S_ISSOCK(info->st_mode)) {
        return add_refused(expansion, path, "is a socket, not a file", err);
    }
    if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0) {
        return add_failed(expansion, path, errno, err);
    }
    return add_input(expansion, path, info, MR_INPUT_STREAM, err);
}

static int add_matches(struct expansion *expansion, const char *pattern, struct mr_error *err) {
    struct mr_listing matches = {0};
    int status = mr_listing_match(pattern, &matches, &expansion->one);
    status = settle(expansion, status, err);
    if (status == MR_OK && matches.count == 0) {
        status = add_refused(expansion, pattern, "matches no file", err);
    }
    for (size_t i = 0; status == MR_OK && i < matches.count; i++) {
        struct stat info;
        status = stat(matches.names[i], &info) == 0
                     ? add_found(expansion, matches.names[i], &info, err)
                     : add_failed(expansion, matches.names[i], errno, err);
    }
    mr_listing_fini(&matches);
    return status;
}

static int add_named(struct expansion *expansion, const char *name, struct mr_error *err) {
    struct stat info;
    if (strcmp(name, "-") == 0) {
        return add_stdin(expansion, err);
    }
    if (stat(name, &info) == 0) {
        return add_found(expansion, name, &info, err);
    }
    if (errno == ENOENT && mr_listing_is_pattern(name)) {
        return add_matches(expansion, name, err);
    }
    return add_failed(expansion, name, errno, err);
}

/* NAME.pending-ID or NAME.old-ID, ID of 32 hex digits: what a run, dead or alive, is making. */
static bool is_unfinished_output(const char *name) {
    static const char *const marks[] = {".pending-", ".old-"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const char *mark = strstr(name, marks[i]);
        const char *id = mark ? mark + strlen(marks[i]) : "";
        if (strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32) {
            return true;
        }
    }
    return false;
}

/* Whether a directory is an output of Millrace: it holds its manifest, and the mark of its end. */
static bool is_output(const char *path) {
    static const char *const names[] = {"_manifest.json", "_SUCCESS"};
    bool is = true;
    for (size_t i = 0; is && i < sizeof names / sizeof *names; i++) {
        char *inner = NULL;
        struct stat info;
        bool is_made = asprintf(&inner, "%s/%s", path, names[i]) >= 0;
        is = is_made && lstat(inner, &info) == 0 && S_ISREG(info.st_mode);
        free(is_made ? inner : NULL);
    }
    return is;
}

/* One entry of a directory: `path` is the directory's and the name. */
static int add_entry(struct expansion *expansion, const char *path, const char *name,
                     struct mr_error *err) {
    struct stat info;
    if (name[0] == '.' || name[0] == '_') {
        return add_skip(expansion, path, "hidden", err);
    }
    if (is_unfinished_output(name)) {
        return add_skip(expansion, path, "an output that is not finished", err);
    }
    if (lstat(path, &info) != 0) {
        return add_failed(expansion, path, errno, err);
    }
    if (S_ISDIR(info.st_mode)) {
        return is_output(path) ? add_skip(expansion, path, MR_INPUTS_OUTPUT, err)
                               : add_directory(expansion, path, err);
    }
    if (S_ISLNK(info.st_mode) && stat(path, &info) != 0) {
        return add_failed(expansion, path, errno, err);
    }
    if (S_ISDIR(info.st_mode)) {
        return add_skip(expansion, path, "a link to a directory", err);
    }
    return S_ISREG(info.st_mode) ? add_regular(expansion, path, err)
                                 : add_skip(expansion, path, "not a regular file", err);
}

/* Walks a directory. The depth of recursion is bounded by the length a path may have. */
static int add_directory(struct expansion *expansion, const char *path, struct mr_error *err) {
    struct mr_listing entries = {0};
    int status = mr_listing_read(path, &entries, &expansion->one);
    status = settle(expansion, status, err);
    size_t len = strlen(path);
    const char *slash = len > 0 && path[len - 1] == '/' ? "" : "/";
    for (size_t i = 0; status == MR_OK && i < entries.count; i++) {
        char *inner = NULL;
        if (asprintf(&inner, "%s%s%s", path, slash, entries.names[i]) < 0) {
            status = mr_error_nomem(err, "listing the inputs");
            break;
        }
        status = add_entry(expansion, inner, entries.names[i], err);
        free(inner);
    }
    mr_listing_fini(&entries);
    return status;
}

bool mr_inputs_is_same(const struct mr_input *input, const struct stat *now) {
    return now->st_dev == input->dev && now->st_ino == input->ino &&
           (uint64_t)now->st_size == input->size && now->st_mtim.tv_sec == input->mtime.tv_sec &&
           now->st_mtim.tv_nsec == input->mtime.tv_nsec;
}

int mr_inputs_check_same(const struct mr_input *input, struct mr_error *err) {
    struct stat now;
    bool is_stdin = strcmp(input->path, "-") == 0;
    const char *name = mr_feed_name(input);
    if ((is_stdin ? fstat(STDIN_FILENO, &now) : stat(input->path, &now)) != 0) {
        return mr_error_errno(err, mr_feed_status(errno), errno, "read \"%s\" again", name);
    }
    if (!mr_inputs_is_same(input, &now)) {
        return mr_error_set(err, MR_ERR_INPUT,
                            "\"%s\" changed since the run began: each pass must read the same",
                            name);
    }
    return MR_OK;
}
