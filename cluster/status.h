/* status: `millrace status`. */
#ifndef MR_CLUSTER_STATUS_H
#define MR_CLUSTER_STATUS_H

#include "cli/commands.h"

int mr_status_main(const struct mr_command *command, char **args, struct mr_error *err);

#endif
