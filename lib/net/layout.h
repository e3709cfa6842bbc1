/* layout: encodes and decodes structs by a description of their fields.
 *
 * A struct is one MessagePack row (message.h): its fields in order; of a list, how many rows there
 * are, then the fields of each row, which hold no lists themselves. What comes in is checked
 * against every bound before it is used. */
#ifndef MR_NET_LAYOUT_H
#define MR_NET_LAYOUT_H

#include <mr/bytes.h>
#include <mr/status.h>
#include <stddef.h>
#include <stdint.h>

enum mr_layout_kind {
    MR_LAYOUT_NUMBER, /* uint64_t */
    MR_LAYOUT_TEXT,   /* const char *, may be NULL */
    MR_LAYOUT_BYTES,  /* struct mr_bytes */
    MR_LAYOUT_ROWS,   /* a pointer to the first row, and size_t right behind it: how many */
};

struct mr_layout;
struct mr_layout_field {
    const char *name;
    enum mr_layout_kind kind;
    size_t offset;               /* of a list's pointer, of all others */
    size_t count_offset;         /* of a list's count */
    uint64_t max;                /* value, bytes (of a text with its end), or rows */
    const struct mr_layout *row; /* of a list */
    const char *doc;
};

struct mr_layout {
    const char *name; /* for sentences */
    size_t size;      /* of the struct */
    const struct mr_layout_field *fields;
    size_t count;
};

/* For tables of fields: N(struct, name, max, doc), T and B likewise, R(struct, name, row, max,
 * doc), where the layout of the list's rows is row_ROW in the same file. */
#define MR_LAYOUT_N(S, name, max, doc)                                                             \
    {#name, MR_LAYOUT_NUMBER, offsetof(struct S, name), 0, (max), NULL, doc},
#define MR_LAYOUT_T(S, name, max, doc)                                                             \
    {#name, MR_LAYOUT_TEXT, offsetof(struct S, name), 0, (max), NULL, doc},
#define MR_LAYOUT_B(S, name, max, doc)                                                             \
    {#name, MR_LAYOUT_BYTES, offsetof(struct S, name), 0, (max), NULL, doc},
#define MR_LAYOUT_R(S, name, row, max, doc)                                                        \
    {#name,                                                                                        \
     MR_LAYOUT_ROWS,                                                                               \
     offsetof(struct S, name),                                                                     \
     offsetof(struct S, name##_count),                                                             \
     (max),                                                                                        \
     &row_##row,                                                                                   \
     doc},
#define MR_LAYOUT_COUNT(fields) (sizeof(fields) / sizeof *(fields))

struct mr_message;

/* Adds the struct to a message; one that is beyond a bound is the caller's mistake:
 * MR_ERR_INTERNAL. */
MR_MUST_USE int mr_layout_put(const struct mr_layout *layout, const void *from,
                              struct mr_message *message, struct mr_error *err);

/* Holds what a decoded struct points to. Zero-initialise; release with mr_layout_release. */
struct mr_layout_held {
    void *reader;
    void *rows; /* chained */
};

/* Fills in *to from a body of at most `bytes_max` bytes. Its texts, bytes and lists live as long as
 * `held` and `body`. MR_ERR_IO says what is wrong with the body; release `held` then too. */
MR_MUST_USE int mr_layout_get(const struct mr_layout *layout, struct mr_bytes body,
                              size_t bytes_max, void *to, struct mr_layout_held *held,
                              struct mr_error *err);
void mr_layout_release(struct mr_layout_held *held);

#endif
