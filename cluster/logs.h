/* logs: `millrace logs`. */
#ifndef MR_CLUSTER_LOGS_H
#define MR_CLUSTER_LOGS_H

#include "cli/commands.h"

int mr_logs_main(const struct mr_command *command, char **args, struct mr_error *err);

#endif
