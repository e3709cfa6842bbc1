/* exact_sum: the exact sum of f64 values, whatever their order.
 *
 * Float addition rounds, so its result depends on the order, and a combiner's order depends on when
 * its table was flushed. Here values are added as integers, which does not round; the one rounding
 * is at the end. Every finite f64 is an integer of at most 53 bits times 2^(position-1074),
 * position 0..2045; "position" and "base" below are always such powers.
 *
 * Window. value = integer * 2^(base-1074). The fast path shifts the 53 bits to their place and
 * adds, where that stays within 128 bits. Otherwise both are looked at: trailing zeros tell how far
 * the base could be raised, leading ones how far lowered, and where a base exists that holds both,
 * the window moves there, with the free bits left half below and half above. Only where none exists
 * does the value "not fit".
 *
 * Wide. Digits of 32 bits in limbs of 64, so that additions needn't carry: a limb takes 2^30 of
 * them before settle() brings the digits back to 0..2^32-1 (the topmost takes the sign). 2^63
 * values of 2^1024 at most end below position 1074+1024+63 = 2161, within digit 67; decoded sums
 * may reach position 2176 (68 digits), which leaves two digits for 2^63 of those.
 *
 * Exactness makes every operation associative and commutative: a sum's rounding and encoding are
 * functions of the multiset of values. What differs is only when a window gives up, which neither
 * shows. */
#include "lib/record/exact_sum.h"

#include "lib/base/error.h"
#include <math.h>
#include <string.h>

#define MANTISSA_BITS 52
#define HIDDEN_BIT ((uint64_t)1 << MANTISSA_BITS)
#define EXPONENT_ALL_ONES 2047u
#define SIGN_BIT ((uint64_t)1 << 63)
#define INF_BITS ((uint64_t)EXPONENT_ALL_ONES << MANTISSA_BITS)

#define WINDOW_BITS 127u /* of the magnitude; the 128th is the sign */
#define SHIFT_MAX 73u    /* 53 bits shifted so far stay below 2^126 */
#define PENDING_MAX ((uint32_t)1 << 30)
#define DIGIT_BITS 32
#define DIGIT_MASK 0xffffffffu
#define LIMBS MR_EXACT_SUM_LIMBS
#define DECODED_BYTES_MAX 272u /* magnitudes end below position 2176 */

/* A finite f64: magnitude * 2^(position-1074). */
struct parts {
    uint64_t magnitude;
    unsigned position;
    bool negative;
};

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double from_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static bool is_finite(uint64_t bits) {
    return (bits & INF_BITS) != INF_BITS;
}

static struct parts parts_of(uint64_t bits) {
    unsigned exponent = (unsigned)(bits >> MANTISSA_BITS) & EXPONENT_ALL_ONES;
    bool normal = exponent != 0;
    struct parts parts = {.magnitude = (bits & (HIDDEN_BIT - 1)) | (normal ? HIDDEN_BIT : 0),
                          .position = exponent - normal,
                          .negative = bits >> 63};
    return parts;
}

static uint8_t kind_of_nonfinite(uint64_t bits) {
    if (bits & (HIDDEN_BIT - 1)) {
        return MR_EXACT_NAN;
    }
    return bits & SIGN_BIT ? MR_EXACT_MINUS_INF : MR_EXACT_PLUS_INF;
}

static double value_of_kind(uint8_t kind) {
    switch (kind) {
    case MR_EXACT_PLUS_INF:
        return (double)INFINITY;
    case MR_EXACT_MINUS_INF:
        return -(double)INFINITY;
    default:
        return from_bits(INF_BITS | HIDDEN_BIT >> 1);
    }
}

/* --- windows --- */

static unsigned bit_length(unsigned __int128 value) {
    uint64_t high = (uint64_t)(value >> 64);
    uint64_t low = (uint64_t)value;
    if (high) {
        return 128u - (unsigned)__builtin_clzll(high);
    }
    return low ? 64u - (unsigned)__builtin_clzll(low) : 0;
}

/* `value` is not 0. */
static unsigned trailing_zeros(unsigned __int128 value) {
    uint64_t low = (uint64_t)value;
    return (unsigned)(low ? __builtin_ctzll(low) : 64 + __builtin_ctzll((uint64_t)(value >> 64)));
}

static unsigned __int128 magnitude_of(__int128 value) {
    return value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
}

static __int128 window_integer(const struct mr_exact_window *sum) {
    return (__int128)((unsigned __int128)sum->high << 64 | sum->low);
}

static void window_set(struct mr_exact_window *sum, __int128 integer) {
    sum->low = (uint64_t)integer;
    sum->high = (uint64_t)((unsigned __int128)integer >> 64);
}

/* Moves an integer from one base to another that holds it exactly. */
static __int128 rebase(__int128 integer, unsigned from, unsigned to) {
    if (from >= to) {
        return (__int128)((unsigned __int128)integer << (from - to));
    }
    return integer >> (to - from);
}

