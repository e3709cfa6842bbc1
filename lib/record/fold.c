/* fold: the values of equal keys, folded into one: the encodings in runs and the folding itself. */
#include "lib/record/fold.h"

#include "lib/base/error.h"
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

void mr_fold_put_place(char out[MR_FOLD_PLACE_BYTES], struct mr_place place) {
    uint32_t split = htobe32(place.split);
    uint64_t offset = htobe64(place.offset);
    uint32_t nth = htobe32(place.nth);
    memcpy(out, &split, sizeof split);
    memcpy(out + 4, &offset, sizeof offset);
    memcpy(out + 12, &nth, sizeof nth);
}

size_t mr_fold_put_i128(char *out, __int128 value) {
    unsigned __int128 zigzag = ((unsigned __int128)value << 1) ^ (unsigned __int128)(value >> 127);
    size_t len = 0;
    for (; zigzag; zigzag >>= 8) {
        out[len++] = (char)(uint8_t)zigzag;
    }
    return len;
}

bool mr_fold_get_i128(struct mr_bytes bytes, __int128 *value) {
    unsigned __int128 zigzag = 0;
    if (bytes.len > MR_FOLD_NUMBER_MAX) {
        return false;
    }
    memcpy(&zigzag, bytes.data, bytes.len);
    *value = (__int128)(zigzag >> 1) ^ -(__int128)(zigzag & 1);
    return true;
}

uint64_t mr_fold_rank(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t sign = (uint64_t)1 << 63;
    return bits & sign ? ~bits : bits | sign;
}

