/* event_bytes: events as bytes, and back.
 *
 * One byte of version, one of the kind, then every field of the event as a varint (LEB128, in its
 * shortest form; signed ones zigzag), in the order of the functions in event_bytes.c, which serve
 * both directions. Fields that don't count for a kind are zero and take a byte each. The encoding
 * is a bijection: equal events give equal bytes, and bytes that no event gives are refused.
 *
 * Kinds and fields are numbered by their place in the tables of terms.h: a row added in their
 * middle, or a field, is another version. */
#ifndef MR_CORE_EVENT_BYTES_H
#define MR_CORE_EVENT_BYTES_H

#include "lib/base/buffer.h"
#include "master/core/terms.h"

#define MR_EVENT_BYTES_VERSION 1

/* Appends the event to the buffer, which is unchanged after a failure (MR_ERR_NOMEM;
 * MR_ERR_INTERNAL for an event with a list that is missing). */
MR_MUST_USE int mr_event_bytes_put(struct mr_buffer *buffer, const struct mr_core_event *event,
                                   struct mr_error *err);

/* Reads an event from all of the bytes, which may be hostile: MR_ERR_INPUT where they are not one
 * event. Nothing is allocated before its length is seen to be there. Release its lists with
 * mr_event_bytes_release. */
MR_MUST_USE int mr_event_bytes_get(const void *bytes, size_t len, struct mr_core_event *event,
                                   struct mr_error *err);

/* Frees the lists of an event that mr_event_bytes_get made. Harmless on one without. */
void mr_event_bytes_release(struct mr_core_event *event);

#endif
