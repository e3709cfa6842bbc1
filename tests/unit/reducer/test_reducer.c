/* test_reducer: groups as the job's callbacks see them, and the lines that come out. */
#include "reducer/reducer.h"

#include "tests/unit/reducer/reduction.h"
#include <endian.h>

/* Reduces what was put in, and compares the text. */
static void check_text(struct reduction *r, const char *expected) {
    cr_assert_eq(reduction_run(r), 0, "%s", r->err.text);
    cr_assert_str_eq(r->text, expected);
    cr_assert_eq(r->counts.bytes_out, (uint64_t)r->text_len);
    cr_assert_eq(r->counts.groups, r->counts.groups_with_output + r->counts.groups_without_output);
    cr_assert_eq(r->counts.pairs_reduced, mr_run_store_records(r->store));
    reduction_teardown(r);
}

static void check_failure(struct reduction *r, const char *words) {
    cr_assert_eq(reduction_run(r), MR_ERR_JOB);
    cr_assert_not_null(strstr(r->err.text, words), "%s", r->err.text);
    reduction_teardown(r);
}

/* ---- without a reduce: a line for each value ------------------------------------------------- */

Test(reducer, writes_values_in_order) {
    struct reduction r;
    reduction_setup(&r, MR_VALUES);
    reduction_add_text(&r, "b", "3", 30);
    reduction_add_text(&r, "b", "", 10);
    reduction_add_text(&r, "a", "x", 40);
    reduction_add_text(&r, "b", "2", 20);
    check_text(&r, "a\tx\nb\t\nb\t2\nb\t3\n");
}

Test(reducer, writes_the_first) {
    struct reduction r;
    reduction_setup(&r, MR_FIRST);
    reduction_add_text(&r, "b", "later", 30);
    reduction_add_text(&r, "b", "first", 10);
    reduction_add_text(&r, "", "", 1);
    check_text(&r, "\t\nb\tfirst\n");
}

Test(reducer, writes_sums_of_u64) {
    struct reduction r;
    reduction_setup(&r, MR_SUM_U64);
    reduction_add_u64(&r, "most", UINT64_MAX - 1);
    reduction_add_u64(&r, "most", 1);
    reduction_add_u64(&r, "zero", 0);
    check_text(&r, "most\t18446744073709551615\nzero\t0\n");
}

Test(reducer, writes_sums_of_i64) {
    struct reduction r;
    reduction_setup(&r, MR_SUM_I64);
    reduction_add_i64(&r, "a", INT64_MAX);
    reduction_add_i64(&r, "a", INT64_MAX);
    reduction_add_i64(&r, "a", INT64_MIN);
    reduction_add_i64(&r, "a", INT64_MIN);
    reduction_add_i64(&r, "least", INT64_MIN);
    check_text(&r, "a\t-2\nleast\t-9223372036854775808\n");
}

Test(reducer, refuses_a_sum_of_i64_beyond_64_bits) {
    struct reduction r;
    reduction_setup(&r, MR_SUM_I64);
    reduction_add_i64(&r, "much", INT64_MAX);
    reduction_add_i64(&r, "much", 1);
    check_failure(&r, "\"much\"");
}

Test(reducer, writes_f64) {
    struct reduction r;
    reduction_setup(&r, MR_SUM_F64);
    for (int i = 0; i < 10; i++) {
        char value[MR_EXACT_SUM_BYTES_MAX];
        struct mr_exact_wide wide = {0};
        mr_exact_sum_wide_add(&wide, 0.1);
        size_t len = mr_exact_sum_wide_encode(&wide, value);
        reduction_add(&r, "tenths", (struct mr_bytes){value, len}, 0);
    }
    check_text(&r, "tenths\t1\n"); /* of exact summing; by plain additions 0.9999999999999999 */
    reduction_setup(&r, MR_MIN_F64);
    for (int i = 0; i < 2; i++) {
        uint64_t rank = htobe64(mr_fold_rank(i ? -0.0 : 2.5));
        reduction_add(&r, "k", (struct mr_bytes){(char *)&rank, sizeof rank}, 0);
    }
    check_text(&r, "k\t-0\n");
}

