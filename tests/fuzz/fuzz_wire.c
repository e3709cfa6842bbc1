/* fuzz_wire: any bytes as the body of any of the cluster's messages.
 *
 * The first two bytes are the kind. What is decoded encodes, and decodes to the same. Seeds: a
 * message of each kind, by `print_wire --seeds DIR`. */
#include "lib/net/message.h"
#include "lib/net/wire.h"
#include "tests/unit/net/example.h"

#include <stdio.h>
#include <stdlib.h>

static void die(const char *why) {
    fprintf(stderr, "%s\n", why);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    union mr_wire_any first;
    union mr_wire_any second;
    struct mr_layout_held held_first;
    struct mr_layout_held held_second;
    struct mr_message *encoded = NULL;
    struct mr_bytes body;
    struct mr_error err = {0};
    if (size < 2) {
        return 0;
    }
    unsigned kind = (unsigned)data[0] | (unsigned)data[1] << 8;
    struct mr_bytes bytes = {(const char *)data + 2, size - 2};
    if (mr_wire_decode(kind, bytes, &first, &held_first, &err)) {
        if (!err.text[0]) {
            die("a refusal without a sentence");
        }
        mr_layout_release(&held_first);
        return 0;
    }
    const struct mr_wire_about *about = mr_wire_about(kind);
    if (mr_wire_encode(about->kind, &first, &encoded, &body, &err)) {
        die(err.text);
    }
    if (mr_wire_decode(kind, body, &second, &held_second, &err) ||
        !example_equal(about->layout, (const char *)&first, (const char *)&second)) {
        die("it does not come back");
    }
    mr_layout_release(&held_first);
    mr_layout_release(&held_second);
    mr_message_destroy(encoded);
    return 0;
}
