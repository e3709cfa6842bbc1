/* watch: what the time decides: leases, nodes set aside, slow tasks. */
#ifndef MR_CORE_WATCH_H
#define MR_CORE_WATCH_H

#include "master/core/state.h"

/* The answers to volatile events. They change nothing durable: what they find comes out as PROPOSE.
 */
MR_MUST_USE int mr_watch_tick(struct mr_core *core, const struct mr_core_event *event,
                              struct mr_error *err);
MR_MUST_USE int mr_watch_heard(struct mr_core *core, const struct mr_core_event *event,
                               struct mr_error *err);
MR_MUST_USE int mr_watch_progress(struct mr_core *core, const struct mr_core_event *event,
                                  struct mr_error *err);

#endif
