/* rows: which commands are this program's, and what each does. */
#ifndef MR_CLUSTER_ROWS_H
#define MR_CLUSTER_ROWS_H

#include "cli/commands.h"

#include <mr/status.h>

/* What a command does; as the `main` of a row in cli/commands.h. */
typedef int (*mr_rows_main)(const struct mr_command *command, char **args, struct mr_error *err);

/* Finds the row of a command by what was typed, and what it does. One that is unknown, or needs no
 * network and so is not this program's: MR_ERR_USAGE. */
MR_MUST_USE int mr_rows_find(const char *typed, const struct mr_command **command,
                             mr_rows_main *run, struct mr_error *err);

#endif
