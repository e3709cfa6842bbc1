/* holdings: what a worker that registers says it holds: what of it is needed, and what is missing.
 */
#ifndef MR_SHELL_HOLDINGS_H
#define MR_SHELL_HOLDINGS_H

#include "master/shell/sessions.h"

/* Adds rows of REGISTER or MORE_HELD to what the session has gathered. */
MR_MUST_USE int mr_holdings_add(struct mr_session *session, const struct mr_wire_row_held *rows,
                                size_t count, struct mr_error *err);

/* The map outputs among them as the core knows attempts; malloc'ed, the caller's. */
MR_MUST_USE int mr_holdings_offer(struct mr_session *session, struct mr_core_attempt **held,
                                  uint32_t *count, struct mr_error *err);
/* Tells the core which committed parts, that lie on the node, are not among them. */
void mr_holdings_report_missing(struct mr_session *session);
/* Tells the worker what of it can go. */
void mr_holdings_answer(struct mr_session *session);

/* Parts of jobs' current rounds that lay on a node which was lost are made again. */
void mr_holdings_lost(struct mr_master *master, uint32_t node);
/* Whether a node holds what only the shell knows to be needed: pairs, parts to be collected. */
bool mr_holdings_is_needed(const struct mr_master *master, uint32_t node);

#endif
