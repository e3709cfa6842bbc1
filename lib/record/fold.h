/* fold: the values of equal keys, folded into one: the encodings in runs and the folding itself.
 *
 * A value in a run is encoded by its kind:
 *   MR_SUM_U64 MR_MIN_U64 MR_MAX_U64   the number, little-endian, without its leading zero bytes (0
 * to 8 bytes) MR_SUM_I64 MR_MIN_I64 MR_MAX_I64   zigzag (0, -1, 1, -2 ...) of 128 bits, likewise (0
 * to 16 bytes) MR_SUM_F64                         exact_sum.h's canonical encoding MR_MIN_F64
 * MR_MAX_F64              the 8 bytes of its rank (a u64 that orders like the number) MR_FIRST
 * MR_VALUES                 16 bytes of place, then the bytes MR_COMBINED the bytes A place is
 * where in the input a value comes from: split (32 bits), offset of its record in the split (64),
 * ordinal of the emit within the record (32), big-endian in this order, so that memcmp orders
 * places.
 *
 * Folding is exact for every kind: whatever is folded first, the encoding of the result is the same
 * bytes. */
#ifndef MR_RECORD_FOLD_H
#define MR_RECORD_FOLD_H

#include "lib/base/buffer.h"
#include "lib/record/exact_sum.h"
#include <mr/job.h>

#define MR_FOLD_PLACE_BYTES 16
#define MR_FOLD_NUMBER_MAX 16                    /* of an encoded integer */
#define MR_FOLD_VALUE_MAX MR_EXACT_SUM_BYTES_MAX /* of any encoded number */

struct mr_place {
    uint32_t split;
    uint64_t offset;
    uint32_t nth;
};
void mr_fold_put_place(char out[MR_FOLD_PLACE_BYTES], struct mr_place place);

/* Encodings of numbers; put returns the length, get fails (false) on a length that can't be. */
static inline size_t mr_fold_put_u64(char *out, uint64_t value) {
    size_t len = value ? 8 - (size_t)__builtin_clzll(value) / 8 : 0;
    memcpy(out, &value, 8); /* little-endian; `out` has room for 8 */
    return len;
}
static inline bool mr_fold_get_u64(struct mr_bytes bytes, uint64_t *value) {
    if (bytes.len > 8) {
        return false;
    }
    uint64_t got = 0;
    memcpy(&got, bytes.data, bytes.len);
    *value = got;
    return true;
}
size_t mr_fold_put_i128(char *out, __int128 value);
bool mr_fold_get_i128(struct mr_bytes bytes, __int128 *value);

/* The rank of an f64: orders as u64 like the numbers do, -0 < +0; not for NaN. */
uint64_t mr_fold_rank(double value);
double mr_fold_unrank(uint64_t rank);

static inline bool mr_fold_is_u64(enum mr_value kind) {
    return kind == MR_SUM_U64 || kind == MR_MIN_U64 || kind == MR_MAX_U64;
}
static inline bool mr_fold_is_i64(enum mr_value kind) {
    return kind == MR_SUM_I64 || kind == MR_MIN_I64 || kind == MR_MAX_I64;
}
static inline bool mr_fold_is_f64(enum mr_value kind) {
    return kind == MR_SUM_F64 || kind == MR_MIN_F64 || kind == MR_MAX_F64;
}
static inline bool mr_fold_is_placed(enum mr_value kind) {
    return kind == MR_VALUES || kind == MR_FIRST;
}

/* The job's own fold, for MR_COMBINED: appends the combination of `into` and `value` to `out`. */
typedef int (*mr_fold_combine_fn)(void *arg, struct mr_bytes key, struct mr_bytes into,
                                  struct mr_bytes value, struct mr_buffer *out);

/* Folds the encoded values of one key after the other. In the caller's storage; zero-initialise,
 * set kind, combine and arg, release with mr_fold_fini. Not for MR_VALUES. */
struct mr_fold {
    enum mr_value kind;
    mr_fold_combine_fn combine;
    void *arg;
    uint64_t u64;
    __int128 i128;
    struct mr_exact_wide wide;
    struct mr_buffer bytes;
    struct mr_buffer spare;
    char encoded[MR_FOLD_VALUE_MAX];
};

/* Starts with the first value of a key. */
MR_MUST_USE int mr_fold_begin(struct mr_fold *fold, struct mr_bytes value, struct mr_error *err);
/* Folds one more in. A sum of u64 that overflows: MR_ERR_JOB, naming the key. */
MR_MUST_USE int mr_fold_add(struct mr_fold *fold, struct mr_bytes key, struct mr_bytes value,
                            struct mr_error *err);
/* The encoded result, valid until the fold's next use. */
MR_MUST_USE int mr_fold_result(struct mr_fold *fold, struct mr_bytes *value, struct mr_error *err);
void mr_fold_fini(struct mr_fold *fold);

/* Reads a result as the number that reduce gets. A final i64 sum outside of 64 bits: MR_ERR_JOB,
 * naming the key. */
MR_MUST_USE int mr_fold_number_u64(struct mr_bytes value, uint64_t *number, struct mr_error *err);
MR_MUST_USE int mr_fold_number_i64(struct mr_bytes key, struct mr_bytes value, int64_t *number,
                                   struct mr_error *err);
MR_MUST_USE int mr_fold_number_f64(enum mr_value kind, struct mr_bytes value, double *number,
                                   struct mr_error *err);

/* Writes a key for an error: quoted, unprintable bytes escaped, cut at 60 bytes. */
#define MR_FOLD_KEY_TEXT_MAX 280
const char *mr_fold_key_text(struct mr_bytes key, char out[MR_FOLD_KEY_TEXT_MAX]);

#endif
