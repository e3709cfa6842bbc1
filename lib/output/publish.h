/* publish: gives a finished directory the name of the output, in one step. */
#ifndef MR_OUTPUT_PUBLISH_H
#define MR_OUTPUT_PUBLISH_H

#include "lib/output/pending.h"

#include <stdbool.h>

/* How the output came to be, which tells how to take it back. */
enum mr_publish_way { MR_PUBLISH_NEW, MR_PUBLISH_EXCHANGED, MR_PUBLISH_ASIDE };

/* In the caller's storage; set `pending` and `overwrite`. */
struct mr_publish {
    const struct mr_pending *pending; /* holds the finished directory, `out` */
    bool overwrite;
    bool must_keep; /* after a failure: the pending directory holds what only the user may remove */
    enum mr_publish_way way;
};

/* Sees that nothing stands where the output shall be, or (with `overwrite`) a directory that holds
 * a manifest of ours. MR_ERR_USAGE where something else does; MR_ERR_IO or MR_ERR_NOMEM where that
 * can't be told. */
MR_MUST_USE int mr_publish_check(const struct mr_pending_place *place, bool overwrite,
                                 struct mr_error *err);

/* Makes `out` the output. Without overwriting, whatever is there by now stays; with it, only an
 * output of ours is replaced, and stands in the pending directory then, or beside it
 * (pending->old). Where that isn't allowed: MR_ERR_USAGE, `must_keep`, and an error that says how
 * to publish by hand. */
MR_MUST_USE int mr_publish_appear(struct mr_publish *publish, struct mr_error *err);

/* Undoes mr_publish_appear; -1 and errno where that fails. */
MR_MUST_USE int mr_publish_take_back(const struct mr_publish *publish);

#endif