static int keep_longer(struct mr_ctx *ctx, void *state, struct mr_bytes key, struct mr_bytes into,
                       struct mr_bytes value) {
    (void)state, (void)key;
    return mr_set(ctx, into.len > value.len ? into : value);
}

/* An empty value is written as one, whatever this thread combined before. */
Test(reducer, writes_empty_combined_values) {
    struct reduction r;
    reduction_setup(&r, MR_COMBINED);
    r.round.combine = keep_longer;
    reduction_add_text(&r, "a", "", 0);
    reduction_add_text(&r, "a", "", 0);
    reduction_add_text(&r, "b", "longer", 0);
    reduction_add_text(&r, "b", "long", 0);
    reduction_add_text(&r, "c", "", 0);
    check_text(&r, "a\t\nb\tlonger\nc\t\n");
}

/* ---- with one -------------------------------------------------------------------------------- */

/* Writes the key of the group, and KEY=VALUE for each value. */
static int join_values(struct mr_ctx *ctx, void *state, struct mr_bytes key,
                       struct mr_values *values) {
    char line[200];
    size_t len = 0;
    struct mr_bytes value;
    int more;
    (void)state;
    while ((more = mr_next(ctx, values, &value)) > 0) {
        struct mr_bytes full = mr_values_key(ctx, values);
        len += (size_t)snprintf(line + len, sizeof line - len, "%.*s=%.*s ", (int)full.len,
                                full.data, (int)value.len, value.data);
    }
    cr_assert_eq(mr_next(ctx, values, &value), 0);
    return more ? more : mr_emit(ctx, key, (struct mr_bytes){line, len});
}

static int same_first_letter(struct mr_ctx *ctx, void *state, struct mr_bytes a, struct mr_bytes b,
                             bool *same) {
    (void)ctx, (void)state;
    *same = a.len && b.len && a.data[0] == b.data[0];
    return 0;
}

Test(reducer, hands_groups_to_reduce) {
    for (int joined = 0; joined < 2; joined++) {
        struct reduction r;
        reduction_setup(&r, MR_VALUES);
        r.round.reduce = join_values;
        r.round.group = joined ? same_first_letter : NULL;
        reduction_add_text(&r, "b2", "5", 5);
        reduction_add_text(&r, "a1", "2", 2);
        reduction_add_text(&r, "a1", "1", 1);
        reduction_add_text(&r, "a2", "0", 0);
        reduction_add_text(&r, "", "4", 4);
        check_text(&r, joined ? "\t=4 \na1\ta1=1 a1=2 a2=0 \nb2\tb2=5 \n"
                              : "\t=4 \na1\ta1=1 a1=2 \na2\ta2=0 \nb2\tb2=5 \n");
    }
}

/* Numbers come as text, one a key, folded. */
Test(reducer, hands_numbers_to_reduce) {
    struct reduction r;
    reduction_setup(&r, MR_SUM_U64);
    r.round.reduce = join_values;
    r.round.group = same_first_letter;
    reduction_add_u64(&r, "a1", 1);
    reduction_add_u64(&r, "a2", 20);
    reduction_add_u64(&r, "a1", 300);
    check_text(&r, "a1\ta1=301 a2=20 \n");
}

static unsigned reads; /* values that reduce looks at */

static int read_some(struct mr_ctx *ctx, void *state, struct mr_bytes key,
                     struct mr_values *values) {
    struct mr_bytes value = {"", 0};
    (void)state;
    for (unsigned i = 0; i < reads; i++) {
        cr_assert_eq(mr_next(ctx, values, &value), 1);
    }
    return key.data[0] == 'q' ? 0 : mr_emit(ctx, key, value);
}

