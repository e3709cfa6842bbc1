/* table: rows of cells under headings, each column as wide as it must be. */
#include "cluster/table.h"

#include "lib/base/error.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2 /* spaces between columns */

static size_t width_of(const struct mr_table *table) {
    size_t count = 0;
    while (table->columns[count]) {
        count++;
    }
    return count;
}

static char *copy_cell(const char *cell) {
    char *copy = strdup(cell && *cell ? cell : "-");
    for (char *at = copy; at && *at; at++) {
        *at = (unsigned char)*at < ' ' || *at == 0x7f ? '?' : *at;
    }
    return copy;
}

int mr_table_add(struct mr_table *table, const char *const *cells, struct mr_error *err) {
    size_t width = width_of(table);
    if ((table->count + 1) * width > table->room) {
        size_t room = 2 * table->room + 16 * width;
        char **grown = realloc(table->cells, room * sizeof *grown);
        if (!grown) {
            return mr_error_nomem(err, "showing a table");
        }
        table->cells = grown;
        table->room = room;
    }
    char **row = table->cells + table->count * width;
    bool is_whole = true;
    for (size_t i = 0; i < width; i++) {
        row[i] = copy_cell(cells[i]);
        is_whole &= row[i] != NULL;
    }
    table->count++;
    return is_whole ? MR_OK : mr_error_nomem(err, "showing a table");
}

/* In characters of UTF-8. */
static unsigned columns_of(const char *text) {
    unsigned columns = 0;
    for (; text && *text; text++) {
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return columns;
}

static void print_row(struct mr_page *page, const char *const *row, const unsigned *widths,
                      size_t width) {
    for (size_t i = 0; i < width; i++) {
        mr_page_put(page, row[i]);
        unsigned spaces = i + 1 < width ? widths[i] + GAP - columns_of(row[i]) : 0;
        for (; spaces > 0; spaces--) {
            mr_page_put(page, " ");
        }
    }
    mr_page_put(page, "\n");
}

void mr_table_print(const struct mr_table *table, struct mr_page *page) {
    unsigned widths[MR_TABLE_COLUMNS_MAX];
    size_t width = width_of(table);
    for (size_t i = 0; i < width; i++) {
        widths[i] = columns_of(table->columns[i]);
        for (size_t row = 0; row < table->count; row++) {
            unsigned columns = columns_of(table->cells[row * width + i]);
            widths[i] = columns > widths[i] ? columns : widths[i];
        }
    }
    print_row(page, table->columns, widths, width);
    for (size_t row = 0; row < table->count; row++) {
        print_row(page, (const char *const *)table->cells + row * width, widths, width);
    }
}

void mr_table_clear(struct mr_table *table) {
    size_t width = width_of(table);
    for (size_t i = 0; i < table->count * width; i++) {
        free(table->cells[i]);
    }
    table->count = 0;
}

void mr_table_fini(struct mr_table *table) {
    mr_table_clear(table);
    free(table->cells);
    table->cells = NULL;
    table->room = 0;
}
