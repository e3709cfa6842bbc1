/* provisions: sees to it that an attempt has what it needs: its job, a loop's state, what it reads.
 *
 * What is missing is asked for, and a process may be started meanwhile. The loop's thread. */
#ifndef MR_NODE_PROVISIONS_H
#define MR_NODE_PROVISIONS_H

#include "lib/worker/node/errand.h"

/* Looks how far one is that is WAITING or GATHERING: when it has all, it is READY. One that can't
 * have it is told of (telling). */
void mr_provisions_look(const struct mr_errand_around *around, struct mr_errand *errand);

#endif