Test(reducer, skips_what_reduce_leaves_unread) {
    static const char *const expected[] = {"a\t\nb\t\n", "a\t0\nb\t0\n", "a\t1\nb\t1\n"};
    for (reads = 0; reads < 3; reads++) {
        struct reduction r;
        reduction_setup(&r, MR_VALUES);
        r.round.reduce = read_some;
        for (uint32_t i = 0; i < 5; i++) {
            char digit[2] = {(char)('0' + i), 0};
            reduction_add_text(&r, "a", digit, i);
            reduction_add_text(&r, "b", digit, i);
            reduction_add_text(&r, "quiet", digit, i);
        }
        cr_assert_eq(reduction_run(&r), 0, "%s", r.err.text);
        cr_assert_str_eq(r.text, expected[reads]);
        cr_assert_eq(r.counts.groups, (uint64_t)3);
        cr_assert_eq(r.counts.groups_without_output, (uint64_t)1);
        cr_assert_eq(r.counts.pairs_reduced, (uint64_t)15);
        cr_assert_eq(r.counts.records_out, (uint64_t)2);
        reduction_teardown(&r);
    }
}

static int halve_u64(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint64_t value) {
    (void)state;
    return mr_emit_u64(ctx, key, value / 2);
}
static int negate_i64(struct mr_ctx *ctx, void *state, struct mr_bytes key, int64_t value) {
    (void)state;
    return mr_emit_i64(ctx, key, -value);
}

Test(reducer, reduces_numbers) {
    for (enum mr_value kind = MR_SUM_U64; kind <= MR_MAX_U64; kind++) {
        static const char *const expected[] = {[MR_SUM_U64] = "a\t55\nb\t3\n",
                                               [MR_MIN_U64] = "a\t5\nb\t3\n",
                                               [MR_MAX_U64] = "a\t50\nb\t3\n"};
        struct reduction r;
        reduction_setup(&r, kind);
        r.round.reduce_u64 = halve_u64;
        reduction_add_u64(&r, "a", 10);
        reduction_add_u64(&r, "a", 100);
        reduction_add_u64(&r, "b", 7);
        check_text(&r, expected[kind]);
    }
    struct reduction r;
    reduction_setup(&r, MR_SUM_I64);
    r.round.reduce_i64 = negate_i64;
    r.round.group = same_first_letter;
    reduction_add_i64(&r, "a1", 10);
    reduction_add_i64(&r, "a2", -100);
    check_text(&r, "a1\t90\n");
}

Test(reducer, names_a_joined_sum_that_overflows) {
    struct reduction r;
    reduction_setup(&r, MR_SUM_U64);
    r.round.group = same_first_letter;
    reduction_add_u64(&r, "k1", UINT64_MAX);
    reduction_add_u64(&r, "k2", 1);
    check_failure(&r, "\"k1\"");
}

/* ---- around the groups ------------------------------------------------------------------------
 */

static int count_up(struct mr_ctx *ctx, void **state) {
    (void)ctx;
    *state = calloc(1, sizeof(uint64_t));
    return *state ? 0 : MR_ERR_NOMEM;
}
static int count_u64(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint64_t value) {
    (void)ctx, (void)key;
    *(uint64_t *)state += value;
    return 0;
}
static int write_count(struct mr_ctx *ctx, void *state) {
    return mr_emit_u64(ctx, mr_bytes_text("total"), *(uint64_t *)state);
}

Test(reducer, ends_with_reduce_end) {
    struct reduction r;
    reduction_setup(&r, MR_SUM_U64);
    r.job.setup = count_up;
    r.job.teardown = free;
    r.round.reduce_u64 = count_u64;
    r.round.reduce_end = write_count;
    reduction_add_u64(&r, "a", 10);
    reduction_add_u64(&r, "b", 5);
    check_text(&r, "total\t15\n");
}

