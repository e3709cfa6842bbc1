/* nodes: `millrace nodes`: the workers of a cluster. What it does is in cluster/nodes.c. */
#include "cli/commands.h"
#include "cli/handover.h"

static const struct mr_option options[] = {
    MR_COMMANDS_HELP_ROW,
    {.name = "all", .letter = 'a', .kind = MR_OPTION_FLAG, .help = "Show those that are gone too."},
    MR_COMMANDS_MASTER_ROW,
    MR_COMMANDS_SECRET_ROW,
    MR_COMMANDS_CONNECT_ROW,
    MR_COMMANDS_JSON_ROW,
    {.name = NULL},
};

static const struct mr_example examples[] = {
    {"millrace nodes", "who is there, how busy, and when it was heard last"},
    {NULL, NULL},
};

const struct mr_command mr_nodes_command = {
    .name = "nodes",
    .usage = "nodes [--all] [--json]",
    .summary = "show the workers of a cluster",
    .text = "Shows mappers and reducers: their state, slots, map outputs that they hold and are "
            "needed, and when they were heard last.",
    .options = options,
    .examples = examples,
    .operands = MR_OPERANDS_NONE,
    .main = mr_handover_main,
};
