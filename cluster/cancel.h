/* cancel: `millrace cancel`. */
#ifndef MR_CLUSTER_CANCEL_H
#define MR_CLUSTER_CANCEL_H

#include "cli/commands.h"

int mr_cancel_main(const struct mr_command *command, char **args, struct mr_error *err);

#endif
