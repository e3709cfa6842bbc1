/* logs: what attempts on this worker wrote to standard output and error, for whoever asks. */
#ifndef MR_NODE_LOGS_H
#define MR_NODE_LOGS_H

#include "lib/worker/node/docket.h"
#include "lib/worker/node/link.h"

/* ASK_LOG: sends what is kept of the log in LOG messages; an empty one where there is none. The
 * job is named by its number or its id. `node` is the worker's name. */
void mr_logs_answer(const struct mr_docket *docket, struct mr_link *link, const char *node,
                    const struct mr_wire_ask_log *message);

#endif
