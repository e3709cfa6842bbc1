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
    cursor->kept = 0;
    cursor->bounded_above = cursor->range.bounded_above && cursor->block == cursor->block_end;
    return MR_OK;
}

/* The numbers whose first bytes are ones, by how many. */
static const struct mr_prefix first_bytes[17] = {
#define FIRST(bytes) (~(uint64_t)0 << (64 - 8 * (bytes)))
    {0, 0},
    {FIRST(1), 0},
    {FIRST(2), 0},
    {FIRST(3), 0},
    {FIRST(4), 0},
    {FIRST(5), 0},
    {FIRST(6), 0},
    {FIRST(7), 0},
    {FIRST(8), 0},
    {FIRST(8), FIRST(1)},
    {FIRST(8), FIRST(2)},
    {FIRST(8), FIRST(3)},
    {FIRST(8), FIRST(4)},
    {FIRST(8), FIRST(5)},
    {FIRST(8), FIRST(6)},
    {FIRST(8), FIRST(7)},
    {FIRST(8), FIRST(8)},
#undef FIRST
};

/* The prefix of a key of `len` bytes, of which `shared`, below 16, are those of the key before it,
 * which had the prefix `last`. Reads 16 bytes of the rest, whatever its length: MR_RUN_SLACK. */
static struct mr_prefix next_prefix(struct mr_prefix last, size_t shared, const char *rest,
                                    size_t len) {
    uint64_t words[2];
    memcpy(words, rest, sizeof words);
    struct mr_prefix keep = first_bytes[shared], all = first_bytes[len < 16 ? len : 16];
    unsigned __int128 found = (unsigned __int128)be64toh(words[0]) << 64 | be64toh(words[1]);
    found >>= 8 * shared;
    return (struct mr_prefix){((uint64_t)(found >> 64) | (last.hi & keep.hi)) & all.hi,
                              ((uint64_t)found | (last.lo & keep.lo)) & all.lo};
}

/* Puts together a key of which `shared` bytes stand in `last`, and keeps it there; one that is too
 * long to share any is viewed where it lies. */
static void join_key(struct mr_cursor *cursor, size_t shared, const char *rest, size_t rest_len) {
    size_t len = shared + rest_len;
    if (len > MR_RUN_SHARED_MAX) {
        cursor->key = (struct mr_bytes){rest, len};
        cursor->kept = 0;
        return;
    }
    for (size_t at = 0; at < rest_len; at += MR_RUN_SLACK) {
        memcpy(cursor->last + shared + at, rest + at, MR_RUN_SLACK);
    }
    cursor->key = (struct mr_bytes){cursor->last, len};
    cursor->kept = len;
}

/* Decodes the record at cursor->at; its block is known to hold whole records. */
static int decode(struct mr_cursor *cursor, struct mr_error *err) {
    const char *at = cursor->at;
    uint32_t shared = (uint8_t)at[0], rest_len = (uint8_t)at[1], value_len = (uint8_t)at[2];
    if ((rest_len | value_len) < 0x80) {
        at += 3;
    } else {
        at = mr_run_get_varint(at + 1, cursor->end, &rest_len);
        at = at ? mr_run_get_varint(at, cursor->end, &value_len) : NULL;
    }
    bool fits =
        at && at <= cursor->end && (size_t)(cursor->end - at) >= (size_t)rest_len + value_len &&
        shared <= cursor->kept && (!shared || (size_t)shared + rest_len <= MR_RUN_SHARED_MAX);
    if (!fits) {
        return mr_error_set(err, MR_ERR_INTERNAL, "a sorted run holds a malformed record");
    }
    if (shared < sizeof cursor->prefix) {
        cursor->prefix = next_prefix(cursor->prefix, shared, at, (size_t)shared + rest_len);
    }
    join_key(cursor, shared, at, rest_len);
    cursor->value = (struct mr_bytes){at + rest_len, value_len};
    cursor->at = at + rest_len + value_len;
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
