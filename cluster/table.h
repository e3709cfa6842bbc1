/* table: rows of cells under headings, each column as wide as it must be. */
#ifndef MR_CLUSTER_TABLE_H
#define MR_CLUSTER_TABLE_H

#include "cli/page.h"

#include <stddef.h>

#define MR_TABLE_COLUMNS_MAX 16

/* Zero-initialise but for `columns`; release with mr_table_fini. */
struct mr_table {
    const char *const *columns; /* headings, ended by NULL */
    char **cells;               /* row by row */
    size_t count;               /* of rows */
    size_t room;
};

/* Adds a row of as many cells as there are columns; NULL is "-". Copies them, control characters as
 * '?'. */
MR_MUST_USE int mr_table_add(struct mr_table *table, const char *const *cells,
                             struct mr_error *err);
/* Adds all of it to a page. */
void mr_table_print(const struct mr_table *table, struct mr_page *page);
void mr_table_clear(struct mr_table *table);
void mr_table_fini(struct mr_table *table);

#endif
