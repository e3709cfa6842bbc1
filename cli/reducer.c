/* reducer: `millrace reducer`: the daemon that does reduce tasks on a machine. */
#include "cli/handover.h"
#include "cli/worker_rows.h"

static const struct mr_option options[] = {MR_WORKER_ROWS};

static const struct mr_example examples[] = {
    {"millrace reducer", "for the master of this user on this machine"},
    {"millrace reducer --master m1:7077 --secret cluster.key", "for a cluster of machines"},
    {NULL, NULL},
};

const struct mr_command mr_reducer_command = {
    .name = "reducer",
    .usage = "reducer [--master HOST:PORT] [--secret FILE] [--slots N] [--scratch DIR]",
    .summary = "run the daemon that does reduce tasks on this machine, and publishes outputs",
    .text = MR_WORKER_ROWS_TEXT,
    .options = options,
    .examples = examples,
    .operands = MR_OPERANDS_NONE,
    .main = mr_handover_main,
};
