/* cursor: steps through the records of one run, within one partition and key range. */
#include "lib/record/cursor.h"

#include "lib/base/error.h"
#include <endian.h>

/* The first block at or behind `from_block` that is of a later partition, or of this one and, where
 * `bound` is given, does not begin before it. */
static size_t find_block(const struct mr_run *run, uint32_t partition,
                         const struct mr_prefix *bound) {
    size_t low = 0;
    size_t high = run->block_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct mr_run_block *block = &run->blocks[middle];
        bool before = block->partition < partition || (block->partition == partition && bound &&
                                                       mr_prefix_less(block->first, *bound));
        if (before) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void mr_cursor_blocks(const struct mr_run *run, uint32_t partition,
                      const struct mr_key_range *range, size_t *begin, size_t *end) {
    *begin = find_block(run, partition, NULL);
    if (range->bounded_below) {
        size_t reached = find_block(run, partition, &range->from);
        *begin = reached > *begin ? reached - 1 : *begin; /* the range may start inside a block */
    }
    *end = range->bounded_above ? find_block(run, partition, &range->to)
                                : find_block(run, partition + 1, NULL);
}

int mr_cursor_open(struct mr_cursor *cursor, const struct mr_run *run, uint32_t partition,
                   const struct mr_key_range *range, struct mr_error *err) {
    *cursor = (struct mr_cursor){.run = run, .range = *range};
    mr_cursor_blocks(run, partition, range, &cursor->block, &cursor->block_end);
    if (run->fd >= 0 && cursor->block < cursor->block_end) {
        cursor->buffer = mr_run_buffer_take(run);
        if (!cursor->buffer) {
            return mr_error_nomem(err, "merging sorted runs");
        }
    }
    return MR_OK;
}

void mr_cursor_close(struct mr_cursor *cursor) {
    if (cursor->buffer) {
        mr_run_buffer_give(cursor->run, cursor->buffer);
        cursor->buffer = NULL;
    }
}

static int enter_block(struct mr_cursor *cursor, struct mr_error *err) {
    const struct mr_run_block *block = &cursor->run->blocks[cursor->block++];
    cursor->at = block->data;
    if (!block->data) {
        if (mr_run_read_block(cursor->run, block, cursor->buffer, err)) {
            return err->code;
        }
        cursor->at = cursor->buffer;
    }
    cursor->end = cursor->at + block->len;
    cursor->bounded_above = cursor->range.bounded_above && cursor->block == cursor->block_end;
    return MR_OK;
}

static const uint64_t prefix_masks[9] = {
    0,
    0xFF00000000000000,
    0xFFFF000000000000,
    0xFFFFFF0000000000,
    0xFFFFFFFF00000000,
    0xFFFFFFFFFF000000,
    0xFFFFFFFFFFFF0000,
    0xFFFFFFFFFFFFFF00,
    0xFFFFFFFFFFFFFFFF,
};

/* Reads 16 bytes whatever `len` is: MR_RUN_SLACK. */
static struct mr_prefix load_prefix(const char *key, size_t len) {
    uint64_t words[2];
    memcpy(words, key, sizeof words);
    size_t high = len < 8 ? len : 8;
    size_t low = len < 16 ? len - high : 8;
    return (struct mr_prefix){be64toh(words[0]) & prefix_masks[high],
                              be64toh(words[1]) & prefix_masks[low]};
}

/* Decodes the record at cursor->at; its block is known to hold whole records. */
static int decode(struct mr_cursor *cursor, struct mr_error *err) {
    const char *at = cursor->at;
    uint32_t key_len = (uint8_t)at[0];
    uint32_t value_len = (uint8_t)at[1];
    if ((key_len | value_len) < 0x80) {
        at += 2;
    } else {
        at = mr_run_get_varint(at, cursor->end, &key_len);
        at = at ? mr_run_get_varint(at, cursor->end, &value_len) : NULL;
    }
    if (!at || (size_t)(cursor->end - at) < (size_t)key_len + value_len) {
        return mr_error_set(err, MR_ERR_INTERNAL, "a sorted run holds a malformed record");
    }
    cursor->prefix = load_prefix(at, key_len);
    cursor->key = (struct mr_bytes){at, key_len};
    cursor->value = (struct mr_bytes){at + key_len, value_len};
    cursor->at = at + key_len + value_len;
    return MR_OK;
}

int mr_cursor_step(struct mr_cursor *cursor, struct mr_error *err) {
    do {
        while (cursor->at == cursor->end) {
            if (cursor->block >= cursor->block_end) {
                cursor->at_end = true;
                cursor->prefix = (struct mr_prefix){UINT64_MAX, UINT64_MAX};
                return MR_OK;
            }
            if (enter_block(cursor, err)) {
                return err->code;
            }
        }
        if (decode(cursor, err)) {
            return err->code;
        }
    } while (cursor->range.bounded_below && mr_prefix_less(cursor->prefix, cursor->range.from));
    cursor->range.bounded_below = false; /* keys only grow from here */
    if (cursor->bounded_above && !mr_prefix_less(cursor->prefix, cursor->range.to)) {
        cursor->at_end = true;
        cursor->at = cursor->end;
        cursor->block = cursor->block_end;
        cursor->prefix = (struct mr_prefix){UINT64_MAX, UINT64_MAX};
    }
    return MR_OK;
}
