/* scratch: the directory in which the tasks of one run leave files for one another.
 *
 * It stands in --tmp as millrace.pending-<job>, held by a lock as pending outputs are: a run that
 * is killed leaves it, and the next run that uses the same place clears it. */
#ifndef MR_FILES_SCRATCH_H
#define MR_FILES_SCRATCH_H

#include "lib/output/pending.h"
#include <stdbool.h>
#include <stddef.h>

struct mr_scratch {
    struct mr_pending_place place;
    struct mr_pending pending;
    char *path; /* absolute */
    bool is_made;
    bool is_open; /* the place, if its descriptor is one */
};

/* Clears what dead runs left in `tmp` and makes a directory of our own. Release with
 * mr_scratch_remove, also after a failure. */
MR_MUST_USE int mr_scratch_make(struct mr_scratch *scratch, const char *tmp, const char *id,
                                struct mr_error *err);
/* Removes the tasks' files, names with a '-' in them, but for those that begin with `keep`. What
 * can't be removed goes with the directory. */
void mr_scratch_clear(const struct mr_scratch *scratch, const char *keep);
/* Removes it with all in it. Harmless on a zeroed one. */
void mr_scratch_remove(struct mr_scratch *scratch);

#endif
