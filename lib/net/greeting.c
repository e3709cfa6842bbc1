/* greeting: who the two ends of a connection are, and whether they fit: HELLO, WELCOME, REFUSED. */
#include "lib/net/greeting.h"

#include "lib/base/error.h"
#include "lib/net/message.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define BODY_MAX 2048 /* less than what a stranger may send */

static int64_t limit(uint16_t kind) {
    switch (kind) {
#define MR_GREETING_KIND_ROW(name, number, who, row) case number:
        MR_GREETING_KIND_TABLE(MR_GREETING_KIND_ROW)
#undef MR_GREETING_KIND_ROW
        return BODY_MAX;
    default:
        return -1;
    }
}

const struct mr_frame_rules mr_greeting_rules = {.version = 0, .limit = limit};

/* Appends the message as a frame, and destroys it. */
static int finish(struct mr_message *message, uint16_t kind, struct mr_buffer *out,
                  struct mr_error *err) {
    struct mr_bytes body;
    if (!mr_message_body(message, &body, err)) {
        (void)!mr_frame_append(out, &mr_greeting_rules, kind, body, err);
    }
    mr_message_destroy(message);
    return err->code;
}

int mr_greeting_write(struct mr_buffer *out, enum mr_greeting_kind kind,
                      const struct mr_greeting *greeting, struct mr_error *err) {
    struct mr_message *message = mr_message_create();
    mr_message_put_u64(message, greeting->protocol);
    mr_message_put_text(message, greeting->version);
    mr_message_put_u64(message, greeting->role);
    mr_message_put_text(message, greeting->name);
    return finish(message, (uint16_t)kind, out, err);
}

/* Copies a text that is not empty, not too long, and printable. */
static bool copy(const char *text, char *out, size_t room) {
    size_t len = text ? strlen(text) : 0;
    if (len == 0 || len >= room) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 127) {
            return false;
        }
    }
    memcpy(out, text, len + 1);
    return true;
}

int mr_greeting_read(struct mr_bytes body, struct mr_greeting *greeting, struct mr_error *err) {
    struct mr_message_reader *reader = NULL;
    if (mr_message_open(body, &reader, err)) {
        return err->code;
    }
    bool is_sound = mr_message_left(reader) >= 4; /* a later version may say more */
    uint64_t protocol = mr_message_u64(reader);
    is_sound &= copy(mr_message_text(reader), greeting->version, sizeof greeting->version);
    uint64_t role = mr_message_u64(reader);
    is_sound &= copy(mr_message_text(reader), greeting->name, sizeof greeting->name);
    is_sound &= protocol > 0 && protocol <= UINT16_MAX;
    mr_message_close(reader);
    if (!is_sound) {
        return mr_error_set(err, MR_ERR_IO, "a greeting is malformed");
    }
    greeting->protocol = (uint32_t)protocol;
    greeting->role = role < MR_NET_ROLES ? (enum mr_net_role)role : MR_NET_ROLES;
    return MR_OK;
}

/* Daemons do a job's tasks together: of two versions the job's code, too, may differ. */
static bool fits(const struct mr_greeting *ours, const struct mr_greeting *theirs) {
    bool has_client = ours->role == MR_NET_CLIENT || theirs->role == MR_NET_CLIENT;
    return theirs->protocol == ours->protocol &&
           (has_client || strcmp(theirs->version, ours->version) == 0);
}

int mr_greeting_judge(const struct mr_greeting *ours, const struct mr_greeting *theirs,
                      enum mr_role_key key, struct mr_error *err) {
    if (!fits(ours, theirs)) {
        return mr_error_set(err, MR_ERR_CLUSTER,
                            "this %s is Millrace %s (protocol %u), and the %s is Millrace %s "
                            "(protocol %u): install the same version on both machines",
                            mr_net_role_name(ours->role), ours->version, ours->protocol,
                            mr_net_role_name(theirs->role), theirs->version, theirs->protocol);
    }
    if (theirs->role == MR_NET_ROLES || mr_net_role_key(theirs->role) != key) {
        return mr_error_set(err, MR_ERR_CLUSTER, "this key is not that of a %s",
                            mr_net_role_name(theirs->role));
    }
    return MR_OK;
}

int mr_greeting_write_refusal(struct mr_buffer *out, const struct mr_error *why,
                              const struct mr_greeting *ours, struct mr_error *err) {
    struct mr_message *message = mr_message_create();
    mr_message_put_u64(message, (uint64_t) - (why->code < 0 ? why->code : MR_ERR_CLUSTER));
    mr_message_put_text(message, why->text);
    mr_message_put_u64(message, ours->protocol);
    mr_message_put_text(message, ours->version);
    return finish(message, MR_GREETING_REFUSED, out, err);
}

/* A status that came over the network. */
static int read_status(uint64_t number) {
    switch (number) {
#define MR_STATUS_ROW(name, value, exit_status, text)                                              \
    case (uint64_t) - (value):                                                                     \
        return number ? (value) : MR_ERR_CLUSTER;
        MR_STATUS_TABLE(MR_STATUS_ROW)
#undef MR_STATUS_ROW
    default:
        return MR_ERR_CLUSTER;
    }
}

int mr_greeting_read_refusal(struct mr_bytes body, const char *label, struct mr_error *err) {
    struct mr_message_reader *reader = NULL;
    if (mr_message_open(body, &reader, err)) {
        return err->code;
    }
    int status = read_status(mr_message_u64(reader));
    const char *sentence = mr_message_text(reader);
    mr_error_set(err, status, "%s refuses: %.800s", label,
                 sentence ? sentence : "without a reason");
    mr_message_close(reader);
    return err->code;
}
