/* mapper: `millrace mapper`: the daemon that does map tasks on a machine. */
#include "cli/handover.h"
#include "cli/worker_rows.h"

static const struct mr_option options[] = {MR_WORKER_ROWS};

static const struct mr_example examples[] = {
    {"millrace mapper", "for the master of this user on this machine"},
    {"millrace mapper --master m1:7077 --secret cluster.key --slots 8 --scratch /data/tmp",
     "for a cluster of machines"},
    {NULL, NULL},
};

const struct mr_command mr_mapper_command = {
    .name = "mapper",
    .usage = "mapper [--master HOST:PORT] [--secret FILE] [--slots N] [--scratch DIR]",
    .summary = "run the daemon that does map tasks on this machine",
    .text = MR_WORKER_ROWS_TEXT,
    .options = options,
    .examples = examples,
    .operands = MR_OPERANDS_NONE,
    .main = mr_handover_main,
};
