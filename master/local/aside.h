/* aside: the records that were set aside, and the side file that holds them. */
#ifndef MR_LOCAL_ASIDE_H
#define MR_LOCAL_ASIDE_H

#include "lib/base/buffer.h"
#include "lib/worker/orders.h"

#define MR_ASIDE_NAME "_skipped" /* in the output; no input, as its name begins with '_' */

/* Zero-initialise; release with mr_aside_fini. */
struct mr_aside {
    struct mr_aside_row *rows;
    size_t count;
};

/* Takes over a record of a map task's input, whose path is borrowed. */
MR_MUST_USE int mr_aside_take(struct mr_aside *aside, uint32_t task, const char *path,
                              struct mr_orders_skipped *skipped, struct mr_error *err);
/* The side file's text: a line each, PATH TAB OFFSET TAB RECORD, in the order of the input. */
MR_MUST_USE int mr_aside_text(struct mr_aside *aside, struct mr_buffer *text, struct mr_error *err);
void mr_aside_fini(struct mr_aside *aside);

#endif