double mr_fold_unrank(uint64_t rank) {
    uint64_t sign = (uint64_t)1 << 63;
    uint64_t bits = rank & sign ? rank & ~sign : ~rank;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int malformed(struct mr_error *err) {
    return mr_error_set(err, MR_ERR_INTERNAL, "a sorted run holds a malformed value");
}

static int get_u64(struct mr_bytes value, uint64_t *number, struct mr_error *err) {
    return mr_fold_get_u64(value, number) ? MR_OK : malformed(err);
}

static int get_i128(struct mr_bytes value, __int128 *number, struct mr_error *err) {
    return mr_fold_get_i128(value, number) ? MR_OK : malformed(err);
}

int mr_fold_begin(struct mr_fold *fold, struct mr_bytes value, struct mr_error *err) {
    if (mr_fold_is_u64(fold->kind)) {
        return get_u64(value, &fold->u64, err);
    }
    if (mr_fold_is_i64(fold->kind)) {
        return get_i128(value, &fold->i128, err);
    }
    if (fold->kind == MR_SUM_F64) {
        fold->wide = (struct mr_exact_wide){0};
        return mr_exact_sum_wide_decode_add(&fold->wide, value, err);
    }
    fold->bytes.len = 0;
    return mr_buffer_append(&fold->bytes, value.data, value.len, err);
}

static int add_u64(struct mr_fold *fold, struct mr_bytes key, struct mr_bytes value,
                   struct mr_error *err) {
    uint64_t number = 0;
    if (get_u64(value, &number, err)) {
        return err->code;
    }
    if (fold->kind == MR_MIN_U64) {
        fold->u64 = number < fold->u64 ? number : fold->u64;
    } else if (fold->kind == MR_MAX_U64) {
        fold->u64 = number > fold->u64 ? number : fold->u64;
    } else if (__builtin_add_overflow(fold->u64, number, &fold->u64)) {
        char text[MR_FOLD_KEY_TEXT_MAX];
        return mr_error_set(err, MR_ERR_JOB, "the sum of %s is larger than 2^64-1",
                            mr_fold_key_text(key, text));
    }
    return MR_OK;
}

static int add_i128(struct mr_fold *fold, struct mr_bytes value, struct mr_error *err) {
    __int128 number = 0;
    if (get_i128(value, &number, err)) {
        return err->code;
    }
    if (fold->kind == MR_MIN_I64) {
        fold->i128 = number < fold->i128 ? number : fold->i128;
    } else if (fold->kind == MR_MAX_I64) {
        fold->i128 = number > fold->i128 ? number : fold->i128;
    } else {
        fold->i128 += number; /* 2^63 values of 64 bits fit */
    }
    return MR_OK;
}

/* Ranks and places are stored so that their bytes order them. */
static bool replaces(enum mr_value kind, struct mr_bytes old, struct mr_bytes value) {
    size_t len = kind == MR_FIRST ? MR_FOLD_PLACE_BYTES : sizeof(uint64_t);
    int order = memcmp(value.data, old.data, len);
    return kind == MR_MAX_F64 ? order > 0 : order < 0;
}

static int add_bytes(struct mr_fold *fold, struct mr_bytes key, struct mr_bytes value,
                     struct mr_error *err) {
    struct mr_bytes old = {fold->bytes.data, fold->bytes.len};
    if (fold->kind == MR_COMBINED) {
        if (fold->combine(fold->arg, key, old, value, &fold->spare)) {
            return mr_error_set(err, MR_ERR_JOB, "combine failed");
        }
        struct mr_buffer swap = fold->bytes;
        fold->bytes = fold->spare;
        fold->spare = swap;
        return MR_OK;
    }
    if (!replaces(fold->kind, old, value)) {
        return MR_OK;
    }
    fold->bytes.len = 0;
    return mr_buffer_append(&fold->bytes, value.data, value.len, err);
}

int mr_fold_add(struct mr_fold *fold, struct mr_bytes key, struct mr_bytes value,
                struct mr_error *err) {
    if (mr_fold_is_u64(fold->kind)) {
        return add_u64(fold, key, value, err);
    }
    if (mr_fold_is_i64(fold->kind)) {
        return add_i128(fold, value, err);
    }
    if (fold->kind == MR_SUM_F64) {
        return mr_exact_sum_wide_decode_add(&fold->wide, value, err);
    }
    return add_bytes(fold, key, value, err);
}

int mr_fold_result(struct mr_fold *fold, struct mr_bytes *value, struct mr_error *err) {
    (void)err;
    value->data = fold->encoded;
    if (mr_fold_is_u64(fold->kind)) {
        value->len = mr_fold_put_u64(fold->encoded, fold->u64);
    } else if (mr_fold_is_i64(fold->kind)) {
        value->len = mr_fold_put_i128(fold->encoded, fold->i128);
    } else if (fold->kind == MR_SUM_F64) {
        value->len = mr_exact_sum_wide_encode(&fold->wide, fold->encoded);
    } else {
        /* Without data it would be no value at all: mr_emit. */
        *value = (struct mr_bytes){fold->bytes.len ? fold->bytes.data : "", fold->bytes.len};
    }
    return MR_OK;
}

void mr_fold_fini(struct mr_fold *fold) {
    mr_buffer_fini(&fold->bytes);
    mr_buffer_fini(&fold->spare);
}

int mr_fold_number_u64(struct mr_bytes value, uint64_t *number, struct mr_error *err) {
    return get_u64(value, number, err);
}

int mr_fold_number_i64(struct mr_bytes key, struct mr_bytes value, int64_t *number,
                       struct mr_error *err) {
    __int128 sum = 0;
    if (get_i128(value, &sum, err)) {
        return err->code;
    }
    if (sum > INT64_MAX || sum < INT64_MIN) {
        char text[MR_FOLD_KEY_TEXT_MAX];
        return mr_error_set(err, MR_ERR_JOB, "the sum of %s does not fit 64 bits",
                            mr_fold_key_text(key, text));
    }
    *number = (int64_t)sum;
    return MR_OK;
}

int mr_fold_number_f64(enum mr_value kind, struct mr_bytes value, double *number,
                       struct mr_error *err) {
    if (kind == MR_SUM_F64) {
        struct mr_exact_wide wide = {0};
        if (mr_exact_sum_wide_decode_add(&wide, value, err)) {
            return err->code;
        }
        *number = mr_exact_sum_wide_round(&wide);
        return MR_OK;
    }
    uint64_t rank;
    if (value.len != sizeof rank) {
        return malformed(err);
    }
    memcpy(&rank, value.data, sizeof rank);
    *number = mr_fold_unrank(be64toh(rank));
    return MR_OK;
}

const char *mr_fold_key_text(struct mr_bytes key, char out[MR_FOLD_KEY_TEXT_MAX]) {
    size_t shown = key.len < 60 ? key.len : 60;
    char *at = out;
    *at++ = '"';
    for (size_t i = 0; i < shown; i++) {
        unsigned char byte = (unsigned char)key.data[i];
        if (byte >= ' ' && byte < 0x7F && byte != '"' && byte != '\\') {
            *at++ = (char)byte;
        } else {
            at += snprintf(at, 5, "\\x%02x", byte);
        }
    }
    snprintf(at, 6, "%s\"", shown < key.len ? "..." : "");
    return out;
}
