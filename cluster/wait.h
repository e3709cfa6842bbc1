/* wait: `millrace wait`. */
#ifndef MR_CLUSTER_WAIT_H
#define MR_CLUSTER_WAIT_H

#include "cli/commands.h"

int mr_wait_main(const struct mr_command *command, char **args, struct mr_error *err);

#endif
