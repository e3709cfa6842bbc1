/* up: `millrace cluster up`. */
#ifndef MR_CLUSTER_UP_H
#define MR_CLUSTER_UP_H

#include "cli/commands.h"

int mr_up_main(const struct mr_command *command, char **args, struct mr_error *err);

#endif
