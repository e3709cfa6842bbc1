/* test_replay: blocks kept from the first reading: all of a split, or nothing. */
#include "lib/input/replay.h"

#include "tests/unit/test.h"

#include <string.h>

#define ROOM ((size_t)4096)

/* A block of `len` bytes 'a' + first, …, at an offset. */
static void make_block(struct mr_block *block, size_t len, char first, uint64_t offset) {
    struct mr_block_fill fill;
    struct mr_error err = {0};
    cr_assert_eq(mr_block_begin(&fill, block, len, 0, &err), 0);
    memset(mr_block_data(&fill), first, len);
    fill.len = len;
    mr_block_show(&fill, 0, len, offset);
}

static int keep(struct mr_replay *replay, size_t len, char first, uint64_t offset) {
    struct mr_block block = {0};
    struct mr_error err = {0};
    make_block(&block, len, first, offset);
    int status = mr_replay_keep(replay, &block, &err);
    mr_block_fini(&block);
    return status;
}

Test(replay, keeps_blocks_as_they_were) {
    size_t room = ROOM;
    struct mr_replay replay = {.room = &room};
    static const char zeroes[MR_BLOCK_PADDING];
    for (size_t i = 0; i < 6; i++) {
        cr_assert_eq(keep(&replay, 100 + i, (char)('a' + i), 1000 * i), 0);
    }
    cr_assert(!replay.is_whole); /* not before its end is known */
    mr_replay_end(&replay);
    cr_assert(replay.is_whole);
    cr_assert_eq(replay.count, (size_t)6);
    for (size_t i = 0; i < 6; i++) {
        struct mr_bytes bytes = replay.blocks[i].bytes;
        cr_assert_eq(bytes.len, 100 + i);
        cr_assert_eq(bytes.data[0], (char)('a' + i));
        cr_assert_eq(bytes.data[99 + i], (char)('a' + i));
        cr_assert_eq(replay.blocks[i].offset, (uint64_t)(1000 * i));
        cr_assert_eq(memcmp(bytes.data + bytes.len, zeroes, sizeof zeroes), 0);
        cr_assert_eq(memcmp(bytes.data - sizeof zeroes, zeroes, sizeof zeroes), 0);
    }
    cr_assert_lt(room, ROOM - 600);
    mr_replay_fini(&replay);
}

Test(replay, an_empty_split_is_whole) {
    size_t room = ROOM;
    struct mr_replay replay = {.room = &room};
    mr_replay_end(&replay);
    cr_assert(replay.is_whole);
    cr_assert_eq(replay.count, (size_t)0);
    mr_replay_fini(&replay);
}

Test(replay, what_passes_the_room_is_given_back_to_the_others) {
    size_t room = ROOM;
    struct mr_replay large = {.room = &room};
    struct mr_replay small = {.room = &room};
    cr_assert_eq(keep(&large, ROOM / 2, 'a', 0), 0);
    cr_assert_eq(large.count, (size_t)1);
    cr_assert_eq(keep(&large, ROOM / 2, 'b', ROOM / 2), 0); /* with its padding: too much */
    cr_assert_eq(large.count, (size_t)0);
    cr_assert_eq(room, ROOM);
    cr_assert_eq(keep(&large, 1, 'c', ROOM), 0); /* nothing more, though it would fit */
    cr_assert_eq(room, ROOM);
    mr_replay_end(&large);
    cr_assert(!large.is_whole);
    cr_assert_eq(keep(&small, ROOM / 2, 'd', 0), 0);
    mr_replay_end(&small);
    cr_assert(small.is_whole);
    mr_replay_fini(&large);
    mr_replay_fini(&small);
}
