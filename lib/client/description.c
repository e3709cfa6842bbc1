/* description: a job as it travels: what its code, plan and files are, as the bytes of a SPEC.
 *
 * Planning asks the job's own code and looks at the inputs, which no daemon does. Paths become
 * absolute here: on the cluster there is no current directory. */
#include "lib/client/description.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/output/manifest.h"
#include "lib/worker/spec.h"
#include "master/local/plan/plan.h"
#include "task/session.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LABEL_MAX 2048
#define PLUGIN_PIECE ((size_t)1 << 20)
#define EMPTY_FILE "/dev/null" /* stands for a file parameter without content */

struct mr_description {
    const struct mr_description_options *options;
    const char *id;
    struct mr_run_spec spec; /* to plan with */
    struct mr_plan plan;
    bool is_planned;
    struct mr_spec made; /* what travels; its lists are ours: */
    struct mr_spec_param *params;
    struct mr_spec_round *rounds;
    struct mr_spec_input *inputs;
    struct mr_spec_split *splits;
    char *cwd;
    char *output;
    char *manifest;
    struct mr_buffer plugin;
    struct mr_buffer bytes; /* of the spec */
    struct mr_hash_128 hash;
    char label[LABEL_MAX];
};

/* ---- its parts --------------------------------------------------------------------------------*/

/* A path from the root, malloc'ed; symbolic links stay: other machines may have others. */
static char *make_absolute(const struct mr_description *description, const char *path) {
    char *absolute = NULL;
    if (path[0] == '/') {
        return strdup(path);
    }
    while (path[0] == '.' && path[1] == '/') {
        path += 2;
    }
    bool is_root = strcmp(description->cwd, "/") == 0;
    return asprintf(&absolute, "%s/%s", is_root ? "" : description->cwd, path) < 0 ? NULL
                                                                                   : absolute;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Reads the plugin's file, which travels. */
static int read_plugin(struct mr_description *description, const char *path, struct mr_error *err) {
    struct mr_buffer *plugin = &description->plugin;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return mr_error_errno(err, MR_ERR_INPUT, errno, "open \"%.300s\"", path);
    }
    for (size_t got = 1; got > 0 && !err->code; plugin->len += got) {
        got = 0;
        if (!mr_buffer_reserve(plugin, PLUGIN_PIECE, err)) {
            (void)!mr_file_read(fd, -1, plugin->data + plugin->len, PLUGIN_PIECE, path, &got, err);
        }
    }
    (void)close(fd); /* nothing was written */
    return err->code;
}

static int add_plugin(struct mr_description *description, struct mr_client *client,
                      struct mr_error *err) {
    const char *name = description->spec.job_name;
    struct mr_hash_128 hash;
    description->made.job = base_name(name);
    if (!strchr(name, '/')) {
        return MR_OK;
    }
    if (read_plugin(description, name, err) ||
        mr_client_offer(client,
                        (struct mr_bytes){description->plugin.data, description->plugin.len}, &hash,
                        err)) {
        return err->code;
    }
    description->made.plugin_high = hash.high;
    description->made.plugin_low = hash.low;
    return MR_OK;
}

static bool is_file(const struct mr_job *job, const char *name) {
    const struct mr_param *param = job->params;
    for (; param && param->name; param++) {
        if (strcmp(param->name, name) == 0) {
            return param->kind == MR_PARAM_FILE;
        }
    }
    return false;
}

/* A file's content travels as a blob; none has no bytes, so an empty file is another one. */
static int add_file(struct mr_description *description, struct mr_client *client,
                    struct mr_spec_param *row, struct mr_error *err) {
    struct mr_bytes content = mr_params_file(description->plan.params, row->name);
    struct mr_hash_128 hash;
    if (content.len == 0) {
        row->value = EMPTY_FILE;
        return MR_OK;
    }
    row->is_file = 1;
    if (!mr_client_offer(client, content, &hash, err)) {
        row->file_high = hash.high;
        row->file_low = hash.low;
    }
    return err->code;
}

