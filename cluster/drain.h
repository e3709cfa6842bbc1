/* drain: `millrace drain`. */
#ifndef MR_CLUSTER_DRAIN_H
#define MR_CLUSTER_DRAIN_H

#include "cli/commands.h"

int mr_drain_main(const struct mr_command *command, char **args, struct mr_error *err);

#endif
