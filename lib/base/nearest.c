/* nearest: finds the name that a mistyped one was probably meant to be. */
#include "lib/base/nearest.h"

#include <string.h>

/* Longer names than this are neither proposed nor answered: nobody mistypes them. */
#define NAME_LEN_MAX 63

static size_t min(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Optimal string alignment: insert, delete, replace or swap two neighbours, each for one. A row of
 * the table needs the two before it. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len) {
    size_t rows[3][NAME_LEN_MAX + 1];
    for (size_t j = 0; j <= b_len; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t replaced = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = min(replaced, min(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = min(row[j], rows[(i - 2) % 3][j - 2] + 1);
            }
        }
    }
    return rows[a_len % 3][b_len];
}

/* Near: at most a third of the name edited, or one edit; but some of it must have been typed. */
static size_t distance_max(size_t name_len) {
    size_t third = name_len / 3;
    return name_len < 2 ? 0 : third > 1 ? third : 1;
}

const char *mr_nearest(const char *typed, const char *const *names, size_t count) {
    size_t typed_len = strlen(typed);
    const char *nearest = NULL;
    size_t nearest_distance = NAME_LEN_MAX + 1;
    for (size_t i = 0; i < count && typed_len <= NAME_LEN_MAX; i++) {
        size_t len = strlen(names[i]);
        if (len > NAME_LEN_MAX) {
            continue;
        }
        size_t here = distance(typed, typed_len, names[i], len);
        if (here <= distance_max(len) && here < nearest_distance) {
            nearest = names[i];
            nearest_distance = here;
        }
    }
    return nearest;
}
