/* number: numbers as text, and text as numbers. */
#ifndef MR_BASE_NUMBER_H
#define MR_BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MR_NUMBER_TEXT_MAX 40

/* Write the decimal digits into `out` (MR_NUMBER_TEXT_MAX bytes), unterminated; return how many
 * bytes. f64: the shortest digits that strtod reads back to the same bits. */
size_t mr_number_put_u64(char *out, uint64_t value);
size_t mr_number_put_i64(char *out, int64_t value);
size_t mr_number_put_f64(char *out, double value);

/* Read the whole of `text` as a decimal number; false where it is anything else or does not fit. */
bool mr_number_read_u64(const char *text, uint64_t *value);

/* Reads a size: digits with an optional K, M, G or T (powers of 1024; a B or iB may follow). */
bool mr_number_read_size(const char *text, uint64_t *bytes);

/* Writes a size for people, terminated: "1.2 GB", "512 MiB"-style is for settings: exact powers
 * print as "256M". */
void mr_number_put_size(char *out, size_t size, uint64_t bytes);

#endif
