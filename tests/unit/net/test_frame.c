/* test_frame: frames are found whole, or refused, and their bytes never change. */
#include "lib/net/frame.h"

#include "lib/base/hash.h"
#include "tests/unit/test.h"
#include <endian.h>
#include <stdlib.h>

static int64_t limit(uint16_t kind) {
    return kind == 1                      ? 100
           : kind == 2                    ? (int64_t)MR_FRAME_CONTROL_MAX
           : kind == 3                    ? 0
           : kind == (MR_FRAME_BULK | 4u) ? (int64_t)MR_FRAME_BULK_MAX
                                          : -1;
}

static const struct mr_frame_rules rules = {.version = 7, .limit = limit};

static void make(struct mr_buffer *out, uint16_t kind, const char *body) {
    struct mr_error err = {0};
    cr_assert_eq(mr_frame_append(out, &rules, kind, mr_bytes_text(body), &err), 0, "%s", err.text);
}

static void make_bulk(struct mr_buffer *out, const char *head, const char *piece) {
    struct mr_error err = {0};
    cr_assert_eq(mr_frame_append_bulk(out, &rules, MR_FRAME_BULK | 4, mr_bytes_text(head),
                                      mr_bytes_text(piece), &err),
                 0, "%s", err.text);
}

static bool holds(struct mr_bytes bytes, const char *text) {
    return bytes.len == strlen(text) && memcmp(bytes.data, text, bytes.len) == 0;
}

static bool find(const char *data, size_t len, struct mr_frame *frame, size_t *need,
                 enum mr_frame_fault *fault) {
    return mr_frame_find((struct mr_bytes){data, len}, &rules, frame, need, fault);
}

/* docs/wire.md has these bytes: they change with the protocol's number only. */
Test(frame, golden_bytes) {
    static const char control[] = "\x05\0\0\0\x01\0\x07\0\xd3\x99\x88\xc1\xbb\xff\x2f\x0a"
                                  "hello";
    static const char bulk[] = "\x0b\0\0\0\x04\x80\x07\0\x03\x6a\x42\x84\x0f\x54\xd2\xf6"
                               "\x02\0\0\0hdpiece";
    struct mr_buffer out = {0};
    make(&out, 1, "hello");
    cr_assert_eq(out.len, sizeof control - 1);
    for (size_t i = 0; i < out.len; i++) {
        cr_assert_eq(out.data[i], control[i], "byte %zu is %02x", i, (unsigned char)out.data[i]);
    }
    out.len = 0;
    make_bulk(&out, "hd", "piece");
    cr_assert_eq(out.len, sizeof bulk - 1);
    for (size_t i = 0; i < out.len; i++) {
        cr_assert_eq(out.data[i], bulk[i], "byte %zu is %02x", i, (unsigned char)out.data[i]);
    }
    mr_buffer_fini(&out);
}

Test(frame, many_in_a_row) {
    struct mr_buffer out = {0};
    struct mr_frame frame;
    size_t need;
    enum mr_frame_fault fault;
    make(&out, 1, "first");
    make_bulk(&out, "", "");
    make(&out, 3, "");
    make_bulk(&out, "head", "and a piece");
    const char *at = out.data;
    const char *end = out.data + out.len;
    cr_assert(find(at, (size_t)(end - at), &frame, &need, &fault));
    cr_assert(frame.kind == 1 && holds(frame.body, "first") && frame.piece.len == 0);
    at += frame.len;
    cr_assert(find(at, (size_t)(end - at), &frame, &need, &fault));
    cr_assert(frame.kind == (MR_FRAME_BULK | 4) && !frame.body.len && !frame.piece.len);
    at += frame.len;
    cr_assert(find(at, (size_t)(end - at), &frame, &need, &fault));
    cr_assert(frame.kind == 3 && frame.body.len == 0);
    at += frame.len;
    cr_assert(find(at, (size_t)(end - at), &frame, &need, &fault));
    cr_assert(holds(frame.body, "head") && holds(frame.piece, "and a piece"));
    cr_assert_eq(at + frame.len, end);
    mr_buffer_fini(&out);
}

