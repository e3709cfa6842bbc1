/* explain: `millrace explain`: the plan of a run, without running it. */
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/request.h"

#include <unistd.h>

static const struct mr_example examples[] = {
    {"millrace explain wordcount logs/", "the plan for counting a directory"},
    {NULL, NULL},
};

static int explain_main(const struct mr_command *command, char **args, struct mr_error *err) {
    struct mr_request request = {0};
    int status = mr_request_parse(&request, args, err);
    if (!status && request.help) {
        status = mr_help_show(command, request.spec.job, err);
    } else if (!status) {
        status = mr_run_explain(&request.spec, STDOUT_FILENO, err);
    }
    mr_request_fini(&request);
    return status;
}

const struct mr_command mr_explain_command = {
    .name = "explain",
    .usage = "explain JOB [INPUT...] [OPTION...] [PARAMETER...]",
    .summary = "show what a run would do: inputs, splits, partitions, memory",
    .text = "Takes the command line of `millrace run` and shows the plan: the inputs and what is "
            "skipped of them, the splits and what can't be split and why, partitions, threads "
            "(or processes) and memory, and whether a run would refuse the output. Reads no more "
            "than the first bytes of each file.",
    .options = mr_request_options,
    .examples = examples,
    .operands = MR_OPERANDS_RUN,
    .main = explain_main,
};
