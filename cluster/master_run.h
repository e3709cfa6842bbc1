/* master_run: `millrace master`. */
#ifndef MR_CLUSTER_MASTER_RUN_H
#define MR_CLUSTER_MASTER_RUN_H

#include "cli/commands.h"

int mr_master_run_main(const struct mr_command *command, char **args, struct mr_error *err);

#endif
