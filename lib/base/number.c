/* number: numbers as text, and text as numbers. */
#include "lib/base/number.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DIGITS_U64_MAX 20

static const char digit_pairs[] = "0001020304050607080910111213141516171819"
                                  "2021222324252627282930313233343536373839"
                                  "4041424344454647484950515253545556575859"
                                  "6061626364656667686970717273747576777879"
                                  "8081828384858687888990919293949596979899";

static const uint64_t powers_of_ten[DIGITS_U64_MAX] = {
    1u,
    10u,
    100u,
    1000u,
    10000u,
    100000u,
    1000000u,
    10000000u,
    100000000u,
    1000000000u,
    10000000000u,
    100000000000u,
    1000000000000u,
    10000000000000u,
    100000000000000u,
    1000000000000000u,
    10000000000000000u,
    100000000000000000u,
    1000000000000000000u,
    10000000000000000000u,
};

static size_t count_digits(uint64_t value) {
    value |= 1; /* zero has a digit too */
    unsigned bits = 64u - (unsigned)__builtin_clzll(value);
    size_t less = bits * 1233u >> 12; /* bits * log10(2): the digits, or one too few */
    return less + (value >= powers_of_ten[less]);
}

size_t mr_number_put_u64(char *out, uint64_t value) {
    size_t len = count_digits(value);
    char *at = out + len;
    while (value >= 100) {
        uint64_t rest = value / 100;
        at -= 2;
        memcpy(at, digit_pairs + 2 * (value - rest * 100), 2);
        value = rest;
    }
    if (value >= 10) {
        memcpy(at - 2, digit_pairs + 2 * value, 2);
    } else {
        at[-1] = (char)('0' + value);
    }
    return len;
}

size_t mr_number_put_i64(char *out, int64_t value) {
    if (value >= 0) {
        return mr_number_put_u64(out, (uint64_t)value);
    }
    *out = '-';
    return 1 + mr_number_put_u64(out + 1, 0 - (uint64_t)value);
}

/* Prints with `precision` digits; true where strtod gives the same value back. Both follow the
 * program's locale. */
static bool put_digits(char *out, int precision, double value) {
    snprintf(out, MR_NUMBER_TEXT_MAX, "%.*g", precision, value);
    return strtod(out, NULL) == value;
}

/* The numbers around a power of two lie closer below it than above, so that the nearest text of 16
 * digits may be read back as the number below while the next text would do (2^-24 is one of 46). */
static bool put_next_digits(char *text, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (bits << 12) {
        return false;
    }
    snprintf(text, MR_NUMBER_TEXT_MAX, "%#.16g", value); /* with its trailing zeros */
    size_t mantissa_len = strcspn(text, "e");
    if (text[mantissa_len - 1] == '9') {
        return false;
    }
    text[mantissa_len - 1]++;
    return strtod(text, NULL) == value;
}

/* The locale may write another decimal point than ours, of one byte or several. */
static size_t put_decimal_point(char *text) {
    size_t lead = strspn(text, "-0123456789");
    size_t foreign = strcspn(text + lead, "e0123456789");
    if (foreign > 0) {
        text[lead] = '.';
        memmove(text + lead + 1, text + lead + foreign, strlen(text + lead + foreign) + 1);
    }
    return strlen(text);
}

static size_t put_word(char *out, const char *word) {
    size_t len = strlen(word);
    memcpy(out, word, len);
    return len;
}

size_t mr_number_put_f64(char *out, double value) {
    if (isnan(value)) {
        return put_word(out, "nan");
    }
    if (isinf(value)) {
        return put_word(out, value < 0 ? "-inf" : "inf");
    }
    if (value == 0) {
        return put_word(out, signbit(value) ? "-0" : "0");
    }
    if (fabs(value) < 1e15 && value == (double)(int64_t)value) {
        return mr_number_put_i64(out, (int64_t)value);
    }
    /* Every text of up to 15 digits survives a normal double, and %g drops trailing zeros: 15 is
     * the least to try. Subnormal numbers are coarser, and may do with any number of digits. */
    char text[MR_NUMBER_TEXT_MAX];
    int precision = isnormal(value) ? 15 : 1;
    while (!put_digits(text, precision, value) && precision < 17) {
        if (precision == 16 && put_next_digits(text, value)) {
            break;
        }
        precision++;
    }
    size_t len = put_decimal_point(text);
    memcpy(out, text, len);
    return len;
}

/* Reads the digits that `text` begins with; NULL where there are none, or too many for 64 bits. */
static const char *read_digits(const char *text, uint64_t *value) {
    const char *at = text;
    uint64_t sum = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(sum, 10u, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(*at - '0'), &sum)) {
            return NULL;
        }
    }
    *value = sum;
    return at == text ? NULL : at;
}

bool mr_number_read_u64(const char *text, uint64_t *value) {
    uint64_t read;
    const char *end = read_digits(text, &read);
    if (!end || *end) {
        return false;
    }
    *value = read;
    return true;
}

static const char size_units[] = "KMGT";

bool mr_number_read_size(const char *text, uint64_t *bytes) {
    uint64_t read;
    const char *end = read_digits(text, &read);
    if (!end) {
        return false;
    }
    const char *unit = *end ? strchr(size_units, toupper((unsigned char)*end)) : NULL;
    unsigned shift = unit ? 10u * (unsigned)(unit - size_units + 1) : 0;
    end += unit ? 1 : 0;
    bool is_whole = !*end || !strcasecmp(end, "b") || (unit && !strcasecmp(end, "ib"));
    if (!is_whole || read > UINT64_MAX >> shift) {
        return false;
    }
    *bytes = read << shift;
    return true;
}

/* An exact multiple of a power of 1024, below 1024 of them, reads best as it would be typed. */
static bool put_exact_size(char *out, size_t size, uint64_t bytes) {
    for (unsigned i = 4; i > 0; i--) {
        uint64_t unit = UINT64_C(1) << (10 * i);
        if (bytes >= unit && bytes % unit == 0 && bytes / unit < 1024) {
            snprintf(out, size, "%llu%c", (unsigned long long)(bytes / unit), size_units[i - 1]);
            return true;
        }
    }
    return false;
}

static uint64_t divide_rounded(uint64_t a, uint64_t b) {
    return a / b + (a % b >= b / 2);
}

void mr_number_put_size(char *out, size_t size, uint64_t bytes) {
    static const char *const names[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    if (put_exact_size(out, size, bytes)) {
        return;
    }
    if (bytes < 1000) {
        snprintf(out, size, "%llu B", (unsigned long long)bytes);
        return;
    }
    size_t name = 0;
    uint64_t unit = 1000;
    while (divide_rounded(bytes, unit) >= 1000) {
        unit *= 1000;
        name++;
    }
    uint64_t tenths = divide_rounded(bytes, unit / 10);
    if (tenths < 1000) {
        snprintf(out, size, "%u.%u %s", (unsigned)(tenths / 10), (unsigned)(tenths % 10),
                 names[name]);
    } else {
        snprintf(out, size, "%u %s", (unsigned)divide_rounded(bytes, unit), names[name]);
    }
}
