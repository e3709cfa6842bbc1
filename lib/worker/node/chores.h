/* chores: removes what nobody needs, in threads of its own: disks take their time. */
#ifndef MR_NODE_CHORES_H
#define MR_NODE_CHORES_H

#include "lib/worker/node/folder.h"
#include <mr/status.h>
#include <stdint.h>

struct uv_loop_s;
struct mr_chores; /* opaque; the loop's thread */

MR_MUST_USE int mr_chores_create(struct uv_loop_s *loop, const struct mr_folder *folder,
                                 struct mr_chores **chores, struct mr_error *err);
/* After those under way; then `closed`. */
void mr_chores_close(struct mr_chores *chores, void (*closed)(void *user), void *user);

/* What cannot be begun for want of memory is left lying: a later start of the worker, or the next
 * run on the same output, clears it. */

/* What an attempt wrote of a part of the output `dir`. */
void mr_chores_discard(struct mr_chores *chores, const char *dir, const char *id, uint32_t task,
                       uint32_t attempt);
/* What a job that is over left: in the folder's trash, and (`dir` not NULL) beside its output. */
void mr_chores_clear(struct mr_chores *chores, const char *dir, const char *id);

#endif
