/* worker: `millrace mapper` and `millrace reducer`. */
#ifndef MR_CLUSTER_WORKER_H
#define MR_CLUSTER_WORKER_H

#include "cli/commands.h"

int mr_worker_mapper_main(const struct mr_command *command, char **args, struct mr_error *err);
int mr_worker_reducer_main(const struct mr_command *command, char **args, struct mr_error *err);

#endif