/* Exact copies, so that a sanitizer sees a read behind the end. */
Test(frame, every_cut_waits_for_more) {
    struct mr_buffer out = {0};
    struct mr_frame frame;
    size_t need;
    enum mr_frame_fault fault;
    make_bulk(&out, "head", "and a piece");
    for (size_t cut = 0; cut < out.len; cut++) {
        char *copy = malloc(cut + 1);
        cr_assert_not_null(copy);
        memcpy(copy + 1, out.data, cut);
        cr_assert_not(find(copy + 1, cut, &frame, &need, &fault), "cut at %zu", cut);
        cr_assert_eq(fault, MR_FRAME_SOUND, "cut at %zu", cut);
        cr_assert_eq(need, cut < MR_FRAME_HEAD_BYTES ? MR_FRAME_HEAD_BYTES : out.len);
        free(copy);
    }
    mr_buffer_fini(&out);
}

Test(frame, every_flipped_bit_is_noticed) {
    struct mr_buffer out = {0};
    struct mr_frame frame;
    size_t need;
    enum mr_frame_fault fault;
    make(&out, 2, "a body of some bytes");
    make_bulk(&out, "head", "and a piece");
    for (size_t i = 0; i < out.len * 8; i++) {
        out.data[i / 8] = (char)(out.data[i / 8] ^ 1 << i % 8);
        bool first = find(out.data, out.len, &frame, &need, &fault);
        bool second =
            first && find(out.data + frame.len, out.len - frame.len, &frame, &need, &fault);
        cr_assert_not(second, "bit %zu", i);
        cr_assert(fault || need > out.len - (first ? frame.len : 0), "bit %zu", i);
        out.data[i / 8] = (char)(out.data[i / 8] ^ 1 << i % 8);
    }
    mr_buffer_fini(&out);
}

Test(frame, hostile_heads) {
    static const struct {
        const char *head;
        enum mr_frame_fault fault;
    } rows[] = {
        {"\xff\xff\xff\xff\x01\0\x07\0", MR_FRAME_LENGTH}, /* 4 GiB */
        {"\x65\0\0\0\x01\0\x07\0", MR_FRAME_LENGTH},       /* a byte too many */
        {"\x01\0\x10\0\x02\0\x07\0", MR_FRAME_LENGTH},     /* a byte beyond 1 MiB */
        {"\x01\0\0\0\x03\0\x07\0", MR_FRAME_LENGTH},       /* this kind is empty */
        {"\x03\0\0\0\x04\x80\x07\0", MR_FRAME_LENGTH},     /* no room for a small head's length */
        {"\0\0\0\0\0\0\x07\0", MR_FRAME_KIND},             /* nothing's kind */
        {"\0\0\0\0\xff\x7f\x07\0", MR_FRAME_KIND},         /* no such kind */
        {"\0\0\0\0\x02\x80\x07\0", MR_FRAME_KIND},         /* a control kind as bulk */
        {"\0\0\0\0\x01\0\x06\0", MR_FRAME_VERSION},        /* the version before */
    };
    struct mr_frame frame;
    size_t need;
    enum mr_frame_fault fault;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char head[MR_FRAME_HEAD_BYTES] = {0};
        memcpy(head, rows[i].head, 8);
        cr_assert_not(find(head, sizeof head, &frame, &need, &fault), "row %zu", i);
        cr_assert_eq(fault, rows[i].fault, "row %zu: %d", i, (int)fault);
        cr_assert(mr_frame_fault_text(fault) != NULL && need == MR_FRAME_HEAD_BYTES);
    }
}

