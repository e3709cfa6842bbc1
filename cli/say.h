/* say: the command's errors on standard error, and whether its standard output arrived. */
#ifndef MR_CLI_SAY_H
#define MR_CLI_SAY_H

#include <mr/status.h>

/* Fills the standard descriptors that came closed with ones that fail to write, so that no file
 * opened later is taken for standard output. Called first. */
void mr_say_guard(void);

/* Writes text to standard error as it is, and ignores a failure. */
void mr_say_text(const char *text);

/* Writes the error's sentence, each of its lines as `millrace: LINE`, control characters shown as
 * '?'. An error without text, and a closed output, say nothing. */
void mr_say_error(const struct mr_error *err);

/* Closes standard output: a failure of it is the command's where it had none (as on a full device).
 * Returns the status. */
MR_MUST_USE int mr_say_close(int status, struct mr_error *err);

#endif
