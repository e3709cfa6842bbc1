/* help: the help of every command, made from its row and its option table. */
#ifndef MR_CLI_HELP_H
#define MR_CLI_HELP_H

#include "cli/commands.h"
#include "cli/page.h"

#include <mr/run.h>

/* Writes the help of a command to standard output, with the parameters of `job` (NULL: none). */
MR_MUST_USE int mr_help_show(const struct mr_command *command, const struct mr_job *job,
                             struct mr_error *err);

/* Add to a page: the rows of a table in two columns; a job's parameters and examples under
 * headings; the exit statuses as "4" and "reading, …" by a callback. */
void mr_help_options(struct mr_page *page, const struct mr_option *rows);
void mr_help_job(struct mr_page *page, const struct mr_job *job);
void mr_help_exit_statuses(struct mr_page *page,
                           void (*add)(struct mr_page *page, int status, const char *meaning));

#endif
