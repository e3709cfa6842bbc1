/* handover: hands a command of the cluster over to the program that has a network.
 *
 * `millrace run` must start in a millisecond, so `millrace` is not linked with the libraries of
 * loops and encryption. A command that needs them is a row like any other, whose main is
 * mr_handover_main: the process becomes millrace-cluster, with the same command line, and there
 * cluster/commands.c has what the row does. */
#ifndef MR_CLI_HANDOVER_H
#define MR_CLI_HANDOVER_H

#include "cli/commands.h"

#include <mr/status.h>

#define MR_HANDOVER_PATH_MAX 4096

/* The `main` of such a row. Returns only where the program can't be started: MR_ERR_IO. */
int mr_handover_main(const struct mr_command *command, char **args, struct mr_error *err);

/* Where `millrace` is, for the program it became: it starts task processes. */
MR_MUST_USE int mr_handover_command_path(char path[MR_HANDOVER_PATH_MAX], struct mr_error *err);

#endif
