/* man: manual pages, made from the command table, the option tables and the jobs' parameters. */
#ifndef MR_CLI_MAN_H
#define MR_CLI_MAN_H

#include <mr/status.h>

/* Writes millrace.1 and a millrace-COMMAND.1 for each command on show into `dir`, which is made
 * where it is missing. The same pages every time: they carry the version, not a date. */
MR_MUST_USE int mr_man_write(const char *dir, struct mr_error *err);

#endif
