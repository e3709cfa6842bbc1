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
#include "lib/base/hash.h"
#include "lib/base/number.h"
#include "lib/output/part.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
static json_t *make_loop(struct draft *draft);
static json_t *make_counters(struct draft *draft);
static json_t *make_parts(struct draft *draft);

static json_t *make_result(struct draft *draft) {
    const struct mr_run_result *result = draft->source->result;
    json_t *object = json_object();
    put(draft, object, "job", make_text(draft, draft->source->job->name));
    put(draft, object, "parameters", make_parameters(draft));
    put(draft, object, "facts", make_facts(draft));
    put(draft, object, "rounds", make_logical_rounds(draft));
    if (draft->source->loops) {
        put(draft, object, "loop", make_loop(draft));
    }
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

static json_t *make_loop(struct draft *draft) {
    const struct mr_run_loop *loop = &draft->source->result->loop;
    char name[2 * XXH3_DIGITS + 1];
    snprintf(name, sizeof name, "%016" PRIx64 "%016" PRIx64, loop->state_xxh3[0],
             loop->state_xxh3[1]);
    json_t *object = json_object();
    put(draft, object, "passes", make_u64(loop->passes));
    json_t *state = json_object();
    put(draft, state, "bytes", make_u64(loop->state_bytes));
    put(draft, state, "xxh3_128", json_string(name));
    put(draft, object, "state", state);
    return object;
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
