/* units: counts, bytes and times as people read them. */
#ifndef MR_TERM_UNITS_H
#define MR_TERM_UNITS_H

#include <stddef.h>
#include <stdint.h>

#define MR_UNITS_TEXT_MAX 32

/* Each writes at most `size` bytes, terminated, and returns `out`. Powers of 1000. */
const char *mr_units_count(char *out, size_t size, uint64_t count);   /* "812", "195.0 M" */
const char *mr_units_bytes(char *out, size_t size, uint64_t bytes);   /* "812 B", "1.06 GB" */
const char *mr_units_seconds(char *out, size_t size, double seconds); /* "0.6 s", "2 min 05 s" */

/* Bytes in a time: "1.70 GB/s"; "-" where the time is too short to tell. */
const char *mr_units_rate(char *out, size_t size, uint64_t bytes, double seconds);

#endif
