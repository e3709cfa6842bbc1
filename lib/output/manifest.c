/* manifest: the account of a job's output, as JSON: written beside the parts, read by verify.
 *
 * Two readers want it: people, who open it to see what made an output, and programs, which compare
 * its `result` (the same bytes wherever the job ran) or check the parts against it. Whatever
 * depends on the machine, the time or the path of a file stands in `run`. Jansson keeps the order
 * in which keys are set, so the text is as stable as the values.
 *
 * Building goes on after a failed allocation: a value that could not be made is NULL, which setting
 * refuses, and the first refusal is remembered in the tree being built (`is_short`). So only the
 * end has to look. */
#include "lib/output/manifest.h"

#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/base/number.h"
#include "lib/output/part.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH3_DIGITS 16

/* A manifest being built. */
struct draft {
    const struct mr_manifest_source *source;
    bool is_short;   /* of memory: something is missing */
    bool is_foreign; /* a plugin's name for something is not UTF-8, as keys must be */
};

static bool is_utf8(const char *text);

/* Sets a key; owns the value from here on. */
static void put(struct draft *draft, json_t *object, const char *key, json_t *value) {
    if (!is_utf8(key)) {
        draft->is_foreign = true;
        json_decref(value);
    } else if (json_object_set_new(object, key, value) != 0) {
        draft->is_short = true;
    }
}

static void append(struct draft *draft, json_t *array, json_t *value) {
    if (json_array_append_new(array, value) != 0) {
        draft->is_short = true;
    }
}

static json_t *make_result(struct draft *draft);
static json_t *make_run(struct draft *draft);
static int print(const json_t *root, char **json, struct mr_error *err);

int mr_manifest_write(const struct mr_manifest_source *source, char **json, struct mr_error *err) {
    struct draft draft = {.source = source};
    json_t *root = json_object();
    put(&draft, root, "format", json_integer(MR_MANIFEST_FORMAT));
    put(&draft, root, "result", make_result(&draft));
    put(&draft, root, "run", make_run(&draft));
    int status;
    if (draft.is_short) {
        status = mr_error_nomem(err, "writing the manifest");
    } else if (draft.is_foreign) {
        status = mr_error_set(err, MR_ERR_JOB,
                              "a parameter, fact or counter of job \"%.60s\" has a"
                              " name that is not UTF-8",
                              source->job->name);
    } else {
        status = print(root, json, err);
    }
    json_decref(root);
    return status;
}

/* Where print's text grows. */
struct text {
    struct mr_buffer buffer;
    struct mr_error err;
};

static int append_text(const char *data, size_t len, void *arg) {
    struct text *text = arg;
    return mr_buffer_append(&text->buffer, data, len, &text->err);
}

static int print(const json_t *root, char **json, struct mr_error *err) {
    struct text text = {0};
    int status =
        json_dump_callback(root, append_text, &text, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    /* Of a key that could not be written Jansson doesn't tell: what we know counts too. */
    if (status != 0 || text.err.code || append_text("\n", 2, &text) != 0) { /* with the zero */
        mr_buffer_fini(&text.buffer);
        return mr_error_nomem(err, "writing the manifest");
    }
    *json = text.buffer.data;
    return 0;
}

/* ---- values ---- */

static json_t *make_u64(uint64_t value) {
    if (value <= INT64_MAX) {
        return json_integer((json_int_t)value);
    }
    char digits[MR_NUMBER_TEXT_MAX];
    return json_stringn(digits, mr_number_put_u64(digits, value));
}

static json_t *make_xxh3(uint64_t value) {
    char digits[XXH3_DIGITS + 1];
    snprintf(digits, sizeof digits, "%016" PRIx64, value);
    return json_string(digits);
}

static json_t *make_seconds(double seconds) {
    return json_real(isfinite(seconds) ? seconds : 0);
}

/* How many bytes of UTF-8 the text begins with make one character; 0: none do (Unicode, table 3-7).
 */
static size_t character_len(const unsigned char *text) {
    unsigned char lead = text[0];
    if (lead < 0x80) {
        return 1;
    }
    size_t len = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    unsigned char least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    for (size_t i = 1; i < len; i++) { /* stops at the terminator too */
        if (text[i] < least || text[i] > most) {
            return 0;
        }
        least = 0x80;
        most = 0xbf;
    }
    return len;
}

static bool is_utf8(const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    size_t len = 1;
    while (*at && len > 0) {
        len = character_len(at);
        at += len;
    }
    return len > 0;
}

/* Text as JSON has it; of other bytes, which names of files may hold, the hex digits. */
static json_t *make_text(struct draft *draft, const char *text) {
    if (is_utf8(text)) {
        return json_string(text);
    }
    size_t len = strlen(text);
    char *hex = malloc(2 * len + 1);
    if (!hex) {
        return NULL;
    }
    for (size_t i = 0; i < len; i++) {
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)text[i]);
    }
    json_t *object = json_object();
    put(draft, object, "hex", json_string(hex));
    free(hex);
    return object;
}

