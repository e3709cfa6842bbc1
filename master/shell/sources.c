/* sources: which attempts won what tasks read, where it lies, and how that changed. */
#include "master/shell/sources.h"

#include "lib/base/error.h"
#include <stdlib.h>

void mr_sources_fini(struct mr_sources *sources) {
    free(sources->rows);
    free(sources->changes);
    *sources = (struct mr_sources){0};
}

int mr_sources_open(struct mr_sources *sources, uint32_t round, uint32_t count,
                    struct mr_error *err) {
    struct mr_sources_row *rows = calloc((size_t)count + 1, sizeof *rows);
    if (!rows) {
        return mr_error_nomem(err, "listing a round's tasks");
    }
    mr_sources_fini(sources);
    *sources = (struct mr_sources){.rows = rows, .count = count, .round = round, .is_open = true};
    return MR_OK;
}

int mr_sources_set(struct mr_sources *sources, uint32_t task, struct mr_sources_row row,
                   struct mr_error *err) {
    if (task >= sources->count ||
        (sources->rows[task].attempt == row.attempt && sources->rows[task].node == row.node)) {
        return MR_OK;
    }
    if (sources->change_count == sources->change_capacity) {
        size_t capacity = 2 * sources->change_capacity + 64;
        uint32_t *changes = realloc(sources->changes, capacity * sizeof *changes);
        if (!changes) {
            return mr_error_nomem(err, "listing a round's tasks");
        }
        sources->changes = changes;
        sources->change_capacity = capacity;
    }
    sources->changes[sources->change_count++] = task;
    sources->rows[task] = row;
    return MR_OK;
}
