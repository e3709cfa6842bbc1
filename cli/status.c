/* status: `millrace status`: what a cluster does. What it does is in cluster/status.c. */
#include "cli/commands.h"
#include "cli/handover.h"

static const struct mr_option options[] = {
    MR_COMMANDS_HELP_ROW,    MR_COMMANDS_MASTER_ROW, MR_COMMANDS_SECRET_ROW,
    MR_COMMANDS_CONNECT_ROW, MR_COMMANDS_JSON_ROW,   {.name = NULL},
};

static const struct mr_example examples[] = {
    {"millrace status", "all jobs, the last ones that ended too"},
    {"millrace status 3f2a", "one job: its tasks, attempts, times, nodes and causes"},
    {NULL, NULL},
};

const struct mr_command mr_status_command = {
    .name = "status",
    .usage = "status [JOB] [--json]",
    .summary = "show the jobs of a cluster, or the tasks of one",
    .text = "Shows the jobs of a cluster, or one job with its tasks. JOB is a number or the "
            "beginning of an id, as `millrace status` lists them.",
    .options = options,
    .examples = examples,
    .operands = MR_OPERANDS_NONE,
    .main = mr_handover_main,
};
