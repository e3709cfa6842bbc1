/* submission: a job as it is handed to a cluster: planned, its files gathered, its output prepared.
 *
 * The client plans, since planning asks the job's own code and looks at the inputs, which no daemon
 * does. Paths become absolute here: on the cluster there is no current directory. */
#include "lib/client/submission.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/output/commit.h"
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
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ID_BYTES 16
#define LABEL_MAX 2048
#define PLUGIN_PIECE ((size_t)1 << 20)
#define EMPTY_FILE "/dev/null" /* stands for a file parameter without content */

struct mr_submission {
    const struct mr_submission_options *options;
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
    struct mr_commit *commit;
    bool has_asked; /* the master may know of it */
    bool is_submitted;
    uint32_t number;
    char id[2 * ID_BYTES + 1];
    char label[LABEL_MAX];
};

/* ---- what is refused --------------------------------------------------------------------------*/

static int refuse_stream(const char *shown, const char *quote, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_USAGE,
                        "%s%s%s can't be read on other machines: name files on a file system that "
                        "every mapper sees, or use millrace run",
                        quote, shown, quote);
}

static int check_inputs(const struct mr_run_spec *spec, struct mr_error *err) {
    struct stat about;
    if (spec->input_count == 0) {
        return refuse_stream("standard input", "", err);
    }
    for (size_t i = 0; i < spec->input_count; i++) {
        const char *name = spec->inputs[i];
        if (strcmp(name, "-") == 0) {
            return refuse_stream("standard input", "", err);
        }
        if (stat(name, &about) == 0 && !S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode)) {
            return refuse_stream(name, "\"", err);
        }
    }
    return MR_OK;
}

/* ---- its parts --------------------------------------------------------------------------------*/

static int make_id(struct mr_submission *submission, struct mr_error *err) {
    unsigned char random[ID_BYTES];
    if (getrandom(random, sizeof random, 0) != sizeof random) {
        return mr_error_set(err, MR_ERR_IO, "the system gave no random bytes for the job's id");
    }
    for (size_t i = 0; i < ID_BYTES; i++) {
        snprintf(submission->id + 2 * i, 3, "%02x", random[i]);
    }
    return MR_OK;
}

