/* test_wire: every message of the table comes back as it was sent; nothing else gets through. */
#include "lib/net/wire.h"

#include "lib/net/message.h"
#include "tests/unit/net/example.h"
#include "tests/unit/test.h"
#include <stdlib.h>

/* A message of the kind, in *message, and its body, which the caller destroys with *encoded. */
static struct mr_bytes encode_example(const struct mr_wire_about *about, uint64_t salt,
                                      union mr_wire_any *message, struct mr_message **encoded) {
    struct mr_bytes body = {0};
    struct mr_error err = {0};
    example_make(about->layout, (char *)message, salt);
    cr_assert_eq(mr_wire_encode(about->kind, message, encoded, &body, &err), 0, "%s: %s",
                 about->name, err.text);
    return body;
}

static unsigned count_kinds(void) {
    unsigned count = 0;
    for (unsigned kind = 0; kind <= UINT16_MAX; kind++) {
        count += mr_wire_about(kind) != NULL;
    }
    return count;
}

/* The next kind from *kind on; NULL: there is none. */
static const struct mr_wire_about *next_kind(unsigned *kind) {
    while (*kind <= UINT16_MAX) {
        const struct mr_wire_about *about = mr_wire_about((*kind)++);
        if (about) {
            return about;
        }
    }
    return NULL;
}

Test(wire, every_message_comes_back) {
    unsigned kind = 0;
    const struct mr_wire_about *about;
    cr_assert(count_kinds() > 40);
    while ((about = next_kind(&kind))) {
        for (uint64_t salt = 0; salt < 50; salt++) {
            union mr_wire_any sent;
            union mr_wire_any got;
            struct mr_message *encoded = NULL;
            struct mr_layout_held held;
            struct mr_error err = {0};
            struct mr_bytes body = encode_example(about, salt * 1000, &sent, &encoded);
            cr_assert_eq(mr_wire_decode(about->kind, body, &got, &held, &err), 0, "%s: %s",
                         about->name, err.text);
            cr_assert(example_equal(about->layout, (const char *)&sent, (const char *)&got), "%s",
                      about->name);
            mr_layout_release(&held);
            mr_message_destroy(encoded);
        }
    }
}

Test(wire, cut_messages_are_refused_in_words) {
    unsigned kind = 0;
    const struct mr_wire_about *about;
    while ((about = next_kind(&kind))) {
        union mr_wire_any sent;
        struct mr_message *encoded = NULL;
        struct mr_bytes body = encode_example(about, 7, &sent, &encoded);
        for (size_t len = 0; len < body.len; len++) {
            union mr_wire_any got;
            struct mr_layout_held held;
            struct mr_error err = {0};
            struct mr_bytes cut = {body.data, len};
            cr_assert_eq(mr_wire_decode(about->kind, cut, &got, &held, &err), MR_ERR_IO);
            cr_assert(err.text[0]);
            mr_layout_release(&held);
        }
        mr_message_destroy(encoded);
    }
}

/* What decodes in spite of a changed byte is within every bound: it encodes again. */
Test(wire, changed_bytes_never_get_a_field_beyond_its_bound) {
    unsigned kind = 0;
    unsigned refused = 0;
    const struct mr_wire_about *about;
    while ((about = next_kind(&kind))) {
        union mr_wire_any sent;
        struct mr_message *encoded = NULL;
        struct mr_bytes body = encode_example(about, 3, &sent, &encoded);
        char *copy = malloc(body.len);
        cr_assert(copy);
        for (size_t at = 0; at < body.len * 8; at++) {
            union mr_wire_any got;
            struct mr_layout_held held;
            struct mr_error err = {0};
            memcpy(copy, body.data, body.len);
            copy[at / 8] = (char)(copy[at / 8] ^ (1 << at % 8));
            struct mr_bytes changed = {copy, body.len};
            if (mr_wire_decode(about->kind, changed, &got, &held, &err) == 0) {
                struct mr_message *again = NULL;
                struct mr_bytes ignored;
                cr_assert_eq(mr_wire_encode(about->kind, &got, &again, &ignored, &err), 0, "%s",
                             err.text);
                mr_message_destroy(again);
            } else {
                refused++;
            }
            mr_layout_release(&held);
        }
        free(copy);
        mr_message_destroy(encoded);
    }
    cr_assert(refused > 100);
}