/* What the user gave; and files that the job names itself, whose content may be another there. */
static int add_params(struct mr_description *description, struct mr_client *client,
                      struct mr_error *err) {
    const struct mr_run_spec *spec = &description->spec;
    size_t declared = 0;
    const struct mr_run_param *values = mr_params_rows(description->plan.params, &declared);
    size_t count = 0;
    description->params = calloc(spec->param_count + declared + 1, sizeof *description->params);
    if (!description->params) {
        return mr_error_nomem(err, "describing the job");
    }
    for (size_t i = 0; i < spec->param_count; i++) {
        if (!is_file(spec->job, spec->params[i].name)) {
            description->params[count++] = (struct mr_spec_param){.name = spec->params[i].name,
                                                                  .value = spec->params[i].value};
        }
    }
    for (size_t i = 0; i < declared && !err->code; i++) {
        if (values[i].value && is_file(spec->job, values[i].name)) {
            struct mr_spec_param *row = &description->params[count++];
            *row = (struct mr_spec_param){.name = values[i].name, .value = values[i].value};
            (void)!add_file(description, client, row, err);
        }
    }
    description->made.params = description->params;
    description->made.params_count = count;
    description->made.files_xxh3 = mr_session_files_xxh3(spec->job, description->plan.params);
    return err->code;
}

static int add_rounds(struct mr_description *description, struct mr_error *err) {
    const struct mr_plan *plan = &description->plan;
    description->rounds = calloc(plan->round_count, sizeof *description->rounds);
    if (!description->rounds) {
        return mr_error_nomem(err, "describing the job");
    }
    for (uint32_t i = 0; i < plan->round_count; i++) {
        const char *name = plan->rounds[i].name;
        description->rounds[i] =
            (struct mr_spec_round){.name = name ? name : "",
                                   .partitions = mr_plan_partitions(plan, &description->spec, i)};
    }
    description->made.rounds = description->rounds;
    description->made.rounds_count = plan->round_count;
    description->made.loops = plan->loops;
    return MR_OK;
}

static int add_inputs(struct mr_description *description, struct mr_error *err) {
    const struct mr_inputs *inputs = &description->plan.inputs;
    description->inputs = calloc(inputs->count + 1, sizeof *description->inputs);
    if (!description->inputs) {
        return mr_error_nomem(err, "describing the job");
    }
    description->made.inputs = description->inputs;
    for (size_t i = 0; i < inputs->count; i++) {
        const struct mr_input *item = &inputs->items[i];
        char *path = make_absolute(description, item->path);
        if (!path) {
            return mr_error_nomem(err, "describing the job");
        }
        description->inputs[description->made.inputs_count++] =
            (struct mr_spec_input){.path = path,
                                   .kind = (uint64_t)item->kind,
                                   .size = item->size,
                                   .mtime_seconds = (uint64_t)item->mtime.tv_sec,
                                   .mtime_nanoseconds = (uint64_t)item->mtime.tv_nsec,
                                   .inode = item->ino};
    }
    return MR_OK;
}

/* Where all inputs are empty, one of them is a task, so that the job has one. */
static int add_splits(struct mr_description *description, struct mr_error *err) {
    const struct mr_splits *splits = &description->plan.splits;
    description->splits = calloc(splits->count + 1, sizeof *description->splits);
    if (!description->splits) {
        return mr_error_nomem(err, "describing the job");
    }
    for (size_t i = 0; i < splits->count; i++) {
        const struct mr_split *split = &splits->items[i];
        description->splits[i] = (struct mr_spec_split){split->input, split->begin, split->end};
    }
    description->made.splits = description->splits;
    description->made.splits_count = splits->count ? splits->count : 1;
    return MR_OK;
}

static void add_memory(struct mr_description *description) {
    const struct mr_plan *plan = &description->plan;
    const struct mr_plan_memory *memory = &plan->memory;
    struct mr_spec *made = &description->made;
    made->block_bytes = memory->block_bytes;
    made->collector_bytes = memory->collector_bytes;
    made->pool_limit = memory->pool_limit;
    made->merge_bytes = memory->merge_bytes;
    made->range_bytes = memory->range_bytes;
    made->buffered_max = memory->buffered_max;
    made->fan_in = memory->fan_in;
    made->record_bytes_max = plan->record_bytes_max;
    made->state_max = memory->state_max;
}

static void add_terms(struct mr_description *description) {
    const struct mr_description_options *options = description->options;
    const struct mr_run_spec *spec = &description->spec;
    struct mr_spec *made = &description->made;
    double timeout = spec->task_timeout > 0 ? spec->task_timeout : MR_RUN_TASK_TIMEOUT;
    made->task_memory = spec->task_memory_bytes;
    made->task_timeout_ms = (uint64_t)(timeout * 1000);
    made->max_attempts = spec->max_attempts ? spec->max_attempts : MR_RUN_MAX_ATTEMPTS;
    made->skip_bad_records = spec->skip_bad_records;
    made->weight = options->weight ? options->weight : 1;
    made->is_strict = options->is_strict;
    made->is_verbose = spec->verbose;
    made->codec = !options->has_no_codec;
    made->overwrite = spec->overwrite;
    made->output = options->is_collected ? NULL : description->output;
}