/* "2026-01-02T03:04:05.678901234Z" */
static json_t *make_time(const struct timespec *time) {
    struct tm parts;
    char date[64];
    char text[96];
    if (!gmtime_r(&time->tv_sec, &parts)) {
        return json_null();
    }
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text, sizeof text, "%s.%09ldZ", date, time->tv_nsec);
    return json_string(text);
}

/* ---- result ---- */

static json_t *make_parameters(struct draft *draft);
static json_t *make_facts(struct draft *draft);
static json_t *make_logical_rounds(struct draft *draft);
static json_t *make_counters(struct draft *draft);
static json_t *make_parts(struct draft *draft);

static json_t *make_result(struct draft *draft) {
    const struct mr_run_result *result = draft->source->result;
    json_t *object = json_object();
    put(draft, object, "job", make_text(draft, draft->source->job->name));
    put(draft, object, "parameters", make_parameters(draft));
    put(draft, object, "facts", make_facts(draft));
    put(draft, object, "rounds", make_logical_rounds(draft));
    put(draft, object, "counters", make_counters(draft));
    put(draft, object, "records", make_u64(result->output_records));
    put(draft, object, "bytes", make_u64(result->output_bytes));
    put(draft, object, "partitions", make_u64(draft->source->partitions));
    put(draft, object, "parts", make_parts(draft));
    return object;
}

/* The content of a file, not its name. */
static json_t *make_file(struct draft *draft, struct mr_bytes content) {
    json_t *object = json_object();
    put(draft, object, "bytes", make_u64(content.len));
    put(draft, object, "xxh3", make_xxh3(mr_hash_xxh3(content.data, content.len)));
    return object;
}

static json_t *make_parameter(struct draft *draft, const struct mr_param *param) {
    const struct mr_params *params = draft->source->params;
    const char *text = mr_params_text(params, param->name);
    if (param->kind == MR_PARAM_FLAG) {
        return json_boolean(text != NULL);
    }
    if (!text) {
        return json_null();
    }
    switch (param->kind) {
    case MR_PARAM_U64:
        return make_u64(mr_params_u64(params, param->name));
    case MR_PARAM_FILE:
        return make_file(draft, mr_params_file(params, param->name));
    default:
        return make_text(draft, text);
    }
}

static json_t *make_parameters(struct draft *draft) {
    json_t *object = json_object();
    const struct mr_param *param = draft->source->job->params;
    for (; param && param->name; param++) {
        put(draft, object, param->name, make_parameter(draft, param));
    }
    return object;
}

static json_t *make_facts(struct draft *draft) {
    json_t *object = json_object();
    const char *const *fact = draft->source->facts;
    for (; fact && *fact; fact++) {
        size_t len = strcspn(*fact, "=");
        char *name = strndup(*fact, len);
        if (name) {
            put(draft, object, name, make_text(draft, *fact + len + ((*fact)[len] ? 1 : 0)));
        }
        draft->is_short |= !name;
        free(name);
    }
    return object;
}

