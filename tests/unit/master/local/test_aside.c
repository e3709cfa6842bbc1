/* test_aside: records that were set aside stand in the order of the input, as they were. */
#include "master/local/aside.h"

#include "tests/unit/test.h"
#include <stdlib.h>

static void take(struct mr_aside *aside, uint32_t task, uint64_t offset, const char *record,
                 size_t len) {
    struct mr_error err = {0};
    char *copy = malloc(len + 1);
    cr_assert_not_null(copy);
    memcpy(copy, record, len);
    struct mr_orders_skipped skipped = {offset, len, {copy, len}};
    cr_assert_eq(mr_aside_take(aside, task, task ? "second" : "first", &skipped, &err), 0);
    cr_assert_null(skipped.record.data);
}

Test(aside, text) {
    static const char want[] = "first\t5\tb\nfirst\t10\tc\r\nsecond\t0\ta\0d\nsecond\t7\t\n";
    struct mr_aside aside = {0};
    struct mr_buffer text = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_aside_text(&aside, &text, &err), 0);
    cr_assert_eq(text.len, (size_t)0);
    take(&aside, 1, 7, "\n", 1);
    take(&aside, 1, 0, "a\0d\n", 4);
    take(&aside, 0, 10, "c\r\n", 3);
    take(&aside, 0, 5, "b", 1); /* the last of a file */
    cr_assert_eq(mr_aside_text(&aside, &text, &err), 0, "%s", err.text);
    cr_assert(text.len == sizeof want - 1 && memcmp(text.data, want, text.len) == 0);
    mr_buffer_fini(&text);
    mr_aside_fini(&aside);
}
