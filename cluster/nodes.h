/* nodes: `millrace nodes`. */
#ifndef MR_CLUSTER_NODES_H
#define MR_CLUSTER_NODES_H

#include "cli/commands.h"

int mr_nodes_main(const struct mr_command *command, char **args, struct mr_error *err);

#endif
