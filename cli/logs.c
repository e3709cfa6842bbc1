/* logs: `millrace logs`: what a job's attempts wrote. What it does is in cluster/logs.c. */
#include "cli/commands.h"
#include "cli/handover.h"

static const struct mr_option options[] = {
    MR_COMMANDS_HELP_ROW,
    {.name = "attempt",
     .kind = MR_OPTION_U64,
     .metavar = "N",
     .least = 1,
     .most = 4294967295,
     .help = "Show the log of attempt N instead of the last one's."},
    MR_COMMANDS_MASTER_ROW,
    MR_COMMANDS_SECRET_ROW,
    MR_COMMANDS_CONNECT_ROW,
    MR_COMMANDS_JSON_ROW,
    {.name = NULL},
};

static const struct mr_example examples[] = {
    {"millrace logs 3f2a", "what the attempt wrote that failed first"},
    {"millrace logs 3f2a map-7", "what the last attempt at map task 7 wrote"},
    {NULL, NULL},
};

const struct mr_command mr_logs_command = {
    .name = "logs",
    .usage = "logs JOB [TASK] [--attempt N] [--json]",
    .summary = "show what a task of a cluster's job wrote",
    .text = "Brings what an attempt wrote to standard output and standard error from the node "
            "where it ran, up to 1 MiB of it. Without TASK (map-N, reduce-N or loop, as `millrace "
            "status JOB` lists them): of the attempt that failed first. JOB is a number or the "
            "beginning of an id, as `millrace status` lists them.",
    .options = options,
    .examples = examples,
    .operands = MR_OPERANDS_NONE,
    .main = mr_handover_main,
};