/* About as it was typed. */
static void add_label(struct mr_description *description) {
    const struct mr_run_spec *spec = &description->spec;
    char *label = description->label;
    size_t len = (size_t)snprintf(label, LABEL_MAX, "%.255s", spec->job_name);
    for (size_t i = 0; i < spec->param_count && len < LABEL_MAX; i++) {
        const char *value = spec->params[i].value;
        len += (size_t)snprintf(label + len, LABEL_MAX - len, " --%s%s%s", spec->params[i].name,
                                value ? " " : "", value ? value : "");
    }
    for (size_t i = 0; i < spec->input_count && i < 8 && len < LABEL_MAX; i++) {
        len +=
            (size_t)snprintf(label + len, LABEL_MAX - len, " %s", i == 7 ? "..." : spec->inputs[i]);
    }
    if (description->made.output && len < LABEL_MAX) {
        snprintf(label + len, LABEL_MAX - len, " -o %s", description->options->spec->output);
    }
    description->made.label = label;
}

static int add_manifest(struct mr_description *description, struct mr_error *err) {
    const struct mr_plan *plan = &description->plan;
    struct timespec started;
    clock_gettime(CLOCK_REALTIME, &started); /* for the manifest alone */
    struct mr_manifest_source source = {
        .job = plan->job,
        .params = plan->params,
        .facts = plan->facts,
        .loops = plan->loops,
        .partitions = mr_plan_partitions(plan, &description->spec, plan->round_count - 1),
        .inputs = &plan->inputs,
        .spec = &description->spec,
        .id = description->id,
        .version = MR_VERSION,
        .started = started};
    description->made.started_seconds = (uint64_t)started.tv_sec;
    description->made.started_nanoseconds = (uint64_t)started.tv_nsec;
    if (!mr_manifest_describe(&source, &description->manifest, err)) {
        description->made.manifest =
            (struct mr_bytes){description->manifest, strlen(description->manifest)};
    }
    return err->code;
}

/* ---- all of it --------------------------------------------------------------------------------*/

static int plan(struct mr_description *description, struct mr_error *err) {
    struct mr_run_spec *spec = &description->spec;
    *spec = *description->options->spec;
    description->cwd = getcwd(NULL, 0);
    if (!description->cwd) {
        return mr_error_errno(err, MR_ERR_IO, errno, "find the current directory");
    }
    if (spec->output && !(description->output = make_absolute(description, spec->output))) {
        return mr_error_nomem(err, "describing the job");
    }
    spec->output = description->output;
    spec->isolate = true;
    spec->task_program = "/proc/self/exe"; /* as those of workers do */
    spec->threads = 1;
    spec->tmp = NULL;
    spec->memory_bytes = spec->memory_bytes ? spec->memory_bytes : MR_DESCRIPTION_TASK_MEMORY;
    description->is_planned = true;
    return mr_plan_make(spec, &description->plan, err);
}

static int describe(struct mr_description *description, struct mr_client *client,
                    struct mr_error *err) {
    description->made.version = MR_VERSION;
    add_memory(description);
    add_terms(description);
    add_label(description);
    if (add_plugin(description, client, err) || add_params(description, client, err) ||
        add_rounds(description, err) || add_inputs(description, err) ||
        add_splits(description, err) || add_manifest(description, err) ||
        mr_spec_encode(&description->made, &description->bytes, err)) {
        return err->code;
    }
    struct mr_bytes bytes = {description->bytes.data, description->bytes.len};
    return mr_client_offer(client, bytes, &description->hash, err);
}

int mr_description_create(const struct mr_description_options *options, const char *id,
                          struct mr_client *client, struct mr_description **description,
                          struct mr_error *err) {
    struct mr_description *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "describing the job");
    }
    made->options = options;
    made->id = id;
    if (plan(made, err) || describe(made, client, err)) {
        mr_description_destroy(made);
        return err->code;
    }
    *description = made;
    return MR_OK;
}

struct mr_hash_128 mr_description_hash(const struct mr_description *description) {
    return description->hash;
}

const char *mr_description_output(const struct mr_description *description) {
    return description->made.output;
}

void mr_description_destroy(struct mr_description *description) {
    if (!description) {
        return;
    }
    for (size_t i = 0; i < description->made.inputs_count; i++) {
        free((char *)(uintptr_t)description->inputs[i].path);
    }
    if (description->is_planned) {
        mr_plan_fini(&description->plan);
    }
    mr_buffer_fini(&description->plugin);
    mr_buffer_fini(&description->bytes);
    free(description->params);
    free(description->rounds);
    free(description->inputs);
    free(description->splits);
    free(description->manifest);
    free(description->output);
    free(description->cwd);
    free(description);
}
