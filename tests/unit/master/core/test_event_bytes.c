/* test_event_bytes: every field goes out and comes back; bytes that no event gives are refused. */
#include "master/core/event_bytes.h"

#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t hosts[2 * MR_CORE_HOSTS_OF_TASK] = {0, 7, MR_CORE_NONE, 300, 1, 2};
static const struct mr_core_attempt held[2] = {
    {1, 2, MR_PHASE_MAP, 3, 4},
    {MR_CORE_NONE, 1u << 31, MR_PHASE_REDUCE, 127, 128},
};

/* Every field differs from zero and from its neighbours. */
static struct mr_core_event full_event(void) {
    return (struct mr_core_event){.kind = MR_CORE_OUTPUT_LOST,
                                  .job = 1,
                                  .round = 2,
                                  .attempt = {3, 4, MR_PHASE_REDUCE, 5, 6},
                                  .worker = {7, UINT64_MAX},
                                  .shape = {2, 9, hosts},
                                  .max_attempts = 10,
                                  .weight = 11,
                                  .host = MR_CORE_NONE,
                                  .slots = 13,
                                  .roles = MR_CORE_DOES_BOTH,
                                  .held = held,
                                  .held_count = 2,
                                  .lost_task = 14,
                                  .lost_attempt = 15,
                                  .permille = 1000,
                                  .digest = 0x0123456789abcdefu,
                                  .status = MR_ERR_IO,
                                  .has_next = true,
                                  .is_early = true,
                                  .is_strict = true,
                                  .is_fatal = true,
                                  .is_uncounted = true};
}

static struct mr_buffer encode(const struct mr_core_event *event) {
    struct mr_buffer buffer = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_event_bytes_put(&buffer, event, &err), 0, "%s", err.text);
    return buffer;
}

static void expect_hex(const struct mr_core_event *event, const char *want) {
    struct mr_buffer buffer = encode(event);
    char hex[512] = "";
    for (size_t i = 0; i < buffer.len; i++) {
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)buffer.data[i]);
    }
    cr_assert_str_eq(hex, want);
    mr_buffer_fini(&buffer);
}

Test(event_bytes, golden) {
    struct mr_core_event event = full_event();
    expect_hex(&event, "010a01020304010506"
                       "07ffffffffffffffffff01"
                       "0209010007ffffffff0fac020102"
                       "0a0b"
                       "ffffffff0f0d03"
                       "020102000304"
                       "ffffffff0f8080808008017f8001"
                       "0e0fe807"
                       "ef9bafcdf8acd19101"
                       "07"
                       "0101010101");
    event = (struct mr_core_event){.kind = MR_CORE_TICK};
    expect_hex(&event, "010f"
                       "0000"
                       "0000000000"
                       "0000"
                       "000000"
                       "0000"
                       "000000"
                       "00"
                       "000000"
                       "0000"
                       "0000000000");
}

static void expect_equal(const struct mr_core_event *a, const struct mr_core_event *b) {
    struct mr_core_event left = *a;
    struct mr_core_event right = *b;
    size_t hosts_bytes = (size_t)a->shape.map_tasks * MR_CORE_HOSTS_OF_TASK * sizeof(uint32_t);
    cr_assert_eq(!a->shape.hosts, !b->shape.hosts);
    cr_assert_eq(a->held_count, b->held_count);
    if (a->shape.hosts) {
        cr_assert_eq(memcmp(a->shape.hosts, b->shape.hosts, hosts_bytes), 0);
    }
    for (uint32_t i = 0; i < a->held_count; i++) {
        cr_assert_eq(memcmp(&a->held[i], &b->held[i], sizeof *a->held), 0);
    }
    left.shape.hosts = right.shape.hosts = NULL;
    left.held = right.held = NULL;
    struct mr_buffer first = {0}; /* the other fields: by their bytes, padding left out */
    struct mr_buffer second = {0};
    left.held_count = right.held_count = 0;
    first = encode(&left);
    second = encode(&right);
    cr_assert_eq(first.len, second.len);
    cr_assert_eq(memcmp(first.data, second.data, first.len), 0);
    mr_buffer_fini(&first);
    mr_buffer_fini(&second);
}