/* The counters of one kind: the other kind's rows are skipped by their name in the table. */
static json_t *make_books(struct draft *draft, const struct mr_run_books *books, bool is_logical) {
    enum { logical = true, physical = false };
    json_t *object = json_object();
#define PUT_COUNTER(name, kind)                                                                    \
    if (is_logical == (kind)) {                                                                    \
        put(draft, object, #name, make_u64(books->name));                                          \
    }
    MR_RUN_COUNTER_TABLE(PUT_COUNTER)
#undef PUT_COUNTER
    return object;
}

static json_t *make_logical_rounds(struct draft *draft) {
    const struct mr_run_result *result = draft->source->result;
    json_t *array = json_array();
    for (size_t i = 0; i < result->round_count; i++) {
        json_t *round = json_object();
        put(draft, round, "name", make_text(draft, result->rounds[i].name));
        put(draft, round, "counters", make_books(draft, &result->rounds[i].books, true));
        append(draft, array, round);
    }
    return array;
}

static int compare_counters(const void *a, const void *b) {
    const struct mr_run_counter *const *left = a;
    const struct mr_run_counter *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

/* By name: which of them was used first depends on the threads. */
static json_t *make_counters(struct draft *draft) {
    const struct mr_run_result *result = draft->source->result;
    size_t count = result->counter_count;
    const struct mr_run_counter **sorted = calloc(count + 1, sizeof *sorted);
    if (!sorted) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &result->counters[i];
    }
    qsort(sorted, count, sizeof *sorted, compare_counters);
    json_t *object = json_object();
    for (size_t i = 0; i < count; i++) {
        put(draft, object, sorted[i]->name, make_u64(sorted[i]->value));
    }
    free(sorted);
    return object;
}

static json_t *make_parts(struct draft *draft) {
    const struct mr_run_result *result = draft->source->result;
    json_t *array = json_array();
    for (size_t i = 0; i < result->part_count; i++) {
        char name[MR_PART_NAME_MAX];
        mr_part_name(name, sizeof name, (uint32_t)i);
        json_t *part = json_object();
        put(draft, part, "name", json_string(name));
        put(draft, part, "records", make_u64(result->parts[i].records));
        put(draft, part, "bytes", make_u64(result->parts[i].bytes));
        put(draft, part, "xxh3", make_xxh3(result->parts[i].xxh3));
        append(draft, array, part);
    }
    return array;
}

/* ---- run ---- */

static json_t *make_inputs(struct draft *draft);
static json_t *make_physical_rounds(struct draft *draft);

static json_t *make_run(struct draft *draft) {
    const struct mr_manifest_source *source = draft->source;
    const struct mr_run_result *result = source->result;
    const char *output = source->spec->output;
    json_t *object = json_object();
    put(draft, object, "id", make_text(draft, source->id));
    put(draft, object, "version", make_text(draft, source->version));
    put(draft, object, "started", make_time(&source->started));
    put(draft, object, "seconds", make_seconds(result->seconds));
    put(draft, object, "threads", make_u64(result->threads));
    put(draft, object, "memory", make_u64(result->memory_bytes));
    put(draft, object, "peak_rss", make_u64(result->peak_rss_bytes));
    put(draft, object, "output", output ? make_text(draft, output) : json_null());
    put(draft, object, "input_bytes", make_u64(result->input_bytes));
    put(draft, object, "inputs", make_inputs(draft));
    put(draft, object, "rounds", make_physical_rounds(draft));
    return object;
}

static json_t *make_inputs(struct draft *draft) {
    const struct mr_inputs *inputs = draft->source->inputs;
    json_t *array = json_array();
    for (size_t i = 0; i < inputs->count; i++) {
        const struct mr_input *item = &inputs->items[i];
        bool is_stream = item->kind == MR_INPUT_STREAM;
        json_t *input = json_object();
        put(draft, input, "path", make_text(draft, item->path));
        put(draft, input, "size", is_stream ? json_null() : make_u64(item->size));
        put(draft, input, "mtime", is_stream ? json_null() : make_time(&item->mtime));
        append(draft, array, input);
    }
    return array;
}

static json_t *make_phase(struct draft *draft, const struct mr_run_phase *phase) {
    json_t *object = json_object();
    put(draft, object, "seconds", make_seconds(phase->seconds));
    put(draft, object, "thread_seconds", make_seconds(phase->thread_seconds));
    put(draft, object, "wait_seconds", make_seconds(phase->wait_seconds));
    put(draft, object, "bytes", make_u64(phase->bytes));
    return object;
}

static json_t *make_physical_rounds(struct draft *draft) {
    const struct mr_run_result *result = draft->source->result;
    json_t *array = json_array();
    for (size_t i = 0; i < result->round_count; i++) {
        const struct mr_run_round *round = &result->rounds[i];
        json_t *object = json_object();
        put(draft, object, "name", make_text(draft, round->name));
        put(draft, object, "counters", make_books(draft, &round->books, false));
        put(draft, object, "map", make_phase(draft, &round->map));
        put(draft, object, "reduce", make_phase(draft, &round->reduce));
        append(draft, array, object);
    }
    return array;
}

/* ---- reading ---- */

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

int mr_manifest_read_at(int dir_fd, const char *dir, struct mr_run_part **parts, size_t *count,
                        struct mr_error *err) {
    /* Not to wait for the writer of a FIFO, which is refused. */
    int fd = openat(dir_fd, MR_MANIFEST_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        bool is_ours_to_mend = errno == EMFILE || errno == ENFILE || errno == EIO;
        return mr_error_errno(err, is_ours_to_mend ? MR_ERR_IO : MR_ERR_INPUT, errno,
                              "open \"%.300s/" MR_MANIFEST_NAME "\"", dir);
    }
    struct mr_buffer text = {0};
    int status = read_text(fd, dir, &text, err);
    if (!status) {
        status = mr_manifest_parse(text.data, text.len, parts, count, err);
        if (status) {
            mr_error_add(err, " (in \"%.300s/" MR_MANIFEST_NAME "\")", dir);
        }
    }
    mr_buffer_fini(&text);
    (void)close(fd); /* nothing was written */
    return status;
}

static int read_text(int fd, const char *dir, struct mr_buffer *text, struct mr_error *err) {
    struct stat about;
    if (fstat(fd, &about) != 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "open \"%.300s/" MR_MANIFEST_NAME "\"", dir);
    }
    if (!S_ISREG(about.st_mode) || (uint64_t)about.st_size > MR_MANIFEST_BYTES_MAX) {
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

int mr_manifest_parse(const char *text, size_t len, struct mr_run_part **parts, size_t *count,
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

static int read_rounds(const json_t *root, struct mr_run_round **rounds, size_t *count,
                       uint64_t *input_bytes, struct mr_error *err) {
    const json_t *run = json_object_get(root, "run");
    const json_t *array = json_object_get(run, "rounds");
    *count = json_array_size(array);
    if (*count == 0 || !read_u64(json_object_get(run, "input_bytes"), input_bytes)) {
        return mr_error_set(err, MR_ERR_INPUT, "it does not say how a run went");
    }
    *rounds = calloc(*count, sizeof **rounds);
    if (!*rounds) {
        return mr_error_nomem(err, "reading the manifest");
    }
    for (size_t i = 0; i < *count; i++) {
        (*rounds)[i].map = read_phase(json_object_get(json_array_get(array, i), "map"));
        (*rounds)[i].reduce = read_phase(json_object_get(json_array_get(array, i), "reduce"));
    }
    return 0;
}

int mr_manifest_read_rounds(const char *path, struct mr_run_round **rounds, size_t *count,
                            uint64_t *input_bytes, struct mr_error *err) {
    struct mr_buffer text = {0};
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat about;
    if (fd >= 0 && fstat(fd, &about) == 0 && S_ISDIR(about.st_mode)) {
        int file = openat(fd, MR_MANIFEST_NAME, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        (void)close(fd);
        fd = file;
    }
    if (fd < 0) {
        return mr_error_errno(err, MR_ERR_INPUT, errno, "open \"%.300s\"", path);
    }
    if (!read_text(fd, path, &text, err)) {
        json_t *root = load(text.data, text.len, err);
        if (!root || read_rounds(root, rounds, count, input_bytes, err)) {
            mr_error_add(err, " (in \"%.300s\")", path);
        }
        json_decref(root);
    }
    mr_buffer_fini(&text);
    (void)close(fd); /* nothing was written */
    return err->code;
}
