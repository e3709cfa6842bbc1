/* secret_new: `millrace secret new FILE`: makes a cluster's secret. */
#ifndef MR_CLUSTER_SECRET_NEW_H
#define MR_CLUSTER_SECRET_NEW_H

#include "cli/commands.h"

int mr_secret_new_main(const struct mr_command *command, char **args, struct mr_error *err);

#endif
