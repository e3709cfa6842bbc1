/* run: `millrace run`: runs a job here and now. */
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/report.h"
#include "cli/request.h"
#include "cli/say.h"
#include "cli/stop.h"
#include "lib/term/progress.h"
#include "lib/term/terminal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the progress callback draws on. */
struct display {
    struct mr_progress line;
    bool streams; /* the result may come to this very terminal, by itself or through a pipe */
};

static void show_progress(void *arg, const struct mr_run_progress *progress) {
    struct display *display = arg;
    bool writes = progress->phase == (progress->pass ? MR_PHASE_LOOP : MR_PHASE_REDUCE);
    if (display->streams && writes) {
        mr_progress_clear(&display->line);
        return;
    }
    if (progress->phase == MR_PHASE_LOOP) {
        return;
    }
    char label[MR_PROGRESS_LABEL_MAX];
    char pass[32] = "";
    const char *round = progress->round ? progress->round : progress->job;
    if (progress->pass) {
        snprintf(pass, sizeof pass, "pass %" PRIu64 ", ", progress->pass);
    }
    snprintf(label, sizeof label, "%s%.40s %s", pass, round ? round : "",
             progress->phase == MR_PHASE_MAP ? "map" : "reduce");
    struct mr_progress_view view = {.label = label,
                                    .done = progress->bytes_done,
                                    .total = progress->bytes_total,
                                    .seconds = progress->seconds};
    mr_progress_show(&display->line, &view);
}

static int print_manifest(const struct mr_request *request, const struct mr_run_result *result,
                          struct mr_error *err) {
    if (!result->manifest) {
        return 0;
    }
    struct mr_page page = {.err = err};
    size_t len = strlen(result->manifest);
    mr_page_put(&page, result->manifest);
    mr_page_put(&page, len > 0 && result->manifest[len - 1] == '\n' ? "" : "\n");
    bool directory = request->spec.output != NULL;
    int status = mr_page_write(&page, directory ? STDOUT_FILENO : STDERR_FILENO,
                               directory ? "standard output" : "standard error");
    mr_page_fini(&page);
    return status;
}

/* What came of the state. */
static void say_state(const struct mr_request *request, const struct mr_run_result *result) {
    char line[512];
    if (result->was_done) {
        snprintf(line, sizeof line, "\"%.200s\" is done already: nothing was run\n",
                 request->spec.output);
    } else {
        snprintf(line, sizeof line, "state: %u task%s done before, %u now\n", result->tasks_kept,
                 result->tasks_kept == 1 ? " was" : "s were", result->tasks_run);
    }
    mr_say_text(line);
}

/* Records that are not in the result are never left unsaid. */
static void say_skipped(const struct mr_request *request, const struct mr_run_result *result) {
    uint64_t skipped = result->round_count ? result->rounds[0].books.records_skipped : 0;
    if (skipped) {
        char line[512];
        snprintf(line, sizeof line, "millrace: %" PRIu64 " record%s set aside: %.300s/_skipped\n",
                 skipped, skipped == 1 ? " was" : "s were", request->spec.output);
        mr_say_text(line);
    }
}

/* What is said after a run that succeeded. */
static int finish(const struct mr_request *request, const struct mr_run_result *result,
                  struct mr_error *err) {
    bool terminal = mr_terminal_is(STDERR_FILENO);
    bool says_state = request->verbose || ((terminal || result->was_done) && !request->quiet);
    if (request->spec.state && says_state) {
        say_state(request, result);
    }
    if (result->was_done) {
        return request->json ? print_manifest(request, result, err) : 0;
    }
    say_skipped(request, result);
    if (request->verbose || (terminal && !request->quiet)) {
        char line[512];
        mr_report_closing(&request->spec, result, line, sizeof line);
        mr_say_text(line);
    }
    if (request->report) {
        struct mr_page page = {.err = err};
        mr_report_add(&page, result);
        int status = mr_page_write(&page, STDERR_FILENO, "standard error");
        mr_page_fini(&page);
        if (status) {
            return status;
        }
    }
    return request->json ? print_manifest(request, result, err) : 0;
}

static int run(struct mr_request *request, struct mr_error *err) {
    struct mr_run_spec *spec = &request->spec;
    struct mr_run_result result = {0};
    struct stat out;
    bool to_file = fstat(STDOUT_FILENO, &out) == 0 && S_ISREG(out.st_mode);
    struct display display = {.streams = !spec->output && !to_file};
    /* The job's log and a line drawn in place don't mix. */
    bool draws = !request->quiet && !request->verbose && mr_terminal_is_rich(STDERR_FILENO);
    if (draws) {
        mr_progress_init(&display.line, STDERR_FILENO);
        spec->progress = show_progress;
        spec->progress_arg = &display;
    }
    spec->crash_report = true;
    spec->stop = mr_stop_catch();
    int status = mr_run(spec, &result, err);
    if (draws) {
        mr_progress_clear(&display.line);
    }
    if (!status) {
        status = finish(request, &result, err);
    }
    mr_run_result_fini(&result);
    return status;
}

static int run_main(const struct mr_command *command, char **args, struct mr_error *err) {
    struct mr_request request = {0};
    int status = mr_request_parse(&request, args, err);
    if (!status && request.help) {
        status = mr_help_show(command, request.spec.job, err);
    } else if (!status) {
        status = run(&request, err);
    }
    mr_request_fini(&request);
    return status;
}

static const struct mr_example examples[] = {
    {"millrace run wordcount book.txt", "count the words of a file, to standard output"},
    {"millrace run wordcount logs/ 'more/*.gz' - -o counts",
     "a directory, compressed files and standard input, into the directory counts"},
    {"millrace run wordcount --words letters --fold --top 20 book.txt",
     "a job's own parameters stand behind its name, in any order with inputs and options"},
    {"millrace run ./libmyjob.so input.txt -o result", "a plugin, named by a path with a '/'"},
    {"millrace run wordcount --help", "the parameters of a job"},
    {NULL, NULL},
};

const struct mr_command mr_run_command = {
    .name = "run",
    .usage = "run JOB [INPUT...] [-o DIR] [OPTION...] [PARAMETER...]",
    .summary = "run a job over files, here and now",
    .text =
        "Runs JOB (a built-in one, or the path of a plugin) over the inputs: files, directories, "
        "globs, and - for standard input, which is also read where no input is named. Files "
        "compressed by gzip or zstd are told by their content; bzip2, xz, zip and the like are "
        "refused. In a directory names that begin with . or _ are skipped, and outputs "
        "of Millrace that are not named themselves. The job's parameters are options "
        "too: `millrace run JOB --help` shows them.\n"
        "The result is the same bytes for any number of threads and any memory. Nothing is "
        "written to DIR until all is done.",
    .options = mr_request_options,
    .examples = examples,
    .operands = MR_OPERANDS_RUN,
    .main = run_main,
};
