/* agenda: what is due when, earliest first, for whoever lives in virtual time.
 *
 * A heap of rows of one size, each of which begins with its time. Not for several threads at once.
 */
#ifndef MR_BASE_AGENDA_H
#define MR_BASE_AGENDA_H

#include <mr/status.h>
#include <stddef.h>
#include <stdint.h>

/* A row's first member. Of two at the same time the one of the lower order comes first; no two rows
 * have both alike. */
struct mr_agenda_when {
    uint64_t at;
    uint64_t order;
};

/* Zero-initialise but for row_bytes, at most MR_AGENDA_ROW_MAX; release with mr_agenda_fini. To
 * empty it and keep its memory, set count to 0. */
struct mr_agenda {
    size_t row_bytes;
    char *rows;
    size_t count;
    size_t capacity;
};

#define MR_AGENDA_ROW_MAX 128

/* Puts a copy of a row. */
MR_MUST_USE int mr_agenda_put(struct mr_agenda *agenda, const void *row, struct mr_error *err);

/* Takes the earliest row out, of which there must be one, into the caller's. */
void mr_agenda_take(struct mr_agenda *agenda, void *row);

void mr_agenda_fini(struct mr_agenda *agenda);

#endif
