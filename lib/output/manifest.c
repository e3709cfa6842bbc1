/* manifest: the account of a job's output, as JSON: written beside the parts, read by verify.
 *
 * Two readers want it: people, who open it to see what made an output, and programs, which compare
 * its `result` (the same bytes wherever the job ran) or check the parts against it. Whatever
 * depends on the machine, the time or the path of a file stands in `run`.
 *
 * It is made in two steps, since on a cluster two processes know the halves: who plans a job
 * describes it; who sees it end adds what came of it, without the job's code. */
#include "lib/output/manifest.h"

#include "lib/base/error.h"
#include "lib/output/draft.h"
#include "lib/output/part.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the description ---- */

/* What it must have: who made it may be another process. */
static const struct {
    const char *name;
    json_type type; /* JSON_NULL: any; JSON_TRUE: either truth */
} members[] = {
    {"job", JSON_NULL},     {"parameters", JSON_OBJECT}, {"facts", JSON_OBJECT},
    {"loops", JSON_TRUE},   {"partitions", JSON_NULL},   {"id", JSON_NULL},
    {"version", JSON_NULL}, {"started", JSON_NULL},      {"output", JSON_NULL},
    {"inputs", JSON_ARRAY},
};

static bool is_whole(const json_t *description) {
    bool whole = json_integer_value(json_object_get(description, "format")) == MR_MANIFEST_FORMAT;
    for (size_t i = 0; i < sizeof members / sizeof *members && whole; i++) {
        const json_t *found = json_object_get(description, members[i].name);
        whole = found && (members[i].type == JSON_NULL || json_typeof(found) == members[i].type ||
                          (members[i].type == JSON_TRUE && json_is_false(found)));
    }
    return whole;
}

/* Whether all of a text that we printed was taken up: where a buffer can't grow, Jansson may leave
 * a character out and say nothing. */
static bool is_same(const json_t *root, const char *description, struct mr_error *err) {
    struct mr_draft none = {.job = ""};
    char *again = NULL;
    if (!mr_draft_print(&none, root, JSON_COMPACT, &again, err) &&
        strcmp(again, description) != 0) {
        mr_error_nomem(err, "writing the manifest");
    }
    free(again);
    return !err->code;
}

static json_t *load(const char *description, bool is_own, struct mr_error *err) {
    json_error_t why;
    memset(&why, 0, sizeof why);
    errno = 0;
    json_t *root = json_loads(description, JSON_REJECT_DUPLICATES, &why);
    /* Where its buffers could not grow, Jansson blames the text; malloc leaves ENOMEM. */
    bool is_short = !root && (errno == ENOMEM || json_error_code(&why) == json_error_out_of_memory);
    if (root && is_whole(root) && (!is_own || is_same(root, description, err))) {
        return root;
    }
    if (is_short) {
        (void)mr_error_nomem(err, "writing the manifest");
    } else {
        mr_error_set(err, MR_ERR_INPUT, "the description of a job, for its manifest, is malformed");
    }
    json_decref(root);
    return NULL;
}

/* Puts a member of the description into the manifest. */
static void take(struct mr_draft *draft, json_t *object, const char *key,
                 const json_t *description) {
    mr_draft_put(draft, object, key, json_incref(json_object_get(description, key)));
}

/* ---- result ---- */

