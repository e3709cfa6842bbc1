/* cancel: `millrace cancel`: ends a job of a cluster. What it does is in cluster/cancel.c. */
#include "cli/commands.h"
#include "cli/handover.h"

static const struct mr_option options[] = {
    MR_COMMANDS_HELP_ROW,    MR_COMMANDS_MASTER_ROW, MR_COMMANDS_SECRET_ROW,
    MR_COMMANDS_CONNECT_ROW, MR_COMMANDS_JSON_ROW,   {.name = NULL},
};

static const struct mr_example examples[] = {
    {"millrace cancel 3f2a", "end the job whose id begins so; its output doesn't appear"},
    {NULL, NULL},
};

const struct mr_command mr_cancel_command = {
    .name = "cancel",
    .usage = "cancel JOB [--json]",
    .summary = "end a job of a cluster",
    .text = "Ends a job: its attempts are stopped, and nothing of its output appears. One that has "
            "ended stays as it is. JOB is a number or the beginning of an id, as `millrace status` "
            "lists them.",
    .options = options,
    .examples = examples,
    .operands = MR_OPERANDS_NONE,
    .main = mr_handover_main,
};
