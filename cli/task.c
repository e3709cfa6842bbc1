/* task: `millrace task`: the process that runs a job's code for `run --isolate`. */
#include "cli/commands.h"
#include "cli/help.h"

#include <mr/run.h>

#define ARGS_MAX 16

static const struct mr_option options[] = {
    MR_COMMANDS_HELP_ROW,
    {.name = NULL},
};

static int task_main(const struct mr_command *command, char **args, struct mr_error *err) {
    struct mr_option_value help = {0};
    int status = mr_commands_parse(command, args, ARGS_MAX, &help, err);
    if (status || help.given) {
        return status ? status : mr_help_show(command, NULL, err);
    }
    return mr_run_task(NULL, args, err);
}

const struct mr_command mr_task_command = {
    .name = "task",
    .usage = "task BOUND...",
    .summary = "run tasks for the engine that started this process",
    .text =
        "What `millrace run --isolate` starts by itself, with descriptors that only it can give: "
        "there is no use for it on a command line.",
    .options = options,
    .operands = MR_OPERANDS_NONE,
    .hidden = true,
    .main = task_main,
};