/* The counters of one kind: the other kind's rows are skipped by their name in the table. */
static json_t *make_books(struct mr_draft *draft, const struct mr_run_books *books,
                          bool is_logical) {
    enum { logical = true, physical = false };
    json_t *object = json_object();
#define PUT_COUNTER(name, kind)                                                                    \
    if (is_logical == (kind)) {                                                                    \
        mr_draft_put(draft, object, #name, mr_draft_u64(books->name));                             \
    }
    MR_RUN_COUNTER_TABLE(PUT_COUNTER)
#undef PUT_COUNTER
    return object;
}

static json_t *make_logical_rounds(struct mr_draft *draft, const struct mr_run_result *result) {
    json_t *array = json_array();
    for (size_t i = 0; i < result->round_count; i++) {
        json_t *round = json_object();
        mr_draft_put(draft, round, "name", mr_draft_text(draft, result->rounds[i].name));
        mr_draft_put(draft, round, "counters", make_books(draft, &result->rounds[i].books, true));
        mr_draft_append(draft, array, round);
    }
    return array;
}

static json_t *make_loop(struct mr_draft *draft, const struct mr_run_result *result) {
    const struct mr_run_loop *loop = &result->loop;
    char name[2 * MR_DRAFT_XXH3_DIGITS + 1];
    snprintf(name, sizeof name, "%016" PRIx64 "%016" PRIx64, loop->state_xxh3[0],
             loop->state_xxh3[1]);
    json_t *object = json_object();
    mr_draft_put(draft, object, "passes", mr_draft_u64(loop->passes));
    json_t *state = json_object();
    mr_draft_put(draft, state, "bytes", mr_draft_u64(loop->state_bytes));
    mr_draft_put(draft, state, "xxh3_128", json_string(name));
    mr_draft_put(draft, object, "state", state);
    return object;
}

static int compare_counters(const void *a, const void *b) {
    const struct mr_run_counter *const *left = a;
    const struct mr_run_counter *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

/* By name: which of them was used first depends on the threads. */
static json_t *make_counters(struct mr_draft *draft, const struct mr_run_result *result) {
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
        mr_draft_put(draft, object, sorted[i]->name, mr_draft_u64(sorted[i]->value));
    }
    free(sorted);
    return object;
}

static json_t *make_parts(struct mr_draft *draft, const struct mr_run_result *result) {
    json_t *array = json_array();
    for (size_t i = 0; i < result->part_count; i++) {
        char name[MR_PART_NAME_MAX];
        mr_part_name(name, sizeof name, (uint32_t)i);
        json_t *part = json_object();
        mr_draft_put(draft, part, "name", json_string(name));
        mr_draft_put(draft, part, "records", mr_draft_u64(result->parts[i].records));
        mr_draft_put(draft, part, "bytes", mr_draft_u64(result->parts[i].bytes));
        mr_draft_put(draft, part, "xxh3", mr_draft_xxh3(result->parts[i].xxh3));
        mr_draft_append(draft, array, part);
    }
    return array;
}

static json_t *make_result(struct mr_draft *draft, const json_t *description,
                           const struct mr_run_result *result) {
    json_t *object = json_object();
    take(draft, object, "job", description);
    take(draft, object, "parameters", description);
    take(draft, object, "facts", description);
    mr_draft_put(draft, object, "rounds", make_logical_rounds(draft, result));
    if (json_is_true(json_object_get(description, "loops"))) {
        mr_draft_put(draft, object, "loop", make_loop(draft, result));
    }
    mr_draft_put(draft, object, "counters", make_counters(draft, result));
    mr_draft_put(draft, object, "records", mr_draft_u64(result->output_records));
    mr_draft_put(draft, object, "bytes", mr_draft_u64(result->output_bytes));
    take(draft, object, "partitions", description);
    mr_draft_put(draft, object, "parts", make_parts(draft, result));
    return object;
}

/* ---- run ---- */

static json_t *make_phase(struct mr_draft *draft, const struct mr_run_phase *phase) {
    json_t *object = json_object();
    mr_draft_put(draft, object, "seconds", mr_draft_seconds(phase->seconds));
    mr_draft_put(draft, object, "thread_seconds", mr_draft_seconds(phase->thread_seconds));
    mr_draft_put(draft, object, "wait_seconds", mr_draft_seconds(phase->wait_seconds));
    mr_draft_put(draft, object, "bytes", mr_draft_u64(phase->bytes));
    return object;
}

static json_t *make_physical_rounds(struct mr_draft *draft, const struct mr_run_result *result) {
    json_t *array = json_array();
    for (size_t i = 0; i < result->round_count; i++) {
        const struct mr_run_round *round = &result->rounds[i];
        json_t *object = json_object();
        mr_draft_put(draft, object, "name", mr_draft_text(draft, round->name));
        mr_draft_put(draft, object, "counters", make_books(draft, &round->books, false));
        mr_draft_put(draft, object, "map", make_phase(draft, &round->map));
        mr_draft_put(draft, object, "reduce", make_phase(draft, &round->reduce));
        mr_draft_append(draft, array, object);
    }
    return array;
}

static json_t *make_run(struct mr_draft *draft, const json_t *description,
                        const struct mr_run_result *result) {
    json_t *object = json_object();
    take(draft, object, "id", description);
    take(draft, object, "version", description);
    take(draft, object, "started", description);
    mr_draft_put(draft, object, "seconds", mr_draft_seconds(result->seconds));
    mr_draft_put(draft, object, "threads", mr_draft_u64(result->threads));
    if (result->peak_rss_bytes) { /* of one process; a cluster's have theirs each */
        mr_draft_put(draft, object, "memory", mr_draft_u64(result->memory_bytes));
        mr_draft_put(draft, object, "peak_rss", mr_draft_u64(result->peak_rss_bytes));
    }
    take(draft, object, "output", description);
    mr_draft_put(draft, object, "input_bytes", mr_draft_u64(result->input_bytes));
    take(draft, object, "inputs", description);
    mr_draft_put(draft, object, "rounds", make_physical_rounds(draft, result));
    return object;
}

/* ---- both halves ---- */

/* `is_own`: this process made the description. */
static int finish(const char *description, bool is_own, const struct mr_run_result *result,
                  char **json, struct mr_error *err) {
    json_t *described = load(description, is_own, err);
    if (!described) {
        return err->code;
    }
    const char *job = json_string_value(json_object_get(described, "job"));
    struct mr_draft draft = {.job = job ? job : ""};
    json_t *root = json_object();
    mr_draft_put(&draft, root, "format", json_integer(MR_MANIFEST_FORMAT));
    mr_draft_put(&draft, root, "result", make_result(&draft, described, result));
    mr_draft_put(&draft, root, "run", make_run(&draft, described, result));
    int status = mr_draft_print(&draft, root, JSON_INDENT(2), json, err);
    json_decref(root);
    json_decref(described);
    return status;
}

int mr_manifest_finish(const char *description, const struct mr_run_result *result, char **json,
                       struct mr_error *err) {
    return finish(description, false, result, json, err);
}

int mr_manifest_write(const struct mr_manifest_source *source, char **json, struct mr_error *err) {
    char *description = NULL;
    if (!mr_manifest_describe(source, &description, err)) {
        (void)!finish(description, true, source->result, json, err);
    }
    free(description);
    return err->code;
}
