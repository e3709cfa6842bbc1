/* request: what `run` and `explain` are asked for: a command line made into a run's specification.
 */
#include "cli/request.h"

#include "cli/parameters.h"
#include "lib/base/error.h"
#include "lib/base/nearest.h"
#include "lib/term/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JOBS_MAX 64           /* names that an unknown job is compared with */
#define MEMORY_LEAST 16777216 /* 16 MiB */
#define THREADS_MOST 1024

const struct mr_option mr_request_options[] = {
    MR_COMMANDS_HELP_ROW,
    {.name = "output",
     .letter = 'o',
     .kind = MR_OPTION_TEXT,
     .metavar = "DIR",
     .help = "Make the directory DIR with the result in parts and a manifest with their checksums. "
             "Without it the result goes to standard output, sorted."},
    MR_REQUEST_OVERWRITE_ROW,
    {.name = "threads",
     .kind = MR_OPTION_U64,
     .metavar = "N",
     .least = 1,
     .most = THREADS_MOST,
     .help = "Use N threads instead of one for each CPU."},
    {.name = "memory",
     .kind = MR_OPTION_SIZE,
     .metavar = "SIZE",
     .least = MEMORY_LEAST,
     .help = "Keep the process within SIZE (256M, 2G; at least 16M), and spill to disk past it, "
             "instead of half of the machine's."},
    {.name = "tmp",
     .kind = MR_OPTION_TEXT,
     .metavar = "DIR",
     .help = "Spill into DIR instead of $TMPDIR or /tmp."},
    {.name = "state",
     .kind = MR_OPTION_TEXT,
     .metavar = "DIR",
     .help =
         "Keep a journal in DIR, so that the run survives its process: after a kill, a crash or a "
         "power cut the same command goes on where it was. Needs -o, and inputs that are files."},
    MR_REQUEST_PARTITIONS_ROW,
    MR_REQUEST_MAX_RECORD_ROW,
    {.name = "isolate",
     .kind = MR_OPTION_FLAG,
     .help = "Run the job's code in processes of its own, one for each thread: a crash is a failed "
             "attempt, not the end of the job."},
    {.name = "task-memory",
     .kind = MR_OPTION_SIZE,
     .metavar = "SIZE",
     .least = 67108864,
     .help = "With --isolate: let a task, and what it starts, use no more than SIZE (at least "
             "64M); one "
             "that takes more is tried once more with half the buffers."},
    {.name = "task-timeout",
     .kind = MR_OPTION_U64,
     .metavar = "SECONDS",
     .fallback = "600",
     .least = 1,
     .most = 1000000,
     .help = "With --isolate: end an attempt that takes longer than SECONDS over one record."},
    {.name = "max-attempts",
     .kind = MR_OPTION_U64,
     .metavar = "N",
     .fallback = "4",
     .least = 1,
     .most = 1000,
     .help =
         "With --isolate: fail after N failed attempts at one task, with the cause of the first."},
    {.name = "skip-bad-records",
     .kind = MR_OPTION_U64,
     .metavar = "N",
     .least = 1,
     .most = 1000000,
     .help = "With --isolate and -o: set aside up to N records that the job's code fails or "
             "crashes on, into DIR/_skipped, instead of failing at the first."},
    {.name = "json",
     .kind = MR_OPTION_FLAG,
     .help = "Print the manifest when done: to standard output with -o, else to standard error."},
    {.name = "report",
     .kind = MR_OPTION_FLAG,
     .help = "Say on standard error where the time and the memory went, and whether more threads "
             "would help."},
    MR_REQUEST_QUIET_ROW,
    {.name = "verbose",
     .letter = 'v',
     .kind = MR_OPTION_FLAG,
     .help =
         "Show the job's log, what is skipped of the inputs, and the closing line on anything."},
    {.name = NULL},
};

