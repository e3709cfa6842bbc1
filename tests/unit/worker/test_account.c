/* test_account: an account goes out and comes back, adds up, and hostile bytes are refused. */
#include "lib/worker/account.h"

#include "master/local/common/books.h"

#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

static struct mr_account make(uint64_t by, const char *counter) {
    struct mr_account account = {.attempt = 3};
    struct mr_error err = {0};
    uint64_t n = 1;
#define FILL(name) account.name = by * n++;
    MR_ACCOUNT_TABLE(FILL)
#undef FILL
    struct mr_run_counter items[] = {{"both", by}, {counter, 7}};
    struct mr_counters counters = {items, 2};
    cr_assert_eq(mr_account_count(&account, &counters, &err), 0);
    return account;
}

static struct mr_buffer encode(const struct mr_account *account) {
    struct mr_buffer bytes = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_account_put(account, &bytes, &err), 0);
    return bytes;
}

Test(account, comes_back) {
    struct mr_account account = make(1000000007, "mine");
    struct mr_buffer bytes = encode(&account);
    struct mr_account back;
    struct mr_error err = {0};
    cr_assert_eq(mr_account_get(&back, bytes.data, bytes.len, &err), 0, "%s", err.text);
    cr_assert_eq(back.attempt, 3u);
#define COMPARE(name) cr_assert_eq(back.name, account.name);
    MR_ACCOUNT_TABLE(COMPARE)
#undef COMPARE
    cr_assert_eq(back.counters.count, 2u);
    cr_assert_str_eq(back.counters.items[1].name, "mine");
    cr_assert_eq(back.counters.items[1].value, 7u);
    mr_account_fini(&back);
    mr_account_fini(&account);
    mr_buffer_fini(&bytes);
}

Test(account, cut_is_refused) {
    struct mr_account account = make(5, "mine");
    struct mr_buffer bytes = encode(&account);
    for (size_t len = 0; len < bytes.len; len++) {
        struct mr_account back;
        struct mr_error err = {0};
        char *copy = malloc(len + 1); /* of just this size: reading past it shows */
        memcpy(copy, bytes.data, len);
        cr_assert_eq(mr_account_get(&back, copy, len, &err), MR_ERR_INPUT, "cut at %zu", len);
        cr_assert_null(back.counters.items);
        free(copy);
    }
    struct mr_account back;
    struct mr_error err = {0};
    bytes.data[0] = 3;
    cr_assert_eq(mr_account_get(&back, bytes.data, bytes.len, &err), MR_ERR_INPUT, "version 3");
    mr_account_fini(&account);
    mr_buffer_fini(&bytes);
}

Test(account, adds_up_to_books_that_balance) {
    struct mr_account sum = {0};
    struct mr_account map = {.records_read = 10,
                             .records_mapped = 10,
                             .emitted = 20,
                             .combined = 5,
                             .output_records = 15};
    struct mr_account reduce = {.merged = 4,
                                .pairs_reduced = 11,
                                .groups = 6,
                                .groups_with_output = 5,
                                .groups_without_output = 1};
    struct mr_books books;
    struct mr_error err = {0};
    cr_assert_eq(mr_account_add(&sum, &map, &err), 0);
    cr_assert_eq(mr_account_add(&sum, &reduce, &err), 0);
    mr_books_of_account(&sum, &books);
    cr_assert_eq(mr_books_check(&books, "job", &err), 0, "%s", err.text);
    sum.pairs_reduced--; /* one is lost */
    mr_books_of_account(&sum, &books);
    cr_assert_eq(mr_books_check(&books, "job", &err), MR_ERR_INTERNAL);
    struct mr_account one = make(1, "mine");
    struct mr_account two = make(2, "yours");
    err = (struct mr_error){0};
    cr_assert_eq(mr_account_add(&one, &two, &err), 0);
    cr_assert_eq(one.counters.count, 3u);
    cr_assert_eq(one.counters.items[0].value, 3u);
    mr_account_fini(&one);
    mr_account_fini(&two);
    mr_account_fini(&sum);
}
