/* aside: the records that were set aside, and the side file that holds them. */
#include "master/local/aside.h"

#include "lib/base/error.h"
#include <inttypes.h>
#include <stdlib.h>

struct mr_aside_row {
    uint32_t task;
    const char *path;
    struct mr_orders_skipped skipped;
};

int mr_aside_take(struct mr_aside *aside, uint32_t task, const char *path,
                  struct mr_orders_skipped *skipped, struct mr_error *err) {
    struct mr_aside_row *rows = realloc(aside->rows, (aside->count + 1) * sizeof *rows);
    if (!rows) {
        return mr_error_nomem(err, "keeping a record that was set aside");
    }
    aside->rows = rows;
    rows[aside->count++] = (struct mr_aside_row){task, path, *skipped};
    skipped->record = (struct mr_bytes){0};
    return MR_OK;
}

static int compare_rows(const void *left, const void *right) {
    const struct mr_aside_row *a = left;
    const struct mr_aside_row *b = right;
    if (a->task != b->task) {
        return a->task < b->task ? -1 : 1;
    }
    return (a->skipped.offset > b->skipped.offset) - (a->skipped.offset < b->skipped.offset);
}

int mr_aside_text(struct mr_aside *aside, struct mr_buffer *text, struct mr_error *err) {
    if (aside->count) {
        qsort(aside->rows, aside->count, sizeof *aside->rows, compare_rows);
    }
    for (size_t i = 0; i < aside->count; i++) {
        const struct mr_aside_row *row = &aside->rows[i];
        struct mr_bytes record = row->skipped.record;
        record.len -= record.len && record.data[record.len - 1] == '\n';
        if (mr_buffer_printf(text, err, "%s\t%" PRIu64 "\t", row->path, row->skipped.offset) ||
            mr_buffer_append(text, record.data, record.len, err) ||
            mr_buffer_append(text, "\n", 1, err)) {
            return err->code;
        }
    }
    return MR_OK;
}

void mr_aside_fini(struct mr_aside *aside) {
    for (size_t i = 0; i < aside->count; i++) {
        free((char *)(uintptr_t)aside->rows[i].skipped.record.data);
    }
    free(aside->rows);
    *aside = (struct mr_aside){0};
}
