/* test_buffer: growing, appending, printing. */
#include "lib/base/buffer.h"

#include "tests/unit/test.h"

#include <stdint.h>
#include <string.h>

Test(buffer, appends) {
    struct mr_buffer buffer = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_buffer_append(&buffer, NULL, 0, &err), 0);
    cr_assert_eq(mr_buffer_append_text(&buffer, "ab", &err), 0);
    cr_assert_eq(mr_buffer_append(&buffer, "c\0d", 3, &err), 0);
    cr_assert_eq(buffer.len, 5u);
    cr_assert(memcmp(buffer.data, "abc\0d", 5) == 0);
    mr_buffer_fini(&buffer);
    cr_assert_null(buffer.data);
    cr_assert_eq(buffer.len, 0u);
}

Test(buffer, prints_behind_what_it_holds) {
    struct mr_buffer buffer = {0};
    struct mr_error err = {0};
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(mr_buffer_printf(&buffer, &err, "%03d,", i), 0);
    }
    cr_assert_eq(buffer.len, 4000u);
    cr_assert(memcmp(buffer.data, "000,001,", 8) == 0);
    cr_assert(memcmp(buffer.data + 3996, "999,", 4) == 0);
    mr_buffer_fini(&buffer);
}

Test(buffer, reserves_what_is_asked_for) {
    struct mr_buffer buffer = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_buffer_reserve(&buffer, 0, &err), 0);
    cr_assert_null(buffer.data);
    cr_assert_eq(mr_buffer_append_text(&buffer, "x", &err), 0);
    cr_assert_eq(mr_buffer_reserve(&buffer, 100000, &err), 0);
    cr_assert_geq(buffer.cap - buffer.len, 100000u);
    memset(buffer.data + buffer.len, 'y', 100000);
    cr_assert_eq(buffer.data[0], 'x');
    mr_buffer_fini(&buffer);
}

Test(buffer, refuses_what_cannot_be_and_stays_as_it_was) {
    struct mr_buffer buffer = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_buffer_append_text(&buffer, "kept", &err), 0);
    struct mr_buffer before = buffer;
    cr_assert_eq(mr_buffer_reserve(&buffer, SIZE_MAX, &err), MR_ERR_NOMEM);
    cr_assert_eq(mr_buffer_reserve(&buffer, SIZE_MAX - 2, &err), MR_ERR_NOMEM);
    cr_assert_str_eq(err.text, "out of memory growing a buffer");
    cr_assert(memcmp(&before, &buffer, sizeof buffer) == 0);
    mr_buffer_fini(&buffer);
}

Test(buffer, is_trimmed_where_it_grew_large) {
    struct mr_buffer buffer = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_buffer_reserve(&buffer, MR_BUFFER_KEPT_MAX, &err), 0);
    mr_buffer_trim(&buffer);
    cr_assert_not_null(buffer.data);
    cr_assert_eq(mr_buffer_reserve(&buffer, MR_BUFFER_KEPT_MAX + 1, &err), 0);
    mr_buffer_trim(&buffer);
    cr_assert_null(buffer.data);
    cr_assert_eq(buffer.cap, (size_t)0);
}
