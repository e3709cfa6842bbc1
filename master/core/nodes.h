/* nodes: workers that come, go, drain, and are taken back. */
#ifndef MR_CORE_NODES_H
#define MR_CORE_NODES_H

#include "master/core/state.h"

/* The answers to events about a worker. MR_ERR_INTERNAL: no shell may send this; nothing changed.
 */
MR_MUST_USE int mr_nodes_up(struct mr_core *core, const struct mr_core_event *event,
                            struct mr_error *err);
MR_MUST_USE int mr_nodes_lose(struct mr_core *core, const struct mr_core_event *event,
                              struct mr_error *err);
MR_MUST_USE int mr_nodes_drain(struct mr_core *core, const struct mr_core_event *event,
                               struct mr_error *err);
MR_MUST_USE int mr_nodes_take_back(struct mr_core *core, const struct mr_core_event *event,
                                   struct mr_error *err);

/* Makes room for nodes up to this number. */
MR_MUST_USE int mr_nodes_reserve(struct mr_core *core, uint32_t number, struct mr_error *err);

#endif
