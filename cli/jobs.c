/* jobs: `millrace jobs`: lists the jobs, and shows what one of them can do. */
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/request.h"

#include <unistd.h>

#define SUMMARY_COLUMN 16

static const struct mr_option options[] = {
    MR_COMMANDS_HELP_ROW,
    {.name = NULL},
};

static const struct mr_example examples[] = {
    {"millrace jobs", "the built-in jobs"},
    {"millrace jobs wordcount", "its parameters, their defaults, and examples"},
    {"millrace jobs ./libmyjob.so", "the same for a plugin"},
    {NULL, NULL},
};

static void add_list(struct mr_page *page) {
    for (const struct mr_job *const *job = mr_run_jobs(); *job; job++) {
        mr_page_put(page, (*job)->name);
        mr_page_wrap(page, SUMMARY_COLUMN, (*job)->summary ? (*job)->summary : "");
    }
}

static void add_job(struct mr_page *page, const struct mr_job *job) {
    mr_page_printf(page, "%s: ", job->name);
    mr_page_wrap(page, 0, job->summary ? job->summary : "");
    mr_help_job(page, job);
}

static int jobs_main(const struct mr_command *command, char **args, struct mr_error *err) {
    struct mr_option_value help = {0};
    int status = mr_commands_parse(command, args, 1, &help, err);
    if (status || help.given) {
        return status ? status : mr_help_show(command, NULL, err);
    }
    const struct mr_job *job = NULL;
    if (args[0] && (status = mr_request_find_job(args[0], &job, err))) {
        return status;
    }
    struct mr_page page = {.err = err};
    if (job) {
        add_job(&page, job);
    } else {
        add_list(&page);
    }
    status = mr_page_write(&page, STDOUT_FILENO, "standard output");
    mr_page_fini(&page);
    return status;
}

const struct mr_command mr_jobs_command = {
    .name = "jobs",
    .usage = "jobs [JOB]",
    .summary = "list the jobs; show a job's parameters, defaults and examples",
    .text = "Lists the built-in jobs. With JOB, a built-in one or the path of a plugin, shows its "
            "parameters, "
            "their defaults, and examples.",
    .options = options,
    .examples = examples,
    .operands = MR_OPERANDS_JOB,
    .main = jobs_main,
};
