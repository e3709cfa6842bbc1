/* fsck: replays a journal and checks all that can be checked of what it holds. */
#ifndef MR_LOCAL_FSCK_H
#define MR_LOCAL_FSCK_H

#include <mr/run.h>

/* See mr_run_fsck. */
MR_MUST_USE int mr_fsck_look(const char *state, struct mr_run_journal *about, struct mr_error *err);

#endif
