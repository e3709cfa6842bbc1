/* nearest: finds the name that a mistyped one was probably meant to be. */
#ifndef MR_BASE_NEAREST_H
#define MR_BASE_NEAREST_H

#include <stddef.h>

/* The name among `names` nearest to `typed` by optimal string alignment distance (a swap of
 * neighbours counts one), or NULL where none is near (more than a third of its length away, at
 * least one edit allowed). */
const char *mr_nearest(const char *typed, const char *const *names, size_t count);

#endif