static int fail_unknown_job(const char *name, struct mr_error *err) {
    const char *names[JOBS_MAX];
    size_t count = 0;
    for (const struct mr_job *const *job = mr_run_jobs(); *job && count < JOBS_MAX; job++) {
        names[count++] = (*job)->name;
    }
    mr_error_set(err, MR_ERR_USAGE, "there is no job \"%.200s\"", name);
    const char *near = mr_nearest(name, names, count);
    if (near) {
        return mr_error_add(err, ": did you mean %s?", near);
    }
    if (access(name, F_OK) != 0) {
        return mr_error_add(err, " (`millrace jobs` lists them; a plugin is named by a path with "
                                 "a '/')");
    }
    if (strstr(name, ".so")) {
        return mr_error_add(err, ": a plugin is named by a path, ./%.200s", name);
    }
    return mr_error_add(err, ": it is a file; the job stands before its inputs");
}

int mr_request_find_job(const char *name, const struct mr_job **job, struct mr_error *err) {
    if (strchr(name, '/')) {
        return mr_run_find_job(name, job, err);
    }
    for (const struct mr_job *const *known = mr_run_jobs(); *known; known++) {
        if (strcmp((*known)->name, name) == 0) {
            *job = *known;
            return 0;
        }
    }
    return fail_unknown_job(name, err);
}

/* Makes the table of run's options, followed by the job's where there is a job. */
static int join_rows(struct mr_request *request, struct mr_error *err) {
    int status = 0;
    struct mr_option *more = NULL;
    if (request->spec.job &&
        (status = mr_parameters_rows(request->spec.job, request->options, &more, err))) {
        return status;
    }
    size_t count = mr_options_count(request->options);
    size_t more_count = mr_options_count(more);
    size_t all = count + more_count + 1;
    struct mr_option *rows = realloc(request->rows, all * sizeof *rows);
    request->rows = rows ? rows : request->rows;
    struct mr_option_value *values = realloc(request->values, all * sizeof *values);
    request->values = values ? values : request->values;
    if (!rows || !values) {
        status = mr_error_nomem(err, "reading the command line");
    } else if (!more) {
        memcpy(rows, request->options, (count + 1) * sizeof *rows);
        memset(values, 0, all * sizeof *values);
    } else {
        memcpy(rows + count, more, (more_count + 1) * sizeof *rows);
        memset(values + count, 0, (more_count + 1) * sizeof *values);
    }
    free(more);
    return status;
}

/* The job's options are known once the job is: the parser goes on with the longer table. */
static int take_job(struct mr_request *request, struct mr_options *options, const char *name,
                    struct mr_error *err) {
    int status = mr_request_find_job(name, &request->spec.job, err);
    request->job_name = name;
    if (status || (status = join_rows(request, err))) {
        return status;
    }
    options->rows = request->rows;
    options->values = request->values;
    options->count = mr_options_count(request->rows);
    return 0;
}

static int read_args(struct mr_request *request, char **args, struct mr_error *err) {
    int status = join_rows(request, err);
    if (status) {
        return status;
    }
    struct mr_options options = {.rows = request->rows,
                                 .values = request->values,
                                 .count = mr_options_count(request->rows),
                                 .args = args};
    struct mr_run_spec *spec = &request->spec;
    const char *operand;
    while ((status = mr_options_next(&options, &operand, err)) == 1) {
        if (spec->job) {
            args[spec->input_count++] = options.args[-1]; /* what has been read makes room */
        } else if ((status = take_job(request, &options, operand, err))) {
            break;
        }
    }
    spec->inputs = (const char *const *)args;
    if (status == MR_ERR_USAGE && !spec->job && strncmp(err->text, "unknown option --", 17) == 0) {
        mr_error_add(err, " (a job's own options go behind its name)");
    }
    return status;
}

static int gather_params(struct mr_request *request, struct mr_error *err) {
    size_t own = mr_options_count(request->options);
    const struct mr_option *rows = request->rows + own;
    const struct mr_option_value *values = request->values + own;
    size_t count = mr_options_count(rows);
    request->params = calloc(count + 1, sizeof *request->params);
    if (!request->params) {
        return mr_error_nomem(err, "reading the command line");
    }
    struct mr_run_spec *spec = &request->spec;
    for (size_t i = 0; i < count; i++) {
        if (values[i].given) {
            request->params[spec->param_count++] =
                (struct mr_run_param){.name = rows[i].name, .value = values[i].text};
        }
    }
    spec->params = request->params;
    return 0;
}

