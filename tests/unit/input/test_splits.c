/* test_splits: sizes of splits, numbers of partitions, the cutting of inputs. */
#include "lib/input/splits.h"

#include "tests/unit/test.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define TIB ((uint64_t)1 << 40)

Test(splits, size_follows_the_inputs) {
    cr_assert_eq(mr_splits_size(0), 64 * MIB);
    cr_assert_eq(mr_splits_size(1), 64 * MIB);
    cr_assert_eq(mr_splits_size(256 * GIB), 64 * MIB);
    cr_assert_eq(mr_splits_size(512 * GIB - 1), 64 * MIB);
    cr_assert_eq(mr_splits_size(512 * GIB), 128 * MIB);
    cr_assert_eq(mr_splits_size(TIB - 1), 128 * MIB);
    cr_assert_eq(mr_splits_size(TIB), 256 * MIB);
    cr_assert_eq(mr_splits_size(UINT64_MAX), 256 * MIB);
}

Test(splits, partitions_follow_the_inputs) {
    cr_assert_eq(mr_splits_partitions(0, false), 1u);
    cr_assert_eq(mr_splits_partitions(128 * MIB - 1, false), 1u);
    cr_assert_eq(mr_splits_partitions(128 * MIB, false), 2u);
    cr_assert_eq(mr_splits_partitions(GIB, false), 16u);
    cr_assert_eq(mr_splits_partitions(3 * GIB, false), 32u);
    cr_assert_eq(mr_splits_partitions(UINT64_MAX, false), 4096u);
    cr_assert_eq(mr_splits_partitions(GIB, true), 1u, "a stream can't be measured");
}

static void check(const struct mr_split *split, uint32_t input, uint64_t begin, uint64_t end) {
    cr_assert_eq(split->input, input);
    cr_assert_eq(split->begin, begin);
    cr_assert_eq(split->end, end);
}

Test(splits, plan_cuts_plain_files_only) {
    struct mr_input items[] = {
        {.path = "a", .kind = MR_INPUT_FILE, .size = 128 * MIB},
        {.path = "empty", .kind = MR_INPUT_FILE, .size = 0},
        {.path = "b", .kind = MR_INPUT_GZIP, .size = GIB},
        {.path = "-", .kind = MR_INPUT_STREAM},
        {.path = "c", .kind = MR_INPUT_FILE, .size = 64 * MIB + 1},
        {.path = "d", .kind = MR_INPUT_ZSTD, .size = 5},
    };
    struct mr_inputs inputs = {.items = items, .count = 6, .weighted_bytes = 5 * GIB};
    struct mr_splits splits = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_splits_plan(&inputs, &splits, &err), 0);
    cr_assert_eq(splits.split_bytes, 64 * MIB);
    cr_assert_eq(splits.count, 7u);
    check(&splits.items[0], 0, 0, 64 * MIB);
    check(&splits.items[1], 0, 64 * MIB, 128 * MIB);
    check(&splits.items[2], 2, 0, UINT64_MAX);
    check(&splits.items[3], 3, 0, UINT64_MAX);
    check(&splits.items[4], 4, 0, 64 * MIB);
    check(&splits.items[5], 4, 64 * MIB, 64 * MIB + 1);
    check(&splits.items[6], 5, 0, UINT64_MAX);
    mr_splits_fini(&splits);
    cr_assert_null(splits.items);
}

Test(splits, nothing_makes_none) {
    struct mr_input empty = {.path = "empty", .kind = MR_INPUT_FILE};
    struct mr_inputs inputs = {.items = &empty, .count = 1};
    struct mr_splits splits = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_splits_plan(&inputs, &splits, &err), 0);
    cr_assert_eq(splits.count, 0u);
    mr_splits_fini(&splits);
}

Test(splits, too_many_are_refused) {
    struct mr_input items[] = {
        {.path = "huge", .kind = MR_INPUT_FILE, .size = INT64_MAX},
        {.path = "huge too", .kind = MR_INPUT_FILE, .size = INT64_MAX},
    };
    struct mr_inputs inputs = {.items = items, .count = 2, .weighted_bytes = UINT64_MAX};
    struct mr_splits splits = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_splits_plan(&inputs, &splits, &err), MR_ERR_INPUT);
    cr_assert_str_eq(err.text, "the inputs would make more than 4294967295 splits");
    cr_assert_eq(splits.count, 0u);
}