/* Adds integer * 2^(base-1074), moving the window as needed. */
static bool window_add_at(struct mr_exact_window *sum, __int128 integer, unsigned base) {
    if (integer == 0) {
        return true;
    }
    unsigned __int128 magnitude = magnitude_of(integer);
    unsigned lowest = base + trailing_zeros(magnitude);
    unsigned top = base + bit_length(magnitude);
    __int128 own = window_integer(sum);
    unsigned own_base = sum->base;
    if (own != 0) {
        unsigned __int128 own_magnitude = magnitude_of(own);
        unsigned own_lowest = own_base + trailing_zeros(own_magnitude);
        unsigned own_top = own_base + bit_length(own_magnitude);
        lowest = own_lowest < lowest ? own_lowest : lowest;
        top = own_top > top ? own_top : top;
    }
    unsigned needed = top - lowest + (own != 0); /* two may carry into one bit more */
    if (needed > WINDOW_BITS) {
        return false;
    }
    unsigned below = (WINDOW_BITS - needed) / 2;
    unsigned moved = lowest > below ? lowest - below : 0;
    own = own ? rebase(own, own_base, moved) : 0;
    window_set(sum, own + rebase(integer, base, moved));
    sum->base = (uint16_t)moved;
    return true;
}

__attribute__((noinline)) static bool window_add_slowly(struct mr_exact_window *sum,
                                                        uint64_t bits) {
    if (!is_finite(bits)) {
        sum->kind |= kind_of_nonfinite(bits);
        return true;
    }
    if (sum->kind) {
        return true;
    }
    struct parts parts = parts_of(bits);
    __int128 integer = (__int128)parts.magnitude;
    return window_add_at(sum, parts.negative ? -integer : integer, parts.position);
}

bool mr_exact_sum_window_add(struct mr_exact_window *sum, double value) {
    uint64_t bits = bits_of(value);
    struct parts parts = parts_of(bits);
    unsigned shift = parts.position - sum->base; /* below the base: huge */
    if (shift > SHIFT_MAX || sum->kind || !is_finite(bits)) {
        return window_add_slowly(sum, bits);
    }
    __int128 flip = -(__int128)parts.negative; /* 0, or all ones: no branch on the sign */
    __int128 addend = (((__int128)parts.magnitude << shift) ^ flip) - flip;
    __int128 total;
    if (__builtin_add_overflow(window_integer(sum), addend, &total)) {
        return window_add_slowly(sum, bits);
    }
    window_set(sum, total);
    return true;
}

bool mr_exact_sum_window_merge(struct mr_exact_window *sum, const struct mr_exact_window *from) {
    uint8_t kind = sum->kind | from->kind;
    if (!kind && !window_add_at(sum, window_integer(from), from->base)) {
        return false;
    }
    sum->kind = kind;
    return true;
}

/* Rounds magnitude * 2^(base-1074). */
static double round_magnitude(unsigned __int128 magnitude, unsigned base, bool negative) {
    unsigned top = base + bit_length(magnitude);
    /* The position of the result's last bit. */
    unsigned unit = top > MANTISSA_BITS + 1 ? top - (MANTISSA_BITS + 1) : 0;
    uint64_t mantissa;
    if (unit <= base) {
        mantissa = (uint64_t)(magnitude << (base - unit));
    } else {
        unsigned dropped = unit - base;
        unsigned __int128 half = (unsigned __int128)1 << (dropped - 1);
        unsigned __int128 rest = magnitude & ((half << 1) - 1);
        mantissa = (uint64_t)(magnitude >> dropped);
        mantissa += rest > half || (rest == half && (mantissa & 1));
    }
    /* The hidden bit, where there is one, adds itself to the exponent; so does a carry out of the
     * mantissa. */
    uint64_t bits = ((uint64_t)unit << MANTISSA_BITS) + mantissa;
    bits = bits < INF_BITS ? bits : INF_BITS;
    return from_bits(bits | (negative ? SIGN_BIT : 0));
}

double mr_exact_sum_window_round(const struct mr_exact_window *sum) {
    if (sum->kind) {
        return value_of_kind(sum->kind);
    }
    __int128 integer = window_integer(sum);
    if (integer == 0) {
        return 0.0;
    }
    return round_magnitude(magnitude_of(integer), sum->base, integer < 0);
}

/* --- wide sums --- */

/* Brings all limbs but the topmost to 0..2^32-1. */
static void settle(struct mr_exact_wide *sum) {
    int64_t carry = 0;
    for (size_t i = 0; i < LIMBS - 1; i++) {
        int64_t limb = sum->limb[i] + carry;
        sum->limb[i] = limb & DIGIT_MASK;
        carry = limb >> DIGIT_BITS;
    }
    sum->limb[LIMBS - 1] += carry;
    sum->pending = 0;
}

