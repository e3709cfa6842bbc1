/* test_message: values come back; nothing malformed reaches the decoder. */
#include "lib/net/message.h"

#include "tests/unit/test.h"
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>

static struct mr_bytes make(struct mr_message *message) {
    struct mr_bytes body = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_message_body(message, &body, &err), 0, "%s", err.text);
    return body;
}

Test(message, values_come_back) {
    struct mr_message *message = mr_message_create();
    struct mr_message_reader *reader = NULL;
    struct mr_error err = {0};
    mr_message_put_u64(message, 0);
    mr_message_put_u64(message, UINT64_MAX);
    mr_message_put_text(message, "text");
    mr_message_put_text(message, NULL);
    mr_message_put_text(message, "");
    mr_message_put_bytes(message, (struct mr_bytes){"a\0b", 3});
    mr_message_put_bytes(message, (struct mr_bytes){0});
    cr_assert_eq(mr_message_open(make(message), &reader, &err), 0, "%s", err.text);
    cr_assert_eq(mr_message_left(reader), (size_t)7);
    cr_assert_eq(mr_message_u64(reader), (uint64_t)0);
    cr_assert_eq(mr_message_u64(reader), UINT64_MAX);
    cr_assert_str_eq(mr_message_text(reader), "text");
    cr_assert_null(mr_message_text(reader));
    cr_assert_str_eq(mr_message_text(reader), "");
    struct mr_bytes bytes = mr_message_bytes(reader);
    cr_assert(bytes.len == 3 && memcmp(bytes.data, "a\0b", 3) == 0);
    cr_assert_eq(mr_message_bytes(reader).len, (size_t)0);
    cr_assert_eq(mr_message_end(reader, &err), 0, "%s", err.text);
    mr_message_close(reader);
    mr_message_destroy(message);
}

/* What is missing, left over or of another kind is noticed, at the end at the latest. */
Test(message, wrong_values_are_noticed) {
    for (int way = 0; way < 5; way++) {
        struct mr_message *message = mr_message_create();
        struct mr_message_reader *reader = NULL;
        struct mr_error err = {0};
        mr_message_put_u64(message, 5);
        mr_message_put_bytes(message, (struct mr_bytes){"text", 4});
        cr_assert_eq(mr_message_open(make(message), &reader, &err), 0);
        cr_assert_eq(mr_message_u64(reader), (uint64_t)5);
        if (way == 0) {
            cr_assert_eq(mr_message_u64(reader), (uint64_t)0);
        } else if (way == 1) {
            cr_assert_null(mr_message_text(reader));
        } else if (way == 2) {
            (void)mr_message_bytes(reader);
            cr_assert_eq(mr_message_bytes(reader).len, (size_t)0);
        } else if (way == 3) {
            (void)mr_message_bytes(reader);
        }
        cr_assert_eq(mr_message_end(reader, &err), way == 3 ? 0 : MR_ERR_IO, "way %d", way);
        mr_message_close(reader);
        mr_message_destroy(message);
    }
}

Test(message, a_body_that_is_too_long_is_not_sent) {
    static char long_text[MR_MESSAGE_BYTES_MAX];
    struct mr_message *message = mr_message_create();
    struct mr_bytes body;
    struct mr_error err = {0};
    mr_message_put_bytes(message, (struct mr_bytes){long_text, sizeof long_text - 20});
    mr_message_put_bytes(message, (struct mr_bytes){long_text, 100});
    cr_assert_eq(mr_message_body(message, &body, &err), MR_ERR_JOB);
    mr_message_destroy(message);
}

struct row {
    const char *bytes;
    size_t len;
    bool is_sound;
};
#define ROW(text, sound)                                                                           \
    { text, sizeof text - 1, sound }

Test(message, scan) {
    static const struct row rows[] = {
        ROW("", false),
        ROW("\x90", true),
        ROW("\x91\x01", true),
        ROW("\x91", false),
        ROW("\x90\x90", false),
        ROW("\xc1", false),
        ROW("\x91\xc1", false),
        ROW("\xdd\xff\xff\xff\xff", false), /* five bytes that ask for 96 GB */
        ROW("\xdf\xff\xff\xff\xff", false),
        ROW("\xdc\x00\x02\x01\x02", true),
        ROW("\xc6\xff\xff\xff\xff", false),
        ROW("\xdb\x00\x00\x00\x02"
            "ab",
            true),
        ROW("\xc7\x02\x05"
            "ab",
            true),
        ROW("\xd8\x05"
            "0123456789abcdef",
            true),
        ROW("\xd8\x05"
            "0123456789abcde",
            false),
        ROW("\x81\x01\x02", true),
        ROW("\x81\x01", false),
        ROW("\xcf\x00\x00\x00\x00\x00\x00\x00", false),
        ROW("\xcb\x00\x00\x00\x00\x00\x00\x00\x00", true),
        ROW("\x91\x91\x91\x91\x91\x91\x91\x91\x01", true), /* as deep as may be */
        ROW("\x91\x91\x91\x91\x91\x91\x91\x91\x91\x01", false),
        ROW("\x92\x91\x91\x01\x91\x91\x01", true), /* depth goes back */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mr_error err = {0};
        int status = mr_message_scan((struct mr_bytes){rows[i].bytes, rows[i].len}, &err);
        cr_assert_eq(status, rows[i].is_sound ? 0 : MR_ERR_IO, "row %zu: %s", i, err.text);
    }
}

/* A hostile body costs no memory to speak of. */
Test(message, hostile_bodies_cost_nothing) {
    struct mr_error err = {0};
    struct mr_message_reader *reader = NULL;
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    cr_assert_eq(mr_message_open(mr_bytes_text("\xdd\xff\xff\xff\xff"), &reader, &err), MR_ERR_IO);
    cr_assert_null(reader);
    cr_assert_lt(mallinfo2().uordblks + mallinfo2().hblkhd, before + 65536);
}
