/* aside: the records that were set aside, and the side file that holds them. */
#ifndef MR_FILES_ASIDE_H
#define MR_FILES_ASIDE_H

#include "lib/worker/orders.h"
#include "master/local/files/ledger.h"

#define MR_ASIDE_NAME "_skipped" /* in the output; no input, as its name begins with '_' */

/* Notes the records that the winner of a map task set aside, in the order of its input, in the
 * place of what an earlier winner did. */
MR_MUST_USE int mr_aside_note(struct mr_ledger *ledger, uint32_t task,
                              const struct mr_orders_skipped *skipped, size_t count,
                              struct mr_error *err);

/* Appends a line of the side file: PATH TAB OFFSET TAB RECORD. */
MR_MUST_USE int mr_aside_line(const char *path, uint64_t offset, struct mr_bytes record,
                              struct mr_buffer *text, struct mr_error *err);

/* The side file's text: a line each, in the order of the input; empty where there are none. */
MR_MUST_USE int mr_aside_text(const struct mr_ledger *ledger, const struct mr_plan *plan,
                              struct mr_buffer *text, struct mr_error *err);

#endif
