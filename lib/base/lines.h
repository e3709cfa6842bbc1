/* lines: counts line ends. */
#ifndef MR_BASE_LINES_H
#define MR_BASE_LINES_H

#include <stddef.h>
#include <stdint.h>

/* How many of the `len` bytes at `data` are '\n', at the speed of memory. Reads nothing outside of
 * them; any alignment; `data` may be NULL where `len` is 0; any thread. */
uint64_t mr_lines_count(const char *data, size_t len);

#endif
