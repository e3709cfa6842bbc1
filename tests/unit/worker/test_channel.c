/* test_channel: frames arrive whole, or the channel says why not. */
#include "lib/worker/channel.h"

#include "lib/base/error.h"
#include "lib/net/message.h"
#include "tests/unit/test.h"
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct pair {
    struct mr_channel a;
    struct mr_channel b;
};

static struct pair make_pair(void) {
    int fds[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    return (struct pair){{.fd = fds[0]}, {.fd = fds[1]}};
}

static void end_pair(struct pair *pair) {
    mr_channel_close(&pair->a);
    mr_channel_close(&pair->b);
}

static void say(struct mr_channel *channel, enum mr_channel_kind kind, const char *text) {
    struct mr_error err = {0};
    cr_assert_eq(mr_channel_send(channel, kind, mr_bytes_text(text), &err), 0, "%s", err.text);
}

static void hear(struct mr_channel *channel, enum mr_channel_kind kind, const char *text) {
    enum mr_channel_kind got = MR_CHANNEL_NOTHING;
    struct mr_bytes body = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_channel_receive(channel, &got, &body, &err), 1, "%s", err.text);
    cr_assert_eq(got, kind);
    cr_assert(!text || (body.len == strlen(text) && memcmp(body.data, text, body.len) == 0));
}

Test(channel, frames_arrive_in_order) {
    struct pair pair = make_pair();
    struct mr_error err = {0};
    for (int round = 0; round < 3; round++) {
        say(&pair.a, MR_CHANNEL_HELLO, "hello");
        say(&pair.a, MR_CHANNEL_DONE, "");
        cr_assert_eq(mr_channel_send_end(&pair.a, &err), 0, "%s", err.text);
        say(&pair.b, MR_CHANNEL_MAP, "the other way");
        hear(&pair.b, MR_CHANNEL_HELLO, "hello");
        hear(&pair.b, MR_CHANNEL_DONE, "");
        hear(&pair.b, MR_CHANNEL_END, NULL);
        hear(&pair.a, MR_CHANNEL_MAP, "the other way");
    }
    enum mr_channel_kind kind;
    struct mr_bytes body;
    close(pair.a.fd);
    pair.a.fd = -1;
    cr_assert_eq(mr_channel_receive(&pair.b, &kind, &body, &err), 0);
    cr_assert_eq(mr_channel_send(&pair.b, MR_CHANNEL_MAP, body = mr_bytes_text("x"), &err),
                 MR_ERR_CLOSED);
    end_pair(&pair);
}

/* The bytes of one stream: a frame and the end. */
static size_t record_stream(char *out, size_t room) {
    struct pair pair = make_pair();
    struct mr_error err = {0};
    say(&pair.a, MR_CHANNEL_DONE, "a body of some bytes");
    cr_assert_eq(mr_channel_send_end(&pair.a, &err), 0);
    ssize_t len = read(pair.b.fd, out, room);
    cr_assert_gt(len, (ssize_t)(2 * MR_CHANNEL_HEAD_BYTES));
    end_pair(&pair);
    return (size_t)len;
}

/* Receives what a peer wrote before it closed: how many frames came, and the last status. */
static int receive_bytes(const char *bytes, size_t len, int *frames, bool *ended) {
    struct pair pair = make_pair();
    struct mr_error err = {0};
    enum mr_channel_kind kind;
    struct mr_bytes body;
    int got;
    cr_assert_eq(write(pair.a.fd, bytes, len), (ssize_t)len);
    close(pair.a.fd);
    pair.a.fd = -1;
    *frames = 0;
    *ended = false;
    while ((got = mr_channel_receive(&pair.b, &kind, &body, &err)) == 1) {
        ++*frames;
        *ended |= kind == MR_CHANNEL_END;
    }
    cr_assert_eq(got, err.code);
    end_pair(&pair);
    return got;
}

Test(channel, a_stream_cut_anywhere_has_no_end) {
    char bytes[256];
    int frames;
    bool ended;
    size_t len = record_stream(bytes, sizeof bytes);
    for (size_t cut = 0; cut < len; cut++) {
        int status = receive_bytes(bytes, cut, &frames, &ended);
        bool between = cut == 0 || cut == MR_CHANNEL_HEAD_BYTES + 20;
        cr_assert_not(ended, "cut at %zu", cut);
        cr_assert_eq(status, between ? 0 : MR_ERR_IO, "cut at %zu", cut);
    }
    cr_assert_eq(receive_bytes(bytes, len, &frames, &ended), 0);
    cr_assert(ended && frames == 2);
}

