/* replay: the blocks of a split, kept from its first reading for later ones.
 *
 * A job that loops over a small input would spend its time opening, reading and closing files: the
 * system calls of one small file take longer than mapping it. So what fits is kept as the reader
 * handed it out. All of a split or nothing: a split that passes the room is read again each time,
 * and what it took is given back to the others. */
#include "lib/input/replay.h"

#include "lib/base/error.h"

#include <stdlib.h>

#define BLOCK_OVERHEAD (2 * (size_t)MR_BLOCK_PADDING + sizeof(struct mr_block))

static void drop_blocks(struct mr_replay *replay) {
    for (size_t i = 0; i < replay->count; i++) {
        *replay->room += replay->blocks[i].bytes.len + BLOCK_OVERHEAD;
        mr_block_fini(&replay->blocks[i]);
    }
    replay->count = 0;
}

static int reserve_row(struct mr_replay *replay, struct mr_error *err) {
    if (replay->count < replay->capacity) {
        return MR_OK;
    }
    size_t capacity = replay->capacity ? replay->capacity * 2 : 4;
    struct mr_block *blocks = realloc(replay->blocks, capacity * sizeof *blocks);
    if (!blocks) {
        return mr_error_nomem(err, "keeping a small input");
    }
    replay->blocks = blocks;
    replay->capacity = capacity;
    return MR_OK;
}

int mr_replay_keep(struct mr_replay *replay, const struct mr_block *block, struct mr_error *err) {
    size_t len = block->bytes.len;
    if (replay->has_passed || *replay->room < len + BLOCK_OVERHEAD) {
        replay->has_passed = true;
        drop_blocks(replay);
        return MR_OK;
    }
    struct mr_block_fill fill;
    struct mr_block *kept;
    if (reserve_row(replay, err)) {
        return err->code;
    }
    kept = &replay->blocks[replay->count];
    *kept = (struct mr_block){0};
    if (mr_block_begin(&fill, kept, len, 0, err)) {
        return err->code;
    }
    memcpy(mr_block_data(&fill), block->bytes.data, len);
    fill.len = len;
    mr_block_show(&fill, 0, len, block->offset);
    *replay->room -= len + BLOCK_OVERHEAD;
    replay->count++;
    return MR_OK;
}

void mr_replay_end(struct mr_replay *replay) {
    replay->is_whole = !replay->has_passed;
}

void mr_replay_fini(struct mr_replay *replay) {
    for (size_t i = 0; i < replay->count; i++) {
        mr_block_fini(&replay->blocks[i]);
    }
    free(replay->blocks);
    *replay = (struct mr_replay){0};
}
