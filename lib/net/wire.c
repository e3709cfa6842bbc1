/* wire: what master, workers and clients say to one another: one table of messages. */
#include "lib/net/wire.h"

#include "lib/base/error.h"
#include "lib/net/message.h"

/* ---- the tables as data -----------------------------------------------------------------------*/

#define ROW_LAYOUT(row, NAME)                                                                      \
    static const struct mr_layout_field row_fields_##row[] = {MR_WIRE_##NAME##_FIELDS(             \
        mr_wire_row_##row, MR_LAYOUT_N, MR_LAYOUT_T, MR_LAYOUT_B, MR_LAYOUT_R)};                   \
    static const struct mr_layout row_##row = {#row, sizeof(struct mr_wire_row_##row),             \
                                               row_fields_##row,                                   \
                                               MR_LAYOUT_COUNT(row_fields_##row)};
MR_WIRE_ROW_TABLE(ROW_LAYOUT)

#define MESSAGE_LAYOUT(NAME, name, number, who, doc)                                               \
    static const struct mr_layout_field fields_##name[] = {MR_WIRE_##NAME##_FIELDS(                \
        mr_wire_##name, MR_LAYOUT_N, MR_LAYOUT_T, MR_LAYOUT_B, MR_LAYOUT_R)};                      \
    static const struct mr_layout layout_##name = {#NAME, sizeof(struct mr_wire_##name),           \
                                                   fields_##name, MR_LAYOUT_COUNT(fields_##name)};
MR_WIRE_TABLE(MESSAGE_LAYOUT)

static const struct mr_wire_about abouts[MR_WIRE_KINDS] = {
#define ABOUT(NAME, name, number, who, doc)                                                        \
    [(number) & ~MR_FRAME_BULK] = {MR_WIRE_##NAME, #NAME, who, doc, &layout_##name},
    MR_WIRE_TABLE(ABOUT)
#undef ABOUT
};

const struct mr_wire_about *mr_wire_about(unsigned kind) {
    unsigned row = kind & ~MR_FRAME_BULK;
    return row < MR_WIRE_KINDS && abouts[row].kind == kind && abouts[row].layout ? &abouts[row]
                                                                                 : NULL;
}

int64_t mr_wire_limit(uint16_t kind) {
    if (!mr_wire_about(kind)) {
        return -1;
    }
    return kind & MR_FRAME_BULK ? (int64_t)MR_FRAME_BULK_MAX : (int64_t)MR_FRAME_CONTROL_MAX;
}

/* ---- both ways --------------------------------------------------------------------------------*/

int mr_wire_encode(enum mr_wire_kind kind, const void *message, struct mr_message **encoded,
                   struct mr_bytes *body, struct mr_error *err) {
    *encoded = mr_message_create();
    if (!*encoded) {
        return mr_error_nomem(err, "writing a message");
    }
    return mr_layout_put(mr_wire_about(kind)->layout, message, *encoded, err)
               ? err->code
               : mr_message_body(*encoded, body, err);
}

int mr_wire_decode(unsigned kind, struct mr_bytes body, union mr_wire_any *message,
                   struct mr_layout_held *held, struct mr_error *err) {
    const struct mr_wire_about *about = mr_wire_about(kind);
    *held = (struct mr_layout_held){0};
    return about ? mr_layout_get(about->layout, body, MR_MESSAGE_BYTES_MAX, message, held, err)
                 : mr_error_set(err, MR_ERR_IO, "a message of the unknown kind %u", kind);
}
