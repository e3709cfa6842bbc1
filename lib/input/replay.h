/* replay: the blocks of a split, kept from its first reading for later ones. */
#ifndef MR_INPUT_REPLAY_H
#define MR_INPUT_REPLAY_H

#include "lib/input/block.h"
#include <stdbool.h>

/* Of one split, read and replayed by one thread. Zero-initialise, set `room`; release with
 * mr_replay_fini. */
struct mr_replay {
    struct mr_block *blocks; /* in order */
    size_t count;
    size_t capacity;
    size_t *room;    /* bytes that may still be kept, shared by the splits of an input; borrowed */
    bool has_passed; /* the split holds more than there is room for: nothing is kept */
    bool is_whole;   /* all of the split is here: it need not be read again */
};

/* Keeps a copy of the split's next block, padding included, unless there is no room for all of
 * them. MR_ERR_NOMEM. */
MR_MUST_USE int mr_replay_keep(struct mr_replay *replay, const struct mr_block *block,
                               struct mr_error *err);

/* The split's last block was kept. */
void mr_replay_end(struct mr_replay *replay);

void mr_replay_fini(struct mr_replay *replay);

#endif