Test(event_bytes, comes_back) {
    struct mr_core_event event = full_event();
    for (int kind = 0; kind < MR_CORE_EVENT_KINDS; kind++) {
        event.kind = (enum mr_core_event_kind)kind;
        event.status = kind % 2 ? INT32_MIN : INT32_MAX;
        struct mr_buffer buffer = encode(&event);
        struct mr_core_event back;
        struct mr_error err = {0};
        cr_assert_eq(mr_event_bytes_get(buffer.data, buffer.len, &back, &err), 0, "%s", err.text);
        cr_assert_eq(back.status, event.status);
        cr_assert_eq(back.worker.incarnation, event.worker.incarnation);
        cr_assert_eq(back.digest, event.digest);
        expect_equal(&event, &back);
        mr_event_bytes_release(&back);
        mr_event_bytes_release(&back); /* harmless */
        mr_buffer_fini(&buffer);
    }
}

/* What is taken gives the same bytes again: nothing is guessed. */
static bool is_taken(const char *bytes, size_t len) {
    struct mr_core_event event;
    struct mr_error err = {0};
    char *copy = malloc(len + 1); /* of just this size: reading past it shows */
    memcpy(copy, bytes, len);
    int status = mr_event_bytes_get(copy, len, &event, &err);
    cr_assert_eq(status, err.code);
    if (!status) {
        struct mr_buffer again = encode(&event);
        cr_assert_eq(again.len, len);
        cr_assert_eq(memcmp(again.data, bytes, len), 0);
        mr_buffer_fini(&again);
        mr_event_bytes_release(&event);
    } else {
        cr_assert_eq(status, MR_ERR_INPUT, "%s", err.text);
        cr_assert_null(event.held);
        cr_assert_null(event.shape.hosts);
    }
    free(copy);
    return status == 0;
}

Test(event_bytes, cut_and_flipped) {
    struct mr_core_event event = full_event();
    struct mr_buffer buffer = encode(&event);
    unsigned refused = 0;
    for (size_t len = 0; len < buffer.len; len++) {
        cr_assert(!is_taken(buffer.data, len), "cut at %zu", len);
    }
    for (size_t at = 0; at < buffer.len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            buffer.data[at] ^= (char)(1 << bit);
            refused += !is_taken(buffer.data, buffer.len);
            buffer.data[at] ^= (char)(1 << bit);
        }
    }
    cr_assert_gt(refused, 100u);
    cr_assert_eq(mr_buffer_append(&buffer, "", 1, &(struct mr_error){0}), 0);
    cr_assert(!is_taken(buffer.data, buffer.len), "something follows");
    mr_buffer_fini(&buffer);
}

Test(event_bytes, a_long_list_that_is_not_there) {
    /* held: 4 billion attempts */
    const unsigned char bytes[] = {1, 4, 0, 0, 0, 0,    0,    0,    0,    0,    0, 0, 0, 0,
                                   0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0};
    cr_assert(!is_taken((const char *)bytes, sizeof bytes));
    /* hosts: of four million map tasks */
    const unsigned char shape[] = {1, 0,    0,    0,    0, 0, 0, 0, 0, 0,
                                   0, 0x80, 0x80, 0x80, 2, 1, 1, 0, 0};
    cr_assert(!is_taken((const char *)shape, sizeof shape));
    /* a number in more bytes than it needs */
    const unsigned char longer[] = {0x81, 0};
    cr_assert(!is_taken((const char *)longer, sizeof longer));
}

Test(event_bytes, a_list_that_is_missing) {
    struct mr_core_event event = {.kind = MR_CORE_NODE_UP, .held_count = 1};
    struct mr_buffer buffer = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_event_bytes_put(&buffer, &event, &err), MR_ERR_INTERNAL);
    cr_assert_eq(buffer.len, 0u);
    mr_buffer_fini(&buffer);
}