static int fail_at_b(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint64_t value) {
    (void)state, (void)value;
    return key.data[0] == 'b' ? mr_fail(ctx, "no %s", "b, please") : 0;
}
static int fail_silently(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint64_t value) {
    (void)ctx, (void)state, (void)key, (void)value;
    return -77;
}
/* Goes on after a failed call, and returns 0. */
static int fail_and_go_on(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint64_t value) {
    (void)state, (void)value;
    (void)!mr_fail(ctx, "a lapse");
    (void)!mr_emit(ctx, key, key);
    return 0;
}

Test(reducer, reports_failures) {
    static int (*const reducers[])(struct mr_ctx *, void *, struct mr_bytes,
                                   uint64_t) = {fail_at_b, fail_silently, fail_and_go_on};
    static const char *const words[] = {"test: no b, please (reducing partition 0)", "-77",
                                        "a lapse"};
    for (size_t i = 0; i < 3; i++) {
        struct reduction r;
        reduction_setup(&r, MR_SUM_U64);
        r.round.reduce_u64 = reducers[i];
        reduction_add_u64(&r, "a", 10);
        reduction_add_u64(&r, "b", 5);
        check_failure(&r, words[i]);
    }
}

static int emit_pairs(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint64_t value) {
    (void)state;
    for (uint64_t i = value; i > 0; i--) {
        if (mr_emit_u64(ctx, key, i)) {
            return MR_ERR_JOB;
        }
    }
    return 0;
}

/* For a next round, pairs stay in order of arrival; beyond the limit they go to disk. */
Test(reducer, hands_pairs_to_the_next_round) {
    for (int on_disk = 0; on_disk < 2; on_disk++) {
        struct reduction r;
        struct mr_error err = {0};
        struct mr_run_writer writer;
        struct mr_run *run = NULL;
        struct mr_reducer *reducer = NULL;
        reduction_setup(&r, MR_SUM_U64);
        r.round.reduce_u64 = emit_pairs;
        reduction_add_u64(&r, "a", 50000);
        reduction_add_u64(&r, "b", 2);
        cr_assert_eq(mr_run_writer_open(&writer, r.pool, NULL, &err), 0);
        struct mr_reduce_task_source source = {.round = &r.round,
                                               .store = r.store,
                                               .pairs = &writer,
                                               .pool = r.pool,
                                               .tmp = "/tmp",
                                               .pairs_limit = on_disk ? 300000 : SIZE_MAX};
        struct mr_context_source contexts = {
            .job = &r.job, .rounds = r.job.rounds, .partitions = 1};
        cr_assert_eq(mr_reduce_task_open(&source, &r.task, &err), 0);
        cr_assert_eq(mr_reducer_create(&contexts, &reducer, &err), 0);
        cr_assert_eq(mr_reduce_task_work(r.task, reducer, NULL, &r.counts), 0);
        cr_assert_eq(mr_run_writer_finish(&writer, &run, &err), 0);
        cr_assert_eq(run->fd >= 0, on_disk);
        cr_assert_eq(run->records, (uint64_t)50002);
        cr_assert_eq(mr_reduce_task_records(r.task), (uint64_t)50002);
        struct mr_key_range all = {0};
        struct mr_cursor cursor;
        cr_assert_eq(mr_cursor_open(&cursor, run, 0, &all, &err), 0);
        for (uint32_t i = 50000; i > 0; i--) {
            char text[16];
            size_t len = (size_t)snprintf(text, sizeof text, "%u", i);
            cr_assert_eq(mr_cursor_step(&cursor, &err), 0);
            cr_assert(pairs_equal(cursor.value, (struct mr_bytes){text, len}));
        }
        mr_cursor_close(&cursor);
        mr_run_destroy(run);
        mr_reducer_destroy(reducer);
        mr_reduce_task_close(r.task);
        reduction_teardown(&r);
    }
}

/* ---- pairs ----------------------------------------------------------------------------------- */