const struct mr_option_value *mr_request_value(const struct mr_request *request, const char *name) {
    static const struct mr_option_value none;
    const struct mr_option *row =
        mr_options_find(request->rows, mr_options_count(request->options), name);
    return row ? &request->values[row - request->rows] : &none;
}

static bool is_given(const struct mr_request *request, const char *name) {
    return mr_request_value(request, name)->given;
}

static uint64_t number(const struct mr_request *request, const char *name) {
    return mr_request_value(request, name)->number;
}

static const char *text(const struct mr_request *request, const char *name) {
    return mr_request_value(request, name)->text;
}

static void fill_spec(struct mr_request *request) {
    struct mr_run_spec *spec = &request->spec;
    request->json = is_given(request, "json");
    request->report = is_given(request, "report");
    request->quiet = is_given(request, "quiet");
    request->verbose = is_given(request, "verbose");
    spec->output = text(request, "output");
    spec->output_fd = STDOUT_FILENO;
    spec->overwrite = is_given(request, "overwrite");
    spec->threads = (unsigned)number(request, "threads");
    spec->memory_bytes = number(request, "memory");
    spec->tmp = text(request, "tmp");
    spec->state = text(request, "state");
    spec->partitions = (uint32_t)number(request, "partitions");
    spec->record_bytes_max = number(request, "max-record");
    spec->verbose = request->verbose;
    spec->isolate = is_given(request, "isolate");
    spec->task_program = "/proc/self/exe";
    spec->job_name = request->job_name;
    spec->task_memory_bytes = number(request, "task-memory");
    spec->task_timeout = (double)number(request, "task-timeout");
    spec->skip_bad_records = (uint32_t)number(request, "skip-bad-records");
    spec->max_attempts = (uint32_t)number(request, "max-attempts");
}

/* What is said to task processes is in vain without them. */
static int check_isolated(const struct mr_request *request, struct mr_error *err) {
    static const char *const names[] = {"task-memory", "task-timeout", "max-attempts",
                                        "skip-bad-records"};
    bool is_threads = request->options == mr_request_options && !request->spec.isolate;
    for (size_t i = 0; i < sizeof names / sizeof *names && is_threads; i++) {
        if (is_given(request, names[i])) {
            return mr_error_set(err, MR_ERR_USAGE,
                                "--%s is about task processes: give --isolate too", names[i]);
        }
    }
    if (request->spec.skip_bad_records && !request->spec.output) {
        return mr_error_set(
            err, MR_ERR_USAGE,
            "--skip-bad-records needs a place for what it sets aside: give -o DIR too");
    }
    return 0;
}

static int check(const struct mr_request *request, struct mr_error *err) {
    const struct mr_run_spec *spec = &request->spec;
    if (!spec->job) {
        return mr_error_set(err, MR_ERR_USAGE, "which job? `millrace jobs` lists them");
    }
    if (spec->output && !spec->output[0]) {
        return mr_error_set(err, MR_ERR_USAGE, "--output is empty: it takes a directory to make");
    }
    if (spec->state && !spec->state[0]) {
        return mr_error_set(err, MR_ERR_USAGE, "--state is empty: it takes a directory to make");
    }
    if (spec->overwrite && !spec->output) {
        return mr_error_set(err, MR_ERR_USAGE, "--overwrite replaces an output: give -o DIR too");
    }
    if (spec->input_count == 0 && mr_terminal_is(STDIN_FILENO)) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "no input: name files, directories or globs, or pipe something in");
    }
    return 0;
}

int mr_request_parse(struct mr_request *request, char **args, struct mr_error *err) {
    request->options = request->options ? request->options : mr_request_options;
    int status = read_args(request, args, err);
    if (status == MR_ERR_NOMEM) {
        return status;
    }
    if (is_given(request, "help")) {
        request->help = true;
        return 0;
    }
    if (status) {
        return status;
    }
    fill_spec(request);
    status = check(request, err);
    status = status ? status : check_isolated(request, err);
    return status ? status : gather_params(request, err);
}

void mr_request_fini(struct mr_request *request) {
    free(request->params);
    free(request->values);
    free(request->rows);
    memset(request, 0, sizeof *request);
}
