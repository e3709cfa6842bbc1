/* submit: `millrace submit`. */
#ifndef MR_CLUSTER_SUBMIT_H
#define MR_CLUSTER_SUBMIT_H

#include "cli/commands.h"

int mr_submit_main(const struct mr_command *command, char **args, struct mr_error *err);

#endif
