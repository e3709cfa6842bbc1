/* drain: `millrace drain`: gives a worker nothing new. What it does is in cluster/drain.c. */
#include "cli/commands.h"
#include "cli/handover.h"

static const struct mr_option options[] = {
    MR_COMMANDS_HELP_ROW,
    {.name = "back", .kind = MR_OPTION_FLAG, .help = "Give it tasks again."},
    MR_COMMANDS_MASTER_ROW,
    MR_COMMANDS_SECRET_ROW,
    MR_COMMANDS_CONNECT_ROW,
    MR_COMMANDS_JSON_ROW,
    {.name = NULL},
};

static const struct mr_example examples[] = {
    {"millrace drain mapper-2", "before its machine is switched off"},
    {"millrace drain mapper-2 --back", "it gets tasks again"},
    {NULL, NULL},
};

const struct mr_command mr_drain_command = {
    .name = "drain",
    .usage = "drain NODE [--back] [--json]",
    .summary = "give a worker of a cluster nothing new",
    .text = "Lets a worker end what it does, and gives it nothing new. `millrace nodes` shows when "
            "nothing that it holds is needed any more. NODE is a name or a number, as `millrace "
            "nodes` lists them.",
    .options = options,
    .examples = examples,
    .operands = MR_OPERANDS_NONE,
    .main = mr_handover_main,
};
