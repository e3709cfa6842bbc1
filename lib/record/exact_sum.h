/* exact_sum: the exact sum of f64 values, whatever their order. */
#ifndef MR_RECORD_EXACT_SUM_H
#define MR_RECORD_EXACT_SUM_H

#include <mr/bytes.h>
#include <mr/status.h>
#include <stdbool.h>
#include <stdint.h>

/* Two representations of the same thing. A window holds the sum as a 128-bit integer times
 * 2^(base-1074), which is enough while the values are of like size. What does not fit goes to a
 * wide sum, which holds every finite f64 and 2^63 additions. Both are the caller's storage,
 * zero-initialised: the empty sum, 0. Each is written by one thread at a time. Nothing here
 * allocates or depends on the rounding mode.
 *
 * A sum has a kind. Adding +Inf or -Inf makes it that infinity; NaN, or both infinities, makes it
 * NaN; its finite part means nothing then. -0 adds nothing: a sum of zeros alone is +0, as is one
 * that cancels. */
enum mr_exact_kind { MR_EXACT_FINITE, MR_EXACT_PLUS_INF, MR_EXACT_MINUS_INF, MR_EXACT_NAN };

struct mr_exact_window {
    uint64_t low;  /* of a two's complement integer of 128 bits */
    uint64_t high; /* */
    uint16_t base; /* its unit is 2^(base-1074); any where the integer is 0 */
    uint8_t kind;  /* enum mr_exact_kind */
    uint8_t unused;
    uint32_t spare; /* the owner's (a mark that the sum moved to a wide one); never touched here */
};

#define MR_EXACT_SUM_LIMBS 70

/* limb[i] counts units of 2^(32*i-1074); it may be negative, and exceed 32 bits by `pending`
 * additions. */
struct mr_exact_wide {
    int64_t limb[MR_EXACT_SUM_LIMBS];
    uint32_t pending;
    uint8_t kind; /* enum mr_exact_kind */
};

/* Add a value. Window: false where it does not fit; the window is unchanged then, and the way on is
 * wide_add_window, then wide_add. Values that are not finite always fit. */
MR_MUST_USE bool mr_exact_sum_window_add(struct mr_exact_window *sum, double value);
void mr_exact_sum_wide_add(struct mr_exact_wide *sum, double value);

/* Add the sum `from` to `sum`. Windows: false where that does not fit; unchanged then. */
MR_MUST_USE bool mr_exact_sum_window_merge(struct mr_exact_window *sum,
                                           const struct mr_exact_window *from);
void mr_exact_sum_wide_add_window(struct mr_exact_wide *sum, const struct mr_exact_window *from);
void mr_exact_sum_wide_merge(struct mr_exact_wide *sum, const struct mr_exact_wide *from);

/* The f64 nearest to the exact sum, ties to even; beyond the range an infinity. NaN is always the
 * same quiet one. */
double mr_exact_sum_window_round(const struct mr_exact_window *sum);
double mr_exact_sum_wide_round(const struct mr_exact_wide *sum);

/* A sum as bytes, which depend on its exact value and kind alone, not on how it was held or made:
 *   one byte: the kind; MR_EXACT_FINITE stands for 0
 *   else: u16 little-endian (its low 15 bits: I; its highest: the sum is negative), then the
 *   magnitude in units of 2^(8*I-1074), little-endian, neither its first nor its last byte 0
 *
 * `out` has room for MR_EXACT_SUM_WINDOW_BYTES_MAX (3 to 11 are usual) or MR_EXACT_SUM_BYTES_MAX.
 * Return how many bytes were written. */
#define MR_EXACT_SUM_WINDOW_BYTES_MAX 19
#define MR_EXACT_SUM_BYTES_MAX (2 + 4 * MR_EXACT_SUM_LIMBS)
size_t mr_exact_sum_window_encode(const struct mr_exact_window *sum, char *out);
size_t mr_exact_sum_wide_encode(const struct mr_exact_wide *sum, char *out);

/* Add an encoded sum. MR_ERR_INPUT where the bytes are not what encode writes; the sum is unchanged
 * then. Window: stores whether it fitted; unchanged where it did not. Any bytes are safe to hand
 * in. */
MR_MUST_USE int mr_exact_sum_window_decode_add(struct mr_exact_window *sum, struct mr_bytes bytes,
                                               bool *fitted, struct mr_error *err);
MR_MUST_USE int mr_exact_sum_wide_decode_add(struct mr_exact_wide *sum, struct mr_bytes bytes,
                                             struct mr_error *err);

#endif