Test(channel, every_flipped_bit_is_noticed) {
    char bytes[256];
    int frames;
    bool ended;
    size_t len = record_stream(bytes, sizeof bytes);
    for (size_t i = 0; i < len * 8; i++) {
        bytes[i / 8] = (char)(bytes[i / 8] ^ 1 << i % 8);
        cr_assert_eq(receive_bytes(bytes, len, &frames, &ended), MR_ERR_IO, "bit %zu", i);
        cr_assert_not(ended);
        bytes[i / 8] = (char)(bytes[i / 8] ^ 1 << i % 8);
    }
}

/* A frame that is lost, or comes twice, is missed by the end. */
Test(channel, end_knows_what_came_before) {
    char bytes[256];
    char twice[512];
    int frames;
    bool ended;
    size_t len = record_stream(bytes, sizeof bytes);
    size_t first = MR_CHANNEL_HEAD_BYTES + 20;
    cr_assert_eq(receive_bytes(bytes + first, len - first, &frames, &ended), MR_ERR_IO);
    memcpy(twice, bytes, first);
    memcpy(twice + first, bytes, len);
    cr_assert_eq(receive_bytes(twice, first + len, &frames, &ended), MR_ERR_IO);
    cr_assert(frames == 2 && !ended);
}

Test(channel, hostile_heads) {
    static const char *const heads[] = {
        "\xff\xff\xff\xff\x01\x80\x03\0", /* 4 GiB */
        "\x05\x10\x10\0\x01\x80\x03\0",   /* a byte beyond what may be */
        "\x0c\0\0\0\0\x80\x03\0",         /* nothing's kind */
        "\x0c\0\0\0\xff\xff\x03\0",       /* no such kind */
        "\0\0\0\0\x01\0\x03\0",           /* without the number of an order */
        "\x0c\0\0\0\x01\x80\x02\0",       /* the version before */
        "\x0c\0\0\0\x01\x80\x04\0",       /* the next version */
    };
    int frames;
    bool ended;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        char frame[MR_CHANNEL_HEAD_BYTES] = {0};
        memcpy(frame, heads[i], 8);
        cr_assert_eq(receive_bytes(frame, sizeof frame, &frames, &ended), MR_ERR_IO, "head %zu", i);
        cr_assert_eq(frames, 0);
    }
}

Test(channel, too_long_is_not_sent) {
    struct pair pair = make_pair();
    struct mr_error err = {0};
    char *body = calloc(1, MR_MESSAGE_BYTES_MAX + 1);
    cr_assert_not_null(body);
    cr_assert_eq(mr_channel_send(&pair.a, MR_CHANNEL_DONE,
                                 (struct mr_bytes){body, MR_MESSAGE_BYTES_MAX + 1}, &err),
                 MR_ERR_INTERNAL);
    free(body);
    end_pair(&pair);
}

static int64_t bulk_limit(uint16_t kind) {
    (void)kind;
    return (int64_t)MR_FRAME_BULK_MAX;
}

/* The bytes of a frame are a format: two programs meet by it. */
Test(channel, golden_frame) {
    static const unsigned char head[] = {17, 0, 0, 0, MR_CHANNEL_DONE, 0x80, 3, 0};
    static const unsigned char rest[] = {8, 0, 0, 0,   8,   7,   6,   5,  4,
                                         3, 2, 1, 'h', 'e', 'l', 'l', 'o'};
    struct pair pair = make_pair();
    unsigned char bytes[64];
    pair.a.order = 0x0102030405060708;
    say(&pair.a, MR_CHANNEL_DONE, "hello");
    cr_assert_eq(read(pair.b.fd, bytes, sizeof bytes), (ssize_t)MR_CHANNEL_HEAD_BYTES + 5);
    cr_assert_eq(memcmp(bytes, head, sizeof head), 0);
    cr_assert_eq(memcmp(bytes + MR_FRAME_HEAD_BYTES, rest, sizeof rest), 0);
    end_pair(&pair);
}

