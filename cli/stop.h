/* stop: turns the signals that end a command into a flag that the run looks at. */
#ifndef MR_CLI_STOP_H
#define MR_CLI_STOP_H

#include <stdatomic.h>

/* Catches SIGINT, SIGTERM and SIGHUP, except those the command was started to ignore (nohup). The
 * first of each sets the flag; the same signal again ends the process at once. Returns the flag. */
const atomic_bool *mr_stop_catch(void);

/* Notes a signal that was caught elsewhere. */
void mr_stop_note(int signal_number);

/* The exit status for a status: 128 and the signal for a run that one of them interrupted. */
int mr_stop_exit_status(int status);

#endif