/* A path from the root, malloc'ed; symbolic links stay: other machines may have others. */
static char *make_absolute(const struct mr_submission *submission, const char *path) {
    char *absolute = NULL;
    if (path[0] == '/') {
        return strdup(path);
    }
    while (path[0] == '.' && path[1] == '/') {
        path += 2;
    }
    bool is_root = strcmp(submission->cwd, "/") == 0;
    return asprintf(&absolute, "%s/%s", is_root ? "" : submission->cwd, path) < 0 ? NULL : absolute;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Reads the plugin's file, which travels. */
static int read_plugin(struct mr_submission *submission, const char *path, struct mr_error *err) {
    struct mr_buffer *plugin = &submission->plugin;
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

static int add_plugin(struct mr_submission *submission, struct mr_client *client,
                      struct mr_error *err) {
    const char *name = submission->spec.job_name;
    struct mr_hash_128 hash;
    submission->made.job = base_name(name);
    if (!strchr(name, '/')) {
        return MR_OK;
    }
    if (read_plugin(submission, name, err) ||
        mr_client_offer(client, (struct mr_bytes){submission->plugin.data, submission->plugin.len},
                        &hash, err)) {
        return err->code;
    }
    submission->made.plugin_high = hash.high;
    submission->made.plugin_low = hash.low;
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
static int add_file(struct mr_submission *submission, struct mr_client *client,
                    struct mr_spec_param *row, struct mr_error *err) {
    struct mr_bytes content = mr_params_file(submission->plan.params, row->name);
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
static int add_params(struct mr_submission *submission, struct mr_client *client,
                      struct mr_error *err) {
    const struct mr_run_spec *spec = &submission->spec;
    size_t declared = 0;
    const struct mr_run_param *values = mr_params_rows(submission->plan.params, &declared);
    size_t count = 0;
    submission->params = calloc(spec->param_count + declared + 1, sizeof *submission->params);
    if (!submission->params) {
        return mr_error_nomem(err, "describing the job");
    }
    for (size_t i = 0; i < spec->param_count; i++) {
        if (!is_file(spec->job, spec->params[i].name)) {
            submission->params[count++] = (struct mr_spec_param){.name = spec->params[i].name,
                                                                 .value = spec->params[i].value};
        }
    }
    for (size_t i = 0; i < declared && !err->code; i++) {
        if (values[i].value && is_file(spec->job, values[i].name)) {
            struct mr_spec_param *row = &submission->params[count++];
            *row = (struct mr_spec_param){.name = values[i].name, .value = values[i].value};
            (void)!add_file(submission, client, row, err);
        }
    }
    submission->made.params = submission->params;
    submission->made.params_count = count;
    submission->made.files_xxh3 = mr_session_files_xxh3(spec->job, submission->plan.params);
    return err->code;
}

static int add_rounds(struct mr_submission *submission, struct mr_error *err) {
    const struct mr_plan *plan = &submission->plan;
    submission->rounds = calloc(plan->round_count, sizeof *submission->rounds);
    if (!submission->rounds) {
        return mr_error_nomem(err, "describing the job");
    }
    for (uint32_t i = 0; i < plan->round_count; i++) {
        const char *name = plan->rounds[i].name;
        submission->rounds[i] = (struct mr_spec_round){
            .name = name ? name : "", .partitions = mr_plan_partitions(plan, &submission->spec, i)};
    }
    submission->made.rounds = submission->rounds;
    submission->made.rounds_count = plan->round_count;
    submission->made.loops = plan->loops;
    return MR_OK;
}

static int add_inputs(struct mr_submission *submission, struct mr_error *err) {
    const struct mr_inputs *inputs = &submission->plan.inputs;
    submission->inputs = calloc(inputs->count + 1, sizeof *submission->inputs);
    if (!submission->inputs) {
        return mr_error_nomem(err, "describing the job");
    }
    submission->made.inputs = submission->inputs;
    for (size_t i = 0; i < inputs->count; i++) {
        const struct mr_input *item = &inputs->items[i];
        char *path = make_absolute(submission, item->path);
        if (!path) {
            return mr_error_nomem(err, "describing the job");
        }
        submission->inputs[submission->made.inputs_count++] =
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
static int add_splits(struct mr_submission *submission, struct mr_error *err) {
    const struct mr_splits *splits = &submission->plan.splits;
    submission->splits = calloc(splits->count + 1, sizeof *submission->splits);
    if (!submission->splits) {
        return mr_error_nomem(err, "describing the job");
    }
    for (size_t i = 0; i < splits->count; i++) {
        const struct mr_split *split = &splits->items[i];
        submission->splits[i] = (struct mr_spec_split){split->input, split->begin, split->end};
    }
    submission->made.splits = submission->splits;
    submission->made.splits_count = splits->count ? splits->count : 1;
    return MR_OK;
}

static void add_memory(struct mr_submission *submission) {
    const struct mr_plan *plan = &submission->plan;
    const struct mr_plan_memory *memory = &plan->memory;
    struct mr_spec *made = &submission->made;
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

static void add_terms(struct mr_submission *submission) {
    const struct mr_submission_options *options = submission->options;
    const struct mr_run_spec *spec = &submission->spec;
    struct mr_spec *made = &submission->made;
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
    made->output = options->is_collected ? NULL : submission->output;
}

/* About as it was typed. */
static void add_label(struct mr_submission *submission) {
    const struct mr_run_spec *spec = &submission->spec;
    char *label = submission->label;
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
    if (submission->made.output && len < LABEL_MAX) {
        snprintf(label + len, LABEL_MAX - len, " -o %s", submission->options->spec->output);
    }
    submission->made.label = label;
}

static int add_manifest(struct mr_submission *submission, struct mr_error *err) {
    const struct mr_plan *plan = &submission->plan;
    struct timespec started;
    clock_gettime(CLOCK_REALTIME, &started); /* for the manifest alone */
    struct mr_manifest_source source = {
        .job = plan->job,
        .params = plan->params,
        .facts = plan->facts,
        .loops = plan->loops,
        .partitions = mr_plan_partitions(plan, &submission->spec, plan->round_count - 1),
        .inputs = &plan->inputs,
        .spec = &submission->spec,
        .id = submission->id,
        .version = MR_VERSION,
        .started = started};
    submission->made.started_seconds = (uint64_t)started.tv_sec;
    submission->made.started_nanoseconds = (uint64_t)started.tv_nsec;
    if (!mr_manifest_describe(&source, &submission->manifest, err)) {
        submission->made.manifest =
            (struct mr_bytes){submission->manifest, strlen(submission->manifest)};
    }
    return err->code;
}

/* ---- all of it --------------------------------------------------------------------------------*/

static int plan(struct mr_submission *submission, struct mr_error *err) {
    struct mr_run_spec *spec = &submission->spec;
    *spec = *submission->options->spec;
    submission->cwd = getcwd(NULL, 0);
    if (!submission->cwd) {
        return mr_error_errno(err, MR_ERR_IO, errno, "find the current directory");
    }
    if (spec->output && !(submission->output = make_absolute(submission, spec->output))) {
        return mr_error_nomem(err, "describing the job");
    }
    spec->output = submission->output;
    spec->isolate = true;
    spec->task_program = "/proc/self/exe"; /* as those of workers do */
    spec->threads = 1;
    spec->tmp = NULL;
    spec->memory_bytes = spec->memory_bytes ? spec->memory_bytes : MR_SUBMISSION_TASK_MEMORY;
    submission->is_planned = true;
    return mr_plan_make(spec, &submission->plan, err);
}

static int describe(struct mr_submission *submission, struct mr_client *client,
                    struct mr_error *err) {
    submission->made.version = MR_VERSION;
    add_memory(submission);
    add_terms(submission);
    add_label(submission);
    if (add_plugin(submission, client, err) || add_params(submission, client, err) ||
        add_rounds(submission, err) || add_inputs(submission, err) || add_splits(submission, err) ||
        add_manifest(submission, err) ||
        mr_spec_encode(&submission->made, &submission->bytes, err)) {
        return err->code;
    }
    struct mr_bytes bytes = {submission->bytes.data, submission->bytes.len};
    return mr_client_offer(client, bytes, &submission->hash, err);
}

static int prepare_output(struct mr_submission *submission, struct mr_error *err) {
    const struct mr_run_spec *spec = submission->options->spec;
    enum mr_commit_standing standing;
    if (!submission->made.output) {
        return MR_OK;
    }
    return mr_commit_take_up(spec->output, spec->overwrite, submission->id, MR_COMMIT_CLUSTER,
                             &submission->commit, &standing, err);
}

int mr_submission_create(const struct mr_submission_options *options, struct mr_client *client,
                         struct mr_submission **submission, struct mr_error *err) {
    struct mr_submission *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "describing the job");
    }
    made->options = options;
    if (check_inputs(options->spec, err) || make_id(made, err) || plan(made, err) ||
        describe(made, client, err) || prepare_output(made, err)) {
        mr_submission_destroy(made);
        return err->code;
    }
    *submission = made;
    return MR_OK;
}

const char *mr_submission_id(const struct mr_submission *submission) {
    return submission->id;
}

static int begin(struct mr_client *client, void *arg, struct mr_error *err) {
    struct mr_submission *submission = arg;
    struct mr_wire_submit submit = {
        .id = submission->id, .spec_high = submission->hash.high, .spec_low = submission->hash.low};
    submission->has_asked = true;
    return mr_client_send(client, MR_WIRE_SUBMIT, &submit, err);
}

static int take(struct mr_client *client, const struct mr_client_message *message, void *arg,
                struct mr_error *err) {
    struct mr_submission *submission = arg;
    (void)client;
    if (message->kind == MR_WIRE_RESULT) {
        submission->has_asked = false;
        return mr_client_result(&message->as->result_, err);
    }
    if (message->kind != MR_WIRE_SUBMITTED) {
        return 0;
    }
    submission->number = (uint32_t)message->as->submitted_.job;
    return 1;
}

static int interrupted(struct mr_client *client, int signal_number, void *arg,
                       struct mr_error *err) {
    (void)client;
    (void)signal_number;
    (void)arg;
    return mr_error_set(err, MR_ERR_INTERRUPTED, "interrupted");
}

int mr_submission_send(struct mr_submission *submission, struct mr_client *client, uint32_t *number,
                       struct mr_error *err) {
    struct mr_client_call call = {
        .begin = begin, .take = take, .interrupted = interrupted, .arg = submission};
    if (mr_client_run(client, &call, err)) {
        return submission->has_asked
                   ? mr_error_add(err, "; job %s may have been submitted", submission->id)
                   : err->code;
    }
    submission->is_submitted = true;
    mr_commit_leave(submission->commit); /* the publisher waits for its lock */
    submission->commit = NULL;
    *number = submission->number;
    return MR_OK;
}

void mr_submission_drop(const struct mr_submission *submission) {
    bool is_done = false;
    struct mr_error ignored = {0};
    if (submission->made.output) {
        (void)!mr_commit_drop(submission->made.output, submission->id, &is_done, &ignored);
    }
}

void mr_submission_destroy(struct mr_submission *submission) {
    if (!submission) {
        return;
    }
    if (submission->is_submitted || submission->has_asked) {
        mr_commit_leave(submission->commit);
    } else {
        mr_commit_end(submission->commit);
    }
    for (size_t i = 0; i < submission->made.inputs_count; i++) {
        free((char *)(uintptr_t)submission->inputs[i].path);
    }
    if (submission->is_planned) {
        mr_plan_fini(&submission->plan);
    }
    mr_buffer_fini(&submission->plugin);
    mr_buffer_fini(&submission->bytes);
    free(submission->params);
    free(submission->rounds);
    free(submission->inputs);
    free(submission->splits);
    free(submission->manifest);
    free(submission->output);
    free(submission->cwd);
    free(submission);
}
