/* fuzz_channel: any bytes on the channel, and any bytes as the body of a message. */
#include "lib/net/message.h"
#include "lib/worker/channel.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Where what was read goes, so that it is read. */
static volatile size_t sink;

static void read_body(struct mr_bytes body) {
    struct mr_message_reader *reader = NULL;
    struct mr_error err = {0};
    if (mr_message_open(body, &reader, &err)) {
        if (!err.text[0] || reader) {
            abort(); /* a failure without a sentence, or with a result */
        }
        return;
    }
    while (mr_message_left(reader)) {
        size_t left = mr_message_left(reader);
        const char *text = mr_message_text(reader);
        sink = text ? strlen(text) : mr_message_left(reader);
        if (mr_message_left(reader) != left - 1) {
            abort();
        }
    }
    sink = (size_t)mr_message_u64(reader);
    if (!mr_message_end(reader, &err)) {
        abort(); /* what was not there is remembered */
    }
    mr_message_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int fds[2];
    struct mr_error err = {0};
    enum mr_channel_kind kind;
    struct mr_bytes body;
    size = size < 65536 ? size : 65536; /* what a socket takes at once */
    read_body((struct mr_bytes){(const char *)data, size});
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) || write(fds[0], data, size) != (ssize_t)size) {
        abort();
    }
    close(fds[0]);
    struct mr_channel channel = {.fd = fds[1]};
    while (mr_channel_receive(&channel, &kind, &body, &err) == 1) {
        if (kind == MR_CHANNEL_NOTHING || kind >= MR_CHANNEL_KINDS) {
            abort();
        }
        read_body(body);
    }
    mr_channel_close(&channel);
    return 0;
}
