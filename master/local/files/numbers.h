/* numbers: facts as bytes: little-endian numbers in a row, text behind them. */
#ifndef MR_FILES_NUMBERS_H
#define MR_FILES_NUMBERS_H

#include "lib/base/buffer.h"
#include "master/journal/facts.h"
#include <stdbool.h>

MR_MUST_USE int mr_numbers_put(struct mr_buffer *bytes, const uint64_t *numbers, size_t count,
                               struct mr_error *err);

/* The first `count` numbers of a fact, and what stands behind them, which it lends; false: it is
 * too short. */
bool mr_numbers_get(const struct mr_fact *fact, uint64_t *numbers, size_t count,
                    struct mr_bytes *rest);

#endif