/* Room for `additions` more to each limb. */
static void make_room(struct mr_exact_wide *sum, uint32_t additions) {
    if (sum->pending + additions > PENDING_MAX) {
        settle(sum);
    }
    sum->pending += additions;
}

/* Adds magnitude * 2^(position-1074): one digit to each of three limbs at most. */
static void add_digits(struct mr_exact_wide *sum, uint64_t magnitude, unsigned position,
                       bool negative) {
    int64_t sign = negative ? -1 : 1;
    unsigned __int128 rest = (unsigned __int128)magnitude << (position % DIGIT_BITS);
    for (size_t i = position / DIGIT_BITS; rest; i++, rest >>= DIGIT_BITS) {
        sum->limb[i] += sign * (int64_t)(rest & DIGIT_MASK);
    }
}

void mr_exact_sum_wide_add(struct mr_exact_wide *sum, double value) {
    uint64_t bits = bits_of(value);
    if (!is_finite(bits)) {
        sum->kind |= kind_of_nonfinite(bits);
        return;
    }
    struct parts parts = parts_of(bits);
    make_room(sum, 1);
    add_digits(sum, parts.magnitude, parts.position, parts.negative);
}

void mr_exact_sum_wide_add_window(struct mr_exact_wide *sum, const struct mr_exact_window *from) {
    __int128 integer = window_integer(from);
    unsigned __int128 magnitude = magnitude_of(integer);
    sum->kind |= from->kind;
    make_room(sum, 2); /* the halves share a limb */
    add_digits(sum, (uint64_t)magnitude, from->base, integer < 0);
    add_digits(sum, (uint64_t)(magnitude >> 64), from->base + 64u, integer < 0);
}

void mr_exact_sum_wide_merge(struct mr_exact_wide *sum, const struct mr_exact_wide *from) {
    struct mr_exact_wide other = *from;
    settle(&other);
    sum->kind |= other.kind;
    make_room(sum, 1);
    for (size_t i = 0; i < LIMBS; i++) {
        sum->limb[i] += other.limb[i];
    }
}

/* Writes the digits of the sum's magnitude; returns how many, without leading zeros. */
static size_t wide_magnitude(const struct mr_exact_wide *sum, uint32_t digit[LIMBS],
                             bool *negative) {
    struct mr_exact_wide copy = *sum;
    settle(&copy);
    *negative = copy.limb[LIMBS - 1] < 0;
    if (*negative) {
        for (size_t i = 0; i < LIMBS; i++) {
            copy.limb[i] = -copy.limb[i];
        }
        settle(&copy);
    }
    size_t count = 0;
    for (size_t i = 0; i < LIMBS; i++) {
        digit[i] = (uint32_t)copy.limb[i];
        count = digit[i] ? i + 1 : count;
    }
    return count;
}

double mr_exact_sum_wide_round(const struct mr_exact_wide *sum) {
    if (sum->kind) {
        return value_of_kind(sum->kind);
    }
    uint32_t digit[LIMBS];
    bool negative;
    size_t count = wide_magnitude(sum, digit, &negative);
    if (count == 0) {
        return 0.0;
    }
    /* The four highest digits, 97 bits at least, decide; of those below only whether they are all
     * 0. */
    size_t lowest = count > 4 ? count - 4 : 0;
    unsigned __int128 magnitude = 0;
    for (size_t i = count; i > lowest; i--) {
        magnitude = magnitude << DIGIT_BITS | digit[i - 1];
    }
    uint32_t below = 0;
    for (size_t i = 0; i < lowest; i++) {
        below |= digit[i];
    }
    return round_magnitude(magnitude | (below != 0), (unsigned)lowest * DIGIT_BITS, negative);
}

/* --- bytes --- */

static void put_head(char *out, size_t index, bool negative) {
    size_t head = index | (size_t)negative << 15;
    out[0] = (char)(head & 0xff);
    out[1] = (char)(head >> 8);
}

size_t mr_exact_sum_window_encode(const struct mr_exact_window *sum, char *out) {
    __int128 integer = window_integer(sum);
    if (sum->kind || integer == 0) {
        out[0] = (char)sum->kind;
        return 1;
    }
    unsigned __int128 magnitude = magnitude_of(integer);
    unsigned zeros = trailing_zeros(magnitude);
    unsigned lowest = sum->base + zeros;
    put_head(out, lowest / 8, integer < 0);
    /* The lowest byte apart: shifted to its place, the whole could take more than 128 bits. */
    magnitude >>= zeros;
    size_t len = 2;
    out[len++] = (char)(uint8_t)(magnitude << (lowest % 8));
    for (magnitude >>= 8 - lowest % 8; magnitude; magnitude >>= 8) {
        out[len++] = (char)(uint8_t)magnitude;
    }
    return len;
}

