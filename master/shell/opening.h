/* opening: what a master does before it listens: its folder, its journal, what that holds. */
#ifndef MR_SHELL_OPENING_H
#define MR_SHELL_OPENING_H

#include "master/shell/inside.h"

/* Opens the folder of a master: locks it, replays its journal, and takes up what that tells of
 * nodes and jobs: all that the core waits for is under way again. *exit_status: how a daemon ends
 * that can't. What was opened is closed by mr_opening_undo, also after a failure. */
MR_MUST_USE int mr_opening_open(struct mr_master *master, const char *state, int *exit_status,
                                struct mr_error *err);
/* Closes the folder, and frees what was taken up. */
void mr_opening_undo(struct mr_master *master);

#endif
