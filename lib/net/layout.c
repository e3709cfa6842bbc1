/* layout: encodes and decodes structs by a description of their fields. */
#include "lib/net/layout.h"

#include "lib/base/error.h"
#include "lib/net/message.h"
#include <stdlib.h>
#include <string.h>

/* ---- writing ----------------------------------------------------------------------------------*/

static uint64_t read_count(const struct mr_layout_field *field, const char *from) {
    size_t count;
    memcpy(&count, from + field->count_offset, sizeof count);
    return count;
}

/* The field's value, length or count: what its bound bounds. */
static uint64_t measure(const struct mr_layout_field *field, const char *from) {
    const char *at = from + field->offset;
    uint64_t value = 0;
    const char *text;
    struct mr_bytes bytes;
    switch (field->kind) {
    case MR_LAYOUT_NUMBER:
        memcpy(&value, at, sizeof value);
        return value;
    case MR_LAYOUT_TEXT:
        memcpy(&text, at, sizeof text);
        return text ? strlen(text) + 1 : 0;
    case MR_LAYOUT_BYTES:
        memcpy(&bytes, at, sizeof bytes);
        return bytes.len;
    default:
        return read_count(field, from);
    }
}

static int put_rows(const struct mr_layout_field *field, const char *from,
                    struct mr_message *message, struct mr_error *err) {
    const char *row;
    uint64_t count = read_count(field, from);
    memcpy(&row, from + field->offset, sizeof row);
    mr_message_put_u64(message, count);
    for (uint64_t i = 0; i < count && !err->code; i++, row += field->row->size) {
        (void)!mr_layout_put(field->row, row, message, err);
    }
    return err->code;
}

int mr_layout_put(const struct mr_layout *layout, const void *from, struct mr_message *message,
                  struct mr_error *err) {
    for (size_t i = 0; i < layout->count && !err->code; i++) {
        const struct mr_layout_field *field = &layout->fields[i];
        const char *at = (const char *)from + field->offset;
        uint64_t size = measure(field, from);
        const char *text;
        struct mr_bytes bytes;
        if (size > field->max) {
            return mr_error_set(err, MR_ERR_INTERNAL, "%s.%s is beyond its bound: %llu",
                                layout->name, field->name, (unsigned long long)size);
        }
        switch (field->kind) {
        case MR_LAYOUT_NUMBER:
            mr_message_put_u64(message, size);
            break;
        case MR_LAYOUT_TEXT:
            memcpy(&text, at, sizeof text);
            mr_message_put_text(message, text);
            break;
        case MR_LAYOUT_BYTES:
            memcpy(&bytes, at, sizeof bytes);
            mr_message_put_bytes(message, bytes);
            break;
        case MR_LAYOUT_ROWS:
            (void)!put_rows(field, from, message, err);
            break;
        }
    }
    return err->code;
}

/* ---- reading ----------------------------------------------------------------------------------*/

/* A list that was read: behind this, its rows. */
struct rows {
    struct rows *next;
    max_align_t items[];
};

struct decoding {
    const struct mr_layout *layout; /* the whole, for sentences */
    struct mr_message_reader *reader;
    struct mr_layout_held *held;
};

static int get_fields(struct decoding *decoding, const struct mr_layout *layout, char *to,
                      struct mr_error *err);

static int refuse(const struct decoding *decoding, const struct mr_layout_field *field,
                  const char *why, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_IO, "a message %s is malformed: %s %s", decoding->layout->name,
                        field->name, why);
}

static int get_rows(struct decoding *decoding, const struct mr_layout_field *field, char *to,
                    struct mr_error *err) {
    uint64_t count = mr_message_u64(decoding->reader);
    size_t left = mr_message_left(decoding->reader);
    if (count > field->max || count > left / field->row->count) {
        return refuse(decoding, field, "has more rows than there may be", err);
    }
    if (count == 0) {
        return MR_OK;
    }
    struct rows *rows = calloc(1, sizeof *rows + count * field->row->size);
    if (!rows) {
        return mr_error_nomem(err, "reading a message");
    }
    rows->next = decoding->held->rows;
    decoding->held->rows = rows;
    char *row = (char *)rows->items;
    for (uint64_t i = 0; i < count && !err->code; i++) {
        (void)!get_fields(decoding, field->row, row + i * field->row->size, err);
    }
    size_t kept = (size_t)count;
    memcpy(to + field->offset, &row, sizeof row);
    memcpy(to + field->count_offset, &kept, sizeof kept);
    return err->code;
}

static int get_field(struct decoding *decoding, const struct mr_layout_field *field, char *to,
                     struct mr_error *err) {
    char *at = to + field->offset;
    struct mr_bytes bytes;
    const char *text;
    uint64_t value;
    switch (field->kind) {
    case MR_LAYOUT_NUMBER:
        value = mr_message_u64(decoding->reader);
        memcpy(at, &value, sizeof value);
        break;
    case MR_LAYOUT_TEXT:
        text = mr_message_text(decoding->reader);
        memcpy(at, &text, sizeof text);
        break;
    case MR_LAYOUT_BYTES:
        bytes = mr_message_bytes(decoding->reader);
        memcpy(at, &bytes, sizeof bytes);
        break;
    case MR_LAYOUT_ROWS:
        return get_rows(decoding, field, to, err);
    }
    return measure(field, to) > field->max ? refuse(decoding, field, "is beyond its bound", err)
                                           : MR_OK;
}

static int get_fields(struct decoding *decoding, const struct mr_layout *layout, char *to,
                      struct mr_error *err) {
    for (size_t i = 0; i < layout->count && !err->code; i++) {
        (void)!get_field(decoding, &layout->fields[i], to, err);
    }
    return err->code;
}

int mr_layout_get(const struct mr_layout *layout, struct mr_bytes body, size_t bytes_max, void *to,
                  struct mr_layout_held *held, struct mr_error *err) {
    struct decoding decoding = {.layout = layout, .held = held};
    *held = (struct mr_layout_held){0};
    memset(to, 0, layout->size);
    if (mr_message_open_within(body, bytes_max, &decoding.reader, err)) {
        return err->code;
    }
    held->reader = decoding.reader;
    return get_fields(&decoding, layout, to, err) ? err->code
                                                  : mr_message_end(decoding.reader, err);
}

void mr_layout_release(struct mr_layout_held *held) {
    struct rows *rows = held->rows;
    while (rows) {
        struct rows *next = rows->next;
        free(rows);
        rows = next;
    }
    mr_message_close(held->reader);
    *held = (struct mr_layout_held){0};
}
