/* manifest_read: reads manifests, of any bytes: parts to check, whose they are, how a run went. */
#include "lib/output/manifest_read.h"

#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/number.h"
#include "lib/output/manifest.h"
#include "lib/output/part.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH3_DIGITS 16

int mr_manifest_read(const char *dir, struct mr_run_part **parts, size_t *count,
                     struct mr_error *err) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return mr_error_errno(err, MR_ERR_INPUT, errno, "open \"%.300s\"", dir);
    }
    int status = mr_manifest_read_at(fd, dir, parts, count, err);
    (void)close(fd); /* nothing was written */
    return status;
}

static int read_text(int fd, const char *dir, struct mr_buffer *text, struct mr_error *err);

static json_t *load(const char *text, size_t len, struct mr_error *err);

static int has_none(const char *dir, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_INPUT,
                        "\"%.300s\" is no output of Millrace: it holds no " MR_MANIFEST_NAME, dir);
}

/* Reads the text of an open directory's manifest. */
static int read_file(int dir_fd, const char *dir, struct mr_buffer *text, struct mr_error *err) {
    /* Not to wait for the writer of a FIFO, which is refused. */
    int fd = openat(dir_fd, MR_MANIFEST_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return has_none(dir, err);
    }
    if (fd < 0) {
        bool is_ours_to_mend = errno == EMFILE || errno == ENFILE || errno == EIO;
        return mr_error_errno(err, is_ours_to_mend ? MR_ERR_IO : MR_ERR_INPUT, errno,
                              "open \"%.300s/" MR_MANIFEST_NAME "\"", dir);
    }
    int status = read_text(fd, dir, text, err);
    (void)close(fd); /* nothing was written */
    return status;
}

int mr_manifest_read_at(int dir_fd, const char *dir, struct mr_run_part **parts, size_t *count,
                        struct mr_error *err) {
    struct mr_buffer text = {0};
    int status = read_file(dir_fd, dir, &text, err);
    if (!status) {
        status = mr_manifest_read_text(text.data, text.len, parts, count, err);
        if (status) {
            mr_error_add(err, " (in \"%.300s/" MR_MANIFEST_NAME "\")", dir);
        }
    }
    mr_buffer_fini(&text);
    return status;
}

int mr_manifest_read_id(int dir_fd, const char *dir, const char *id, bool *is_of,
                        struct mr_error *err) {
    struct mr_buffer text = {0};
    json_t *root = NULL;
    *is_of = false;
    if (!read_file(dir_fd, dir, &text, err) && (root = load(text.data, text.len, err))) {
        const char *found = json_string_value(json_object_get(json_object_get(root, "run"), "id"));
        *is_of = found && strcmp(found, id) == 0;
    }
    json_decref(root);
    mr_buffer_fini(&text);
    return err->code;
}

static int read_text(int fd, const char *dir, struct mr_buffer *text, struct mr_error *err) {
    struct stat about;
    if (fstat(fd, &about) != 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "open \"%.300s/" MR_MANIFEST_NAME "\"", dir);
    }
    if (!S_ISREG(about.st_mode) || (uint64_t)about.st_size > MR_MANIFEST_READ_BYTES_MAX) {
        return mr_error_set(err, MR_ERR_INPUT, "\"%.300s/" MR_MANIFEST_NAME "\": %s", dir,
                            S_ISREG(about.st_mode) ? "it is larger than 256 MiB"
                                                   : "it is no regular file");
    }
    size_t size = (size_t)about.st_size;
    int status = mr_buffer_reserve(text, size + 1, err);
    if (!status) {
        status = mr_file_read(fd, 0, text->data, size, MR_MANIFEST_NAME, &text->len, err);
    }
    return status;
}

static int read_parts(const json_t *root, struct mr_run_part **parts, size_t *count,
                      struct mr_error *err);

/* The text as JSON, or NULL. */
static json_t *load(const char *text, size_t len, struct mr_error *err) {
    json_error_t why;
    memset(&why, 0, sizeof why);
    errno = 0;
    json_t *root = json_loadb(text ? text : "", len, JSON_REJECT_DUPLICATES, &why);
    if (!root) {
        /* Where its buffers could not grow, Jansson blames the text; malloc leaves ENOMEM. */
        bool is_short = errno == ENOMEM || json_error_code(&why) == json_error_out_of_memory;
        (void)(is_short ? mr_error_nomem(err, "reading the manifest")
                        : mr_error_set(err, MR_ERR_INPUT, "line %d, column %d: it isn't JSON",
                                       why.line, why.column));
    }
    return root;
}

int mr_manifest_read_text(const char *text, size_t len, struct mr_run_part **parts, size_t *count,
                          struct mr_error *err) {
    json_t *root = load(text, len, err);
    int status = root ? read_parts(root, parts, count, err) : err->code;
    json_decref(root);
    return status;
}

static bool read_part(const json_t *part, size_t index, struct mr_run_part *result);