/* A frame as a defective sender makes it: a sound checksum over a body whose parts do not fit. */
static enum mr_frame_fault judge_bulk(uint32_t head_len, size_t body_len) {
    struct mr_frame frame;
    size_t need;
    enum mr_frame_fault fault;
    size_t len = MR_FRAME_HEAD_BYTES + body_len;
    char *bytes = calloc(1, len);
    cr_assert_not_null(bytes);
    uint32_t words[3] = {htole32((uint32_t)body_len), htole32(0x8004u | 7u << 16),
                         htole32(head_len)};
    memcpy(bytes, words, 8);
    memcpy(bytes + MR_FRAME_HEAD_BYTES, &words[2], 4);
    uint64_t parts[2] = {htole64(mr_hash_xxh3(bytes, 8)),
                         htole64(mr_hash_xxh3(bytes + MR_FRAME_HEAD_BYTES, body_len))};
    uint64_t checksum = htole64(mr_hash_xxh3(parts, sizeof parts));
    memcpy(bytes + 8, &checksum, sizeof checksum);
    bool is_found = find(bytes, len, &frame, &need, &fault);
    cr_assert(is_found == (fault == MR_FRAME_SOUND));
    cr_assert(!is_found || frame.body.len + frame.piece.len == body_len - 4);
    free(bytes);
    return fault;
}

Test(frame, hostile_small_heads) {
    cr_assert_eq(judge_bulk(0, 4), MR_FRAME_SOUND);
    cr_assert_eq(judge_bulk(6, 10), MR_FRAME_SOUND);
    cr_assert_eq(judge_bulk(7, 10), MR_FRAME_LENGTH);
    cr_assert_eq(judge_bulk(UINT32_MAX, 10), MR_FRAME_LENGTH);
    cr_assert_eq(judge_bulk(UINT32_MAX - 3, 10), MR_FRAME_LENGTH);
    cr_assert_eq(judge_bulk(MR_FRAME_PIECE_HEAD_MAX, MR_FRAME_BULK_MAX), MR_FRAME_SOUND);
    cr_assert_eq(judge_bulk(MR_FRAME_PIECE_HEAD_MAX + 1, MR_FRAME_BULK_MAX), MR_FRAME_LENGTH);
    cr_assert_eq(judge_bulk(0, MR_FRAME_BULK_MAX), MR_FRAME_LENGTH, "a piece beyond 1 MiB");
}

Test(frame, what_is_forbidden_is_not_sent) {
    struct mr_buffer out = {0};
    struct mr_error err = {0};
    char *bytes = calloc(1, MR_FRAME_PIECE_MAX + 1);
    cr_assert_not_null(bytes);
    struct mr_bytes long_body = {bytes, 101};
    cr_assert_eq(mr_frame_append(&out, &rules, 1, long_body, &err), MR_ERR_INTERNAL);
    err = (struct mr_error){0};
    cr_assert_eq(mr_frame_append(&out, &rules, 9, (struct mr_bytes){0}, &err), MR_ERR_INTERNAL);
    err = (struct mr_error){0};
    cr_assert_eq(mr_frame_append(&out, &rules, MR_FRAME_BULK | 4, long_body, &err),
                 MR_ERR_INTERNAL);
    err = (struct mr_error){0};
    cr_assert_eq(mr_frame_append_bulk(&out, &rules, MR_FRAME_BULK | 4, (struct mr_bytes){0},
                                      (struct mr_bytes){bytes, MR_FRAME_PIECE_MAX + 1}, &err),
                 MR_ERR_INTERNAL);
    err = (struct mr_error){0};
    cr_assert_eq(mr_frame_append_bulk(&out, &rules, MR_FRAME_BULK | 4,
                                      (struct mr_bytes){bytes, MR_FRAME_PIECE_HEAD_MAX + 1},
                                      (struct mr_bytes){0}, &err),
                 MR_ERR_INTERNAL);
    cr_assert_eq(out.len, (size_t)0);
    err = (struct mr_error){0};
    cr_assert_eq(mr_frame_append_bulk(&out, &rules, MR_FRAME_BULK | 4,
                                      (struct mr_bytes){bytes, MR_FRAME_PIECE_HEAD_MAX},
                                      (struct mr_bytes){bytes, MR_FRAME_PIECE_MAX}, &err),
                 0, "the largest is allowed");
    free(bytes);
    mr_buffer_fini(&out);
}