size_t mr_exact_sum_wide_encode(const struct mr_exact_wide *sum, char *out) {
    uint32_t digit[LIMBS];
    bool negative = false;
    size_t count = sum->kind ? 0 : wide_magnitude(sum, digit, &negative);
    if (count == 0) {
        out[0] = (char)sum->kind;
        return 1;
    }
    size_t len = 2;
    size_t index = 0;
    for (size_t i = 0; i < count * 4; i++) {
        char byte = (char)(uint8_t)(digit[i / 4] >> i % 4 * 8);
        if (len == 2 && !byte) {
            index++;
        } else {
            out[len++] = byte;
        }
    }
    while (!out[len - 1]) {
        len--;
    }
    put_head(out, index, negative);
    return len;
}

/* An encoded sum, checked; `magnitude` is empty where it is 0 or not finite. */
struct decoded {
    struct mr_bytes magnitude;
    unsigned position;
    bool negative;
    uint8_t kind;
};

static int decode(struct mr_bytes bytes, struct decoded *decoded, struct mr_error *err) {
    const uint8_t *data = (const uint8_t *)bytes.data;
    *decoded = (struct decoded){{NULL, 0}, 0, false, MR_EXACT_FINITE};
    if (bytes.len == 1 && data[0] <= MR_EXACT_NAN) {
        decoded->kind = data[0];
        return MR_OK;
    }
    if (bytes.len < 3 || bytes.len > MR_EXACT_SUM_BYTES_MAX) {
        return mr_error_set(err, MR_ERR_INPUT, "an exact sum of %zu bytes", bytes.len);
    }
    unsigned head = data[0] | (unsigned)data[1] << 8;
    unsigned index = head & 0x7fff;
    if (index + bytes.len - 2 > DECODED_BYTES_MAX || !data[2] || !data[bytes.len - 1]) {
        return mr_error_set(err, MR_ERR_INPUT, "an exact sum that is not in its shortest form");
    }
    decoded->magnitude = (struct mr_bytes){bytes.data + 2, bytes.len - 2};
    decoded->position = index * 8;
    decoded->negative = head >> 15;
    return MR_OK;
}

/* Up to eight bytes as a number, little-endian. */
static uint64_t load(const char *data, size_t len) {
    uint64_t value = 0;
    for (size_t i = 0; i < len && i < 8; i++) {
        value |= (uint64_t)(uint8_t)data[i] << 8 * i;
    }
    return value;
}

/* The magnitude as an integer without trailing zeros, and its base; false where it takes more than
 * a window. */
static bool window_magnitude(const struct decoded *decoded, unsigned __int128 *magnitude,
                             unsigned *base) {
    const uint8_t *data = (const uint8_t *)decoded->magnitude.data;
    size_t len = decoded->magnitude.len;
    /* A window's sum may take 17 bytes: the lowest and the highest are not full then. */
    if (len > 17) {
        return false;
    }
    unsigned zeros = trailing_zeros(data[0]);
    unsigned top = (unsigned)(len - 1) * 8 + bit_length(data[len - 1]);
    if (top - zeros > WINDOW_BITS) {
        return false;
    }
    *magnitude = data[0] >> zeros;
    for (unsigned i = 1; i < len; i++) {
        *magnitude |= (unsigned __int128)data[i] << (8 * i - zeros);
    }
    *base = decoded->position + zeros;
    return true;
}

int mr_exact_sum_window_decode_add(struct mr_exact_window *sum, struct mr_bytes bytes, bool *fitted,
                                   struct mr_error *err) {
    struct decoded decoded;
    int status = decode(bytes, &decoded, err);
    if (status) {
        return status;
    }
    *fitted = true;
    sum->kind |= decoded.kind;
    if (sum->kind || decoded.magnitude.len == 0) {
        return MR_OK;
    }
    unsigned __int128 magnitude;
    unsigned base;
    if (!window_magnitude(&decoded, &magnitude, &base)) {
        *fitted = false;
        return MR_OK;
    }
    __int128 integer = (__int128)magnitude;
    *fitted = window_add_at(sum, decoded.negative ? -integer : integer, base);
    return MR_OK;
}

int mr_exact_sum_wide_decode_add(struct mr_exact_wide *sum, struct mr_bytes bytes,
                                 struct mr_error *err) {
    struct decoded decoded;
    int status = decode(bytes, &decoded, err);
    if (status) {
        return status;
    }
    sum->kind |= decoded.kind;
    make_room(sum, 2); /* neighbours of eight bytes share a limb */
    for (size_t i = 0; i < decoded.magnitude.len; i += 8) {
        add_digits(sum, load(decoded.magnitude.data + i, decoded.magnitude.len - i),
                   decoded.position + (unsigned)i * 8, decoded.negative);
    }
    return MR_OK;
}