/* A sound frame, but its small head is no number. */
Test(channel, without_an_order) {
    struct mr_buffer bytes = {0};
    struct mr_frame_rules rules = {.version = MR_CHANNEL_VERSION, .limit = bulk_limit};
    struct mr_error err = {0};
    int frames;
    bool ended;
    for (size_t len = 0; len < 10; len++) {
        bytes.len = 0;
        cr_assert_eq(mr_frame_append_bulk(&bytes, &rules, MR_CHANNEL_HELLO | MR_FRAME_BULK,
                                          (struct mr_bytes){"0123456789", len}, mr_bytes_text("x"),
                                          &err),
                     0);
        cr_assert_eq(receive_bytes(bytes.data, bytes.len, &frames, &ended),
                     len == 8 ? 0 : MR_ERR_IO);
        cr_assert_eq(frames, len == 8);
    }
    mr_buffer_fini(&bytes);
}

/* Who obeys is given the number; who ordered takes no other. */
Test(channel, answers_name_their_order) {
    static const enum mr_channel_kind answers[] = {MR_CHANNEL_DONE, MR_CHANNEL_COUNTER,
                                                   MR_CHANNEL_SKIPPED, MR_CHANNEL_FAILED};
    enum mr_channel_kind kind;
    struct mr_bytes body;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct pair pair = make_pair();
        struct mr_error err = {0};
        pair.a.order = 7;
        say(&pair.b, MR_CHANNEL_HELLO, "of no order");
        hear(&pair.a, MR_CHANNEL_HELLO, NULL);
        say(&pair.a, MR_CHANNEL_MAP, "x");
        hear(&pair.b, MR_CHANNEL_MAP, "x");
        cr_assert_eq(pair.b.order, (uint64_t)7);
        say(&pair.b, answers[i], "an answer");
        hear(&pair.a, answers[i], "an answer");
        pair.a.order = 8; /* the next one, before it is heard of */
        say(&pair.b, answers[i], "late");
        cr_assert_eq(mr_channel_receive(&pair.a, &kind, &body, &err), MR_ERR_IO);
        cr_assert_not_null(strstr(err.text, "another order"), "%s", err.text);
        end_pair(&pair);
    }
}

Test(channel, an_end_of_another_order) {
    struct pair pair = make_pair();
    struct mr_error err = {0};
    enum mr_channel_kind kind;
    struct mr_bytes body;
    pair.a.order = 2;
    pair.b.order = 1;
    cr_assert_eq(mr_channel_send_end(&pair.b, &err), 0);
    cr_assert_eq(mr_channel_receive(&pair.a, &kind, &body, &err), MR_ERR_IO);
    end_pair(&pair);
}

Test(channel, silence) {
    struct pair pair = make_pair();
    enum mr_channel_kind kind;
    struct mr_bytes body;
    struct mr_error err = {0};
    bool closed;
    cr_assert(mr_channel_is_silent(&pair.b));
    say(&pair.a, MR_CHANNEL_DONE, "x");
    cr_assert_not(mr_channel_is_silent(&pair.b)); /* not read */
    cr_assert_eq(mr_channel_fill(&pair.b, &closed, &err), 0);
    cr_assert_not(mr_channel_is_silent(&pair.b)); /* not taken */
    cr_assert_eq(mr_channel_take(&pair.b, &kind, &body, &err), 1);
    cr_assert(mr_channel_is_silent(&pair.b));
    mr_channel_close(&pair.a);
    cr_assert_not(mr_channel_is_silent(&pair.b)); /* nobody is there */
    end_pair(&pair);
}

static int count_down(void *arg, struct mr_error *err) {
    int *left = arg;
    return --*left > 0 ? 0 : mr_error_set(err, MR_ERR_CLOSED, "enough");
}

/* Nobody reads: who sends is asked now and then whether to go on. */
Test(channel, sending_to_nobody) {
    struct pair pair = make_pair();
    struct mr_error err = {0};
    int left = 5;
    char *body = calloc(1, MR_MESSAGE_BYTES_MAX);
    cr_assert_not_null(body);
    pair.a.linger = count_down;
    pair.a.linger_arg = &left;
    struct mr_bytes bytes = {body, MR_MESSAGE_BYTES_MAX};
    while (!mr_channel_send(&pair.a, MR_CHANNEL_MAP, bytes, &err)) {
    }
    cr_assert_eq(err.code, MR_ERR_CLOSED);
    cr_assert_eq(left, 0);
    free(body);
    end_pair(&pair);
}
