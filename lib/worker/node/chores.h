/* chores: removes what nobody needs, in a thread of the pool: disks take their time.
 *
 * One chore at a time on outputs, and one on the worker's own folder, each in the order in which
 * they were begun: an output's disk that doesn't answer holds one thread, for the pool serves
 * look-ups of names too, and does not keep the worker's own from being emptied. */
#ifndef MR_NODE_CHORES_H
#define MR_NODE_CHORES_H

#include "lib/output/pending.h"
#include "lib/worker/node/folder.h"
#include <mr/status.h>
#include <stdint.h>

struct uv_loop_s;
struct mr_chores; /* opaque; the loop's thread */

/* All is borrowed. */
struct mr_chores_options {
    struct uv_loop_s *loop;
    const struct mr_folder *folder;
    /* After mr_chores_clear_output. */
    void (*cleared)(void *user, const char *id, enum mr_pending_left left);
    void *user;
};

MR_MUST_USE int mr_chores_create(const struct mr_chores_options *options, struct mr_chores **chores,
                                 struct mr_error *err);
/* After those that were begun; then `closed`. */
void mr_chores_close(struct mr_chores *chores, void (*closed)(void *user), void *user);

/* What cannot be begun for want of memory is left lying: a later start of the worker, the next run
 * on the same output, or the master's next word clears it. */

/* What an attempt wrote of a part of the output `dir`. */
void mr_chores_discard(struct mr_chores *chores, const char *dir, const char *id, uint32_t task,
                       uint32_t attempt);
/* What was moved to the folder's trash since the last time, if anything. */
void mr_chores_empty_trash(struct mr_chores *chores);
/* What a job that is over left: in the folder's trash, and (`dir` not NULL) beside its output. */
void mr_chores_clear(struct mr_chores *chores, const char *dir, const char *id);
/* What it left beside its output; `cleared` tells how that went. */
void mr_chores_clear_output(struct mr_chores *chores, const char *dir, const char *id);

#endif