static int emit_all_kinds(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint64_t value) {
    (void)state;
    (void)key;
    return mr_emit_u64(ctx, mr_bytes_text("1"), value) ||
           mr_emit_i64(ctx, mr_bytes_text("2"), -(int64_t)value) ||
           mr_emit_f64(ctx, mr_bytes_text("3"), (double)value / 3) ||
           mr_emit(ctx, mr_bytes_text("4"), mr_bytes_text("text"));
}

/* The next pair's value, as text where it is a number's bytes. */
static const char *next_value_of(struct mr_cursor *cursor, char text[64]) {
    struct mr_error err = {0};
    uint64_t bits;
    double f64;
    cr_assert_eq(mr_cursor_step(cursor, &err), 0);
    memcpy(&bits, cursor->value.data, cursor->value.len < 8 ? 0 : sizeof bits);
    memcpy(&f64, &bits, sizeof f64);
    if (cursor->value.len != sizeof bits) {
        snprintf(text, 64, "%.*s", (int)cursor->value.len, cursor->value.data);
    } else if (cursor->key.data[0] == '3') {
        snprintf(text, 64, "%a", f64);
    } else {
        snprintf(text, 64, "%lld", (long long)bits);
    }
    return text;
}

/* What goes on as a pair holds a number as it is where the pass is a loop's, else as its digits. */
Test(reducer, hands_on_numbers) {
    for (int raw = 0; raw < 3; raw++) { /* 2: without a reduce */
        struct mr_context_source contexts;
        struct mr_reducer *reducer = NULL;
        struct mr_run_writer pairs;
        struct mr_run *run = NULL;
        struct mr_cursor cursor = {0};
        struct mr_key_range all = {0};
        struct mr_error err = {0};
        struct reduction r;
        char text[64];
        reduction_setup(&r, MR_SUM_U64);
        r.round.reduce_u64 = raw < 2 ? emit_all_kinds : NULL;
        reduction_add_u64(&r, "k", 1000);
        contexts =
            (struct mr_context_source){.job = &r.job, .rounds = r.job.rounds, .partitions = 1};
        cr_assert_eq(mr_run_writer_open(&pairs, r.pool, NULL, &err), 0);
        struct mr_reduce_task_source source = {.round = &r.round,
                                               .store = r.store,
                                               .range_bytes = SIZE_MAX,
                                               .pairs = &pairs,
                                               .raw_numbers = raw > 0,
                                               .pool = r.pool,
                                               .pairs_limit = SIZE_MAX,
                                               .tmp = "/tmp"};
        cr_assert_eq(mr_reduce_task_open(&source, &r.task, &err), 0);
        cr_assert_eq(mr_reducer_create(&contexts, &reducer, &err), 0);
        cr_assert_eq(mr_reduce_task_work(r.task, reducer, NULL, &r.counts), 0);
        mr_reducer_destroy(reducer);
        mr_reduce_task_close(r.task);
        cr_assert_eq(mr_run_writer_finish(&pairs, &run, &err), 0);
        cr_assert_eq(mr_cursor_open(&cursor, run, 0, &all, &err), 0);
        if (raw == 2) {
            cr_assert_str_eq(next_value_of(&cursor, text), "1000");
            cr_assert_eq(cursor.value.len, (size_t)8);
        } else {
            cr_assert_str_eq(next_value_of(&cursor, text), "1000");
            cr_assert_eq(cursor.value.len, raw ? (size_t)8 : (size_t)4);
            cr_assert_str_eq(next_value_of(&cursor, text), "-1000");
            cr_assert_str_eq(next_value_of(&cursor, text),
                             raw ? "0x1.4d55555555555p+8" : "333.3333333333333");
            cr_assert_str_eq(next_value_of(&cursor, text), "text");
        }
        mr_cursor_close(&cursor);
        mr_run_destroy(run);
        reduction_teardown(&r);
    }
}