Test(wire, bounds_are_kept_by_who_sends) {
    struct mr_message *encoded = NULL;
    struct mr_bytes body;
    struct mr_error err = {0};
    struct mr_wire_stop stop = {.phase = 3};
    cr_assert_eq(mr_wire_encode(MR_WIRE_STOP, &stop, &encoded, &body, &err), MR_ERR_INTERNAL);
    cr_assert_str_eq(err.text, "STOP.phase is beyond its bound: 3");
    mr_message_destroy(encoded);
}

Test(wire, bounds_are_kept_by_who_reads) {
    static const struct {
        const char *why;
        uint64_t job;
        uint64_t count; /* of rows, announced */
        unsigned values;
    } cases[] = {
        {"a number beyond its bound", (uint64_t)UINT32_MAX + 1, 0, 5},
        {"more rows than may be", 1, MR_WIRE_ROWS_MAX + 1, 5},
        {"more rows than there are", 1, 2, 5},
        {"a value too many", 1, 0, 6},
        {"a value too few", 1, 0, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mr_message *message = mr_message_create();
        union mr_wire_any got;
        struct mr_layout_held held;
        struct mr_bytes body = {0};
        struct mr_error err = {0};
        uint64_t values[] = {cases[i].job, 0, 1, 4, cases[i].count, 0};
        for (unsigned at = 0; at < cases[i].values; at++) {
            mr_message_put_u64(message, values[at]);
        }
        cr_assert_eq(mr_message_body(message, &body, &err), 0);
        cr_assert_eq(mr_wire_decode(MR_WIRE_SOURCES, body, &got, &held, &err), MR_ERR_IO, "%s",
                     cases[i].why);
        cr_assert(err.text[0]);
        mr_layout_release(&held);
        mr_message_destroy(message);
    }
}

Test(wire, unknown_kinds_are_refused) {
    union mr_wire_any got;
    struct mr_layout_held held;
    struct mr_error err = {0};
    static const unsigned unknown[] = {
        0, 15, 47, MR_WIRE_BLOB & ~MR_FRAME_BULK, MR_WIRE_STOP | MR_FRAME_BULK, UINT16_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        cr_assert_null(mr_wire_about(unknown[i]));
        cr_assert(mr_wire_limit((uint16_t)unknown[i]) < 0);
        cr_assert_eq(mr_wire_decode(unknown[i], (struct mr_bytes){"\x90", 1}, &got, &held, &err),
                     MR_ERR_IO);
        err = (struct mr_error){0};
    }
    cr_assert_eq(mr_wire_limit(MR_WIRE_STOP), (int64_t)MR_FRAME_CONTROL_MAX);
    cr_assert_eq(mr_wire_limit(MR_WIRE_PIECE), (int64_t)MR_FRAME_BULK_MAX);
}

/* The bytes of a message, so that nobody changes them unawares. */
Test(wire, golden_bytes) {
    static const char golden[] = "\xdd\0\0\0\x06\x01\x02\0\x03\x04\x01";
    struct mr_wire_answer answer = {
        .job = 1, .round = 2, .phase = 0, .task = 3, .attempt = 4, .is_accepted = 1};
    struct mr_message *encoded = NULL;
    struct mr_bytes body = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_wire_encode(MR_WIRE_ANSWER, &answer, &encoded, &body, &err), 0);
    cr_assert(body.len == sizeof golden - 1 && memcmp(body.data, golden, body.len) == 0);
    mr_message_destroy(encoded);
}
