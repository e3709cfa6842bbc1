/* fuzz_frame: any bytes as a stream of frames, as the body of one, and as a greeting. */
#include "lib/base/buffer.h"
#include "lib/net/frame.h"
#include "lib/net/greeting.h"

#include <stdlib.h>

/* Where what was read goes, so that it is read. */
static volatile size_t sink;

static int64_t limit(uint16_t kind) {
    return kind == 16                      ? (int64_t)MR_FRAME_CONTROL_MAX
           : kind == (MR_FRAME_BULK | 17u) ? (int64_t)MR_FRAME_BULK_MAX
           : kind == 18                    ? 0
                                           : -1;
}

static const struct mr_frame_rules rules = {.version = 1, .limit = limit};

static void must(bool condition) {
    if (!condition) {
        abort();
    }
}

static size_t sum(struct mr_bytes bytes) {
    size_t total = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        total += (unsigned char)bytes.data[i];
    }
    return total;
}

static void read_greeting(struct mr_bytes body) {
    struct mr_greeting greeting;
    struct mr_error err = {0};
    if (mr_greeting_read(body, &greeting, &err)) {
        must(err.text[0] != '\0');
    } else {
        must(greeting.name[0] && strlen(greeting.name) <= MR_GREETING_NAME_MAX);
        must(greeting.version[0] && strlen(greeting.version) <= MR_GREETING_VERSION_MAX);
        must(greeting.protocol > 0 && greeting.role <= MR_NET_ROLES);
    }
    err = (struct mr_error){0};
    must(mr_greeting_read_refusal(body, "a peer", &err) < 0 && err.text[0]);
}

static void read_stream(struct mr_bytes bytes, const struct mr_frame_rules *by) {
    struct mr_frame frame;
    enum mr_frame_fault fault;
    size_t need;
    while (mr_frame_find(bytes, by, &frame, &need, &fault)) {
        must(frame.len >= MR_FRAME_HEAD_BYTES && frame.len <= bytes.len);
        must(frame.body.len + frame.piece.len <= frame.len - MR_FRAME_HEAD_BYTES);
        sink = sum(frame.body) + sum(frame.piece);
        if (by == &mr_greeting_rules) {
            read_greeting(frame.body);
        }
        bytes.data += frame.len;
        bytes.len -= frame.len;
    }
    must(fault < MR_FRAME_FAULTS && mr_frame_fault_text(fault));
    must(fault || (need > bytes.len && need <= MR_FRAME_HEAD_BYTES + MR_FRAME_BULK_MAX));
}

/* Any body comes back from a frame as it was, and no part of the frame is one. */
static void wrap(struct mr_bytes body) {
    struct mr_buffer out = {0};
    struct mr_error err = {0};
    struct mr_frame frame;
    enum mr_frame_fault fault;
    size_t need;
    must(mr_frame_append(&out, &rules, 16, body, &err) == 0);
    must(mr_frame_find((struct mr_bytes){out.data, out.len}, &rules, &frame, &need, &fault));
    must(frame.len == out.len && frame.body.len == body.len &&
         (body.len == 0 || memcmp(frame.body.data, body.data, body.len) == 0));
    must(!mr_frame_find((struct mr_bytes){out.data, out.len - 1}, &rules, &frame, &need, &fault));
    must(need == out.len && fault == MR_FRAME_SOUND);
    mr_buffer_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mr_bytes bytes = {(const char *)data, size < 65536 ? size : 65536};
    read_stream(bytes, &rules);
    read_stream(bytes, &mr_greeting_rules);
    read_greeting(bytes);
    wrap(bytes);
    return 0;
}