static int read_parts(const json_t *root, struct mr_run_part **parts, size_t *count,
                      struct mr_error *err) {
    const json_t *format = json_object_get(root, "format");
    const json_t *array = json_object_get(json_object_get(root, "result"), "parts");
    if (!json_is_integer(format) || json_integer_value(format) < 1) {
        return mr_error_set(err, MR_ERR_INPUT, "it is no manifest of Millrace's");
    }
    if (json_integer_value(format) != MR_MANIFEST_FORMAT) {
        return mr_error_set(err, MR_ERR_INPUT,
                            "its format is %" JSON_INTEGER_FORMAT ", and this version reads %d",
                            json_integer_value(format), MR_MANIFEST_FORMAT);
    }
    if (!json_is_array(array)) {
        return mr_error_set(err, MR_ERR_INPUT, "it has no list of parts");
    }
    size_t len = json_array_size(array);
    struct mr_run_part *made = len > 0 ? calloc(len, sizeof *made) : NULL;
    if (len > 0 && !made) {
        return mr_error_nomem(err, "reading the manifest");
    }
    for (size_t i = 0; i < len; i++) {
        if (!read_part(json_array_get(array, i), i, &made[i])) {
            free(made);
            return mr_error_set(err, MR_ERR_INPUT, "part %zu of its list is malformed", i);
        }
    }
    *parts = made;
    *count = len;
    return 0;
}

static bool read_u64(const json_t *value, uint64_t *number) {
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *number = (uint64_t)json_integer_value(value);
        return true;
    }
    return json_is_string(value) && mr_number_read_u64(json_string_value(value), number);
}

static bool read_xxh3(const json_t *value, uint64_t *number) {
    const char *text = json_string_value(value);
    if (!text || strspn(text, "0123456789abcdef") != XXH3_DIGITS || text[XXH3_DIGITS]) {
        return false;
    }
    *number = strtoull(text, NULL, 16);
    return true;
}

static bool read_part(const json_t *part, size_t index, struct mr_run_part *result) {
    char name[MR_PART_NAME_MAX];
    mr_part_name(name, sizeof name, (uint32_t)index);
    const char *found = json_string_value(json_object_get(part, "name"));
    return found && strcmp(found, name) == 0 &&
           read_u64(json_object_get(part, "records"), &result->records) &&
           read_u64(json_object_get(part, "bytes"), &result->bytes) &&
           read_xxh3(json_object_get(part, "xxh3"), &result->xxh3);
}

/* ---- how a run went ---------------------------------------------------------------------------
 */

static struct mr_run_phase read_phase(const json_t *phase) {
    struct mr_run_phase read = {
        .seconds = json_number_value(json_object_get(phase, "seconds")),
        .thread_seconds = json_number_value(json_object_get(phase, "thread_seconds")),
    };
    bool is_good = read_u64(json_object_get(phase, "bytes"), &read.bytes);
    return is_good && read.thread_seconds >= 0 ? read : (struct mr_run_phase){0};
}

static int read_went(const json_t *root, struct mr_manifest_went *went, struct mr_error *err) {
    const json_t *run = json_object_get(root, "run");
    const json_t *array = json_object_get(run, "rounds");
    const char *job = json_string_value(json_object_get(json_object_get(root, "result"), "job"));
    size_t count = json_array_size(array);
    if (!job || count == 0 || !read_u64(json_object_get(run, "input_bytes"), &went->input_bytes)) {
        return mr_error_set(err, MR_ERR_INPUT, "it does not say how a run went");
    }
    went->job = strdup(job);
    went->rounds = calloc(count, sizeof *went->rounds);
    if (!went->job || !went->rounds) {
        return mr_error_nomem(err, "reading the manifest");
    }
    went->count = count;
    for (size_t i = 0; i < count; i++) {
        went->rounds[i].map = read_phase(json_object_get(json_array_get(array, i), "map"));
        went->rounds[i].reduce = read_phase(json_object_get(json_array_get(array, i), "reduce"));
    }
    return 0;
}

void mr_manifest_read_went_fini(struct mr_manifest_went *went) {
    free(went->job);
    free(went->rounds);
    *went = (struct mr_manifest_went){0};
}

int mr_manifest_read_went(const char *path, struct mr_manifest_went *went, struct mr_error *err) {
    struct mr_buffer text = {0};
    *went = (struct mr_manifest_went){0};
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat about;
    if (fd >= 0 && fstat(fd, &about) == 0 && S_ISDIR(about.st_mode)) {
        int file = openat(fd, MR_MANIFEST_NAME, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        bool is_none = file < 0 && errno == ENOENT;
        int cause = errno;
        (void)close(fd); /* nothing was written */
        fd = file;
        errno = cause;
        if (is_none) {
            return has_none(path, err);
        }
    }
    if (fd < 0) {
        return mr_error_errno(err, MR_ERR_INPUT, errno, "open \"%.300s\"", path);
    }
    if (!read_text(fd, path, &text, err)) {
        json_t *root = load(text.data, text.len, err);
        if (!root || read_went(root, went, err)) {
            mr_error_add(err, " (in \"%.300s\")", path);
        }
        json_decref(root);
    }
    mr_buffer_fini(&text);
    (void)close(fd); /* nothing was written */
    return err->code;
}
