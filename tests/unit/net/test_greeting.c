/* test_greeting: who is there, in bytes that never change. */
#include "lib/net/greeting.h"

#include "lib/net/message.h"
#include "tests/unit/test.h"
#include <stdlib.h>

static const struct mr_greeting mapper = {
    .protocol = 1, .role = MR_NET_MAPPER, .version = "0.1.0", .name = "node-7"};

static struct mr_bytes body_of(const struct mr_buffer *frame, uint16_t kind) {
    struct mr_frame found;
    size_t need;
    enum mr_frame_fault fault;
    cr_assert(mr_frame_find((struct mr_bytes){frame->data, frame->len}, &mr_greeting_rules, &found,
                            &need, &fault));
    cr_assert(found.kind == kind && found.len == frame->len);
    return found.body;
}

/* docs/wire.md has these bytes. */
Test(greeting, golden_bytes) {
    static const char hello[] = "\x16\0\0\0\x01\0\0\0\x05\x6e\xe4\xa2\x9f\x78\xee\x52"
                                "\xdd\0\0\0\x04\x01\xa6"
                                "0.1.0\0\x02\xa7"
                                "node-7";
    struct mr_buffer out = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_greeting_write(&out, MR_GREETING_HELLO, &mapper, &err), 0, "%s", err.text);
    cr_assert_eq(out.len, sizeof hello);
    cr_assert_eq(memcmp(out.data, hello, sizeof hello), 0);
    mr_buffer_fini(&out);
}

/* Exact copies, so that a sanitizer sees a read behind the end. */
Test(greeting, comes_back_and_every_cut_is_refused) {
    struct mr_buffer out = {0};
    struct mr_error err = {0};
    struct mr_greeting read = {0};
    cr_assert_eq(mr_greeting_write(&out, MR_GREETING_WELCOME, &mapper, &err), 0);
    struct mr_bytes body = body_of(&out, MR_GREETING_WELCOME);
    cr_assert_eq(mr_greeting_read(body, &read, &err), 0, "%s", err.text);
    cr_assert(read.protocol == 1 && read.role == MR_NET_MAPPER);
    cr_assert_str_eq(read.name, "node-7");
    cr_assert_str_eq(read.version, "0.1.0");
    for (size_t len = 0; len < body.len; len++) {
        char *copy = malloc(len + 1);
        cr_assert_not_null(copy);
        memcpy(copy + 1, body.data, len);
        err = (struct mr_error){0};
        cr_assert_eq(mr_greeting_read((struct mr_bytes){copy + 1, len}, &read, &err), MR_ERR_IO);
        free(copy);
    }
    mr_buffer_fini(&out);
}

static int read_row(uint64_t protocol, const char *version, uint64_t role, const char *name,
                    struct mr_greeting *greeting) {
    struct mr_message *message = mr_message_create();
    struct mr_bytes body;
    struct mr_error err = {0};
    mr_message_put_u64(message, protocol);
    mr_message_put_text(message, version);
    mr_message_put_u64(message, role);
    mr_message_put_text(message, name);
    cr_assert_eq(mr_message_body(message, &body, &err), 0);
    int status = mr_greeting_read(body, greeting, &err);
    mr_message_destroy(message);
    return status;
}

Test(greeting, odd_values) {
    struct mr_greeting read;
    char name[MR_GREETING_NAME_MAX + 2];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    cr_assert_eq(read_row(1, "v", 0, name, &read), MR_ERR_IO, "a byte too long");
    name[sizeof name - 2] = '\0';
    cr_assert_eq(read_row(1, "v", 0, name, &read), 0);
    cr_assert_str_eq(read.name, name);
    cr_assert_eq(read_row(1, name, 0, "n", &read), MR_ERR_IO);
    cr_assert_eq(read_row(1, "v", 0, "", &read), MR_ERR_IO);
    cr_assert_eq(read_row(1, "v", 0, NULL, &read), MR_ERR_IO);
    cr_assert_eq(read_row(1, "v", 0, "a\tb", &read), MR_ERR_IO);
    cr_assert_eq(read_row(1, "v", 0, "a\x7f", &read), MR_ERR_IO);
    cr_assert_eq(read_row(1, "v", 0, "Z\xc3\xbcrich", &read), 0);
    cr_assert_eq(read_row(0, "v", 0, "n", &read), MR_ERR_IO);
    cr_assert_eq(read_row(65536, "v", 0, "n", &read), MR_ERR_IO);
    cr_assert_eq(read_row(65535, "v", UINT64_MAX, "n", &read), 0);
    cr_assert_eq(read.role, MR_NET_ROLES, "a role of a later version");
}

Test(greeting, judged) {
    struct mr_greeting master = {
        .protocol = 1, .role = MR_NET_MASTER, .version = "0.1.0", .name = "m"};
    struct mr_greeting other = mapper;
    struct mr_error err = {0};
    cr_assert_eq(mr_greeting_judge(&master, &mapper, MR_ROLE_KEY_WORKER, &err), 0);
    cr_assert_eq(mr_greeting_judge(&master, &mapper, MR_ROLE_KEY_CLIENT, &err), MR_ERR_CLUSTER);
    err = (struct mr_error){0};
    other.protocol = 2;
    memcpy(other.version, "0.2.0", 6);
    cr_assert_eq(mr_greeting_judge(&master, &other, MR_ROLE_KEY_WORKER, &err), MR_ERR_CLUSTER);
    cr_assert_str_eq(err.text,
                     "this master is Millrace 0.1.0 (protocol 1), and the mapper is Millrace 0.2.0 "
                     "(protocol 2): install the same version on both machines");
    err = (struct mr_error){0};
    other.protocol = 1;
    cr_assert_eq(mr_greeting_judge(&master, &other, MR_ROLE_KEY_WORKER, &err), MR_ERR_CLUSTER,
                 "daemons are of one version");
    other.role = MR_NET_CLIENT;
    err = (struct mr_error){0};
    cr_assert_eq(mr_greeting_judge(&master, &other, MR_ROLE_KEY_CLIENT, &err), 0,
                 "who only asks may be of another");
}

Test(greeting, refusals_keep_code_and_sentence) {
    struct mr_buffer out = {0};
    struct mr_error why = {.code = MR_ERR_USAGE, .text = "drained"};
    struct mr_error err = {0};
    cr_assert_eq(mr_greeting_write_refusal(&out, &why, &mapper, &err), 0);
    cr_assert_eq(mr_greeting_read_refusal(body_of(&out, MR_GREETING_REFUSED), "h:1", &err),
                 MR_ERR_USAGE);
    cr_assert_str_eq(err.text, "h:1 refuses: drained");
    memset(why.text, 'x', sizeof why.text - 1);
    why.code = -1000;
    out.len = 0;
    err = (struct mr_error){0};
    cr_assert_eq(mr_greeting_write_refusal(&out, &why, &mapper, &err), 0, "the longest sentence");
    cr_assert_eq(mr_greeting_read_refusal(body_of(&out, MR_GREETING_REFUSED), "h:1", &err),
                 MR_ERR_CLUSTER, "an unknown code");
    mr_buffer_fini(&out);
}
