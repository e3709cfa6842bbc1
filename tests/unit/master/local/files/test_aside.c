/* test_aside: records that were set aside stand in the order of the input, as they were. */
#include "master/local/files/aside.h"

#include "tests/unit/test.h"
#include <stdlib.h>

static void note(struct mr_ledger *ledger, uint32_t task, const struct mr_orders_skipped *rows,
                 size_t count) {
    struct mr_error err = {0};
    cr_assert_eq(mr_aside_note(ledger, task, rows, count, &err), 0, "%s", err.text);
}

Test(aside, text) {
    static const char want[] = "first\t5\tb\nfirst\t10\tc\r\nsecond\t0\ta\0d\nsecond\t7\t\n";
    struct mr_input inputs[] = {{.path = (char *)(uintptr_t) "first"},
                                {.path = (char *)(uintptr_t) "second"}};
    struct mr_split splits[] = {{.input = 0}, {.input = 1}};
    struct mr_plan plan = {.inputs = {.items = inputs, .count = 2},
                           .splits = {.items = splits, .count = 2}};
    struct mr_ledger ledger;
    struct mr_buffer text = {0};
    struct mr_error err = {0};
    const struct mr_orders_skipped first[] = {{5, 1, {"b", 1}}, {10, 3, {"c\r\n", 3}}};
    const struct mr_orders_skipped second[] = {{0, 4, {"a\0d\n", 4}}, {7, 1, {"\n", 1}}};
    const struct mr_orders_skipped wrong[] = {{1, 1, {"x", 1}}, {2, 1, {"y", 1}}, {3, 1, {"z", 1}}};
    cr_assert_eq(mr_ledger_begin(&ledger, "0123456789abcdef0123456789abcdef", "dir", &err), 0);
    cr_assert_eq(mr_aside_text(&ledger, &plan, &text, &err), 0);
    cr_assert_eq(text.len, (size_t)0);
    note(&ledger, 1, wrong, 3); /* an earlier winner's */
    note(&ledger, 1, second, 2);
    note(&ledger, 0, first, 2);
    cr_assert_eq(mr_aside_text(&ledger, &plan, &text, &err), 0, "%s", err.text);
    cr_assert(text.len == sizeof want - 1 && memcmp(text.data, want, text.len) == 0);
    mr_buffer_fini(&text);
    mr_ledger_close(&ledger);
}
