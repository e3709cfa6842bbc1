/* agenda: what is due when, earliest first: a heap of rows of one size. */
#include "lib/base/agenda.h"

#include "lib/base/check.h"
#include "lib/base/error.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_AT_FIRST 64

static char *row_at(const struct mr_agenda *agenda, size_t at) {
    return agenda->rows + at * agenda->row_bytes;
}

static bool is_before(const void *a, const void *b) {
    struct mr_agenda_when first;
    struct mr_agenda_when second;
    memcpy(&first, a, sizeof first);
    memcpy(&second, b, sizeof second);
    return first.at != second.at ? first.at < second.at : first.order < second.order;
}

static int make_room(struct mr_agenda *agenda, struct mr_error *err) {
    if (agenda->count < agenda->capacity) {
        return MR_OK;
    }
    size_t capacity = agenda->capacity * 2 + ROWS_AT_FIRST;
    char *grown = reallocarray(agenda->rows, capacity, agenda->row_bytes);
    if (!grown) {
        return mr_error_nomem(err, "keeping what is due");
    }
    agenda->rows = grown;
    agenda->capacity = capacity;
    return MR_OK;
}

int mr_agenda_put(struct mr_agenda *agenda, const void *row, struct mr_error *err) {
    if (make_room(agenda, err)) {
        return err->code;
    }
    size_t at = agenda->count++;
    for (; at > 0 && is_before(row, row_at(agenda, (at - 1) / 2)); at = (at - 1) / 2) {
        memcpy(row_at(agenda, at), row_at(agenda, (at - 1) / 2), agenda->row_bytes);
    }
    memcpy(row_at(agenda, at), row, agenda->row_bytes);
    return MR_OK;
}

void mr_agenda_take(struct mr_agenda *agenda, void *row) {
    char last[MR_AGENDA_ROW_MAX];
    MR_CHECK(agenda->count > 0 && agenda->row_bytes <= sizeof last);
    memcpy(row, agenda->rows, agenda->row_bytes);
    memcpy(last, row_at(agenda, --agenda->count), agenda->row_bytes);
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < agenda->count; at = child) {
        child += child + 1 < agenda->count &&
                 is_before(row_at(agenda, child + 1), row_at(agenda, child));
        if (!is_before(row_at(agenda, child), last)) {
            break;
        }
        memcpy(row_at(agenda, at), row_at(agenda, child), agenda->row_bytes);
    }
    memcpy(row_at(agenda, at), last, agenda->row_bytes); /* there is a place for it: the first */
}

void mr_agenda_fini(struct mr_agenda *agenda) {
    free(agenda->rows);
    agenda->rows = NULL;
    agenda->count = agenda->capacity = 0;
}
