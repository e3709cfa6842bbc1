/* scan_x86: the paths for x86-64: AVX-512BW, AVX2, and SSE2, which every such processor has. */
#if defined(__x86_64__)
#include "jobs/wordcount/scan.h"
#include <immintrin.h>

/* AVX-512BW: 64 bytes are one register, and a comparison gives the mask itself. */

#define ROWS(name) avx512_##name
#define ROWS_TARGET __attribute__((target("avx512f,avx512bw,bmi,popcnt")))
#define ROWS_BYTES __m512i

ROWS_TARGET static inline __m512i avx512_load(const char *text) {
    return _mm512_loadu_si512((const void *)text);
}

ROWS_TARGET static inline void avx512_store(char *out, __m512i bytes) {
    _mm512_storeu_si512((void *)out, bytes);
}

ROWS_TARGET static inline uint64_t avx512_equal(__m512i bytes, char byte) {
    return _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte));
}

ROWS_TARGET static inline uint64_t avx512_between(__m512i bytes, char first, char last) {
    __m512i above = _mm512_sub_epi8(bytes, _mm512_set1_epi8(first));
    return _mm512_cmple_epu8_mask(above, _mm512_set1_epi8((char)(last - first)));
}

ROWS_TARGET static inline uint64_t avx512_high(__m512i bytes) {
    return _mm512_movepi8_mask(bytes);
}

ROWS_TARGET static inline __m512i avx512_fold(__m512i bytes) {
    __mmask64 upper = avx512_between(bytes, 'A', 'Z');
    return _mm512_mask_add_epi8(bytes, upper, bytes, _mm512_set1_epi8(0x20));
}

ROWS_TARGET static inline uint64_t avx512_ones(uint64_t mask) {
    return (uint64_t)__builtin_popcountll(mask);
}

#include "jobs/wordcount/scan_rows.h"

static bool avx512_usable(void) {
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("popcnt");
}

const struct mr_scan mr_scan_x86_avx512 = {
    .name = "avx512",
    .usable = avx512_usable,
    .whitespace = avx512_whitespace,
    .letters = avx512_letters,
    .classes = avx512_classes,
    .lower = avx512_lower,
    .edges = avx512_edges,
    .count = avx512_count,
};

/* AVX-512VBMI2: besides, the numbers of the bits that are set in a mask, all at once. */

__attribute__((target("avx512f,avx512bw,avx512vbmi2,popcnt"))) static size_t vbmi2_edges(
    const uint64_t *masks, size_t rows, uint32_t *edges) {
    static const uint8_t numbers[64] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
        44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
    uint32_t *out = edges;
    uint64_t inside = 0;
    for (size_t row = 0; row < rows; row++) {
        uint64_t bits = masks[row] ^ (masks[row] << 1 | inside);
        inside = masks[row] >> 63;
        __m512i found = _mm512_maskz_compress_epi8(bits, _mm512_loadu_si512(numbers));
        __m128i quarters[4] = {_mm512_castsi512_si128(found), _mm512_extracti32x4_epi32(found, 1),
                               _mm512_extracti32x4_epi32(found, 2),
                               _mm512_extracti32x4_epi32(found, 3)};
        __m512i base = _mm512_set1_epi32((int)(row * MR_SCAN_ROW));
        for (int i = 0; i < 4; i++) {
            __m512i places = _mm512_add_epi32(base, _mm512_cvtepu8_epi32(quarters[i]));
            _mm512_storeu_si512(out + 16 * i, places);
        }
        out += avx512_ones(bits);
    }
    return (size_t)(out - edges);
}

static bool vbmi2_usable(void) {
    return avx512_usable() && __builtin_cpu_supports("avx512vbmi2");
}

const struct mr_scan mr_scan_x86_vbmi2 = {
    .name = "vbmi2",
    .usable = vbmi2_usable,
    .whitespace = avx512_whitespace,
    .letters = avx512_letters,
    .classes = avx512_classes,
    .lower = avx512_lower,
    .edges = vbmi2_edges,
    .count = avx512_count,
};

/* AVX2: two registers of 32 bytes. */

struct two {
    __m256i low, high;
};

#define ROWS(name) avx2_##name
#define ROWS_TARGET __attribute__((target("avx2,bmi,popcnt")))
#define ROWS_BYTES struct two

ROWS_TARGET static inline struct two avx2_load(const char *text) {
    return (struct two){_mm256_loadu_si256((const void *)text),
                        _mm256_loadu_si256((const void *)(text + 32))};
}

ROWS_TARGET static inline void avx2_store(char *out, struct two bytes) {
    _mm256_storeu_si256((void *)out, bytes.low);
    _mm256_storeu_si256((void *)(out + 32), bytes.high);
}

ROWS_TARGET static inline uint64_t avx2_mask(__m256i low, __m256i high) {
    return (uint64_t)(uint32_t)_mm256_movemask_epi8(low) |
           (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

ROWS_TARGET static inline uint64_t avx2_equal(struct two bytes, char byte) {
    __m256i all = _mm256_set1_epi8(byte);
    return avx2_mask(_mm256_cmpeq_epi8(bytes.low, all), _mm256_cmpeq_epi8(bytes.high, all));
}

/* All ones where first <= byte <= last: there, and only there, byte - first isn't cut by the
 * minimum. */
ROWS_TARGET static inline __m256i avx2_inside(__m256i bytes, char first, char last) {
    __m256i above = _mm256_sub_epi8(bytes, _mm256_set1_epi8(first));
    __m256i most = _mm256_set1_epi8((char)(last - first));
    return _mm256_cmpeq_epi8(_mm256_min_epu8(above, most), above);
}

ROWS_TARGET static inline uint64_t avx2_between(struct two bytes, char first, char last) {
    return avx2_mask(avx2_inside(bytes.low, first, last), avx2_inside(bytes.high, first, last));
}

ROWS_TARGET static inline uint64_t avx2_high(struct two bytes) {
    return avx2_mask(bytes.low, bytes.high);
}

ROWS_TARGET static inline struct two avx2_fold(struct two bytes) {
    __m256i bit = _mm256_set1_epi8(0x20);
    __m256i low = _mm256_and_si256(avx2_inside(bytes.low, 'A', 'Z'), bit);
    __m256i high = _mm256_and_si256(avx2_inside(bytes.high, 'A', 'Z'), bit);
    return (struct two){_mm256_or_si256(bytes.low, low), _mm256_or_si256(bytes.high, high)};
}

ROWS_TARGET static inline uint64_t avx2_ones(uint64_t mask) {
    return (uint64_t)__builtin_popcountll(mask);
}

#include "jobs/wordcount/scan_rows.h"

static bool avx2_usable(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("popcnt");
}

const struct mr_scan mr_scan_x86_avx2 = {
    .name = "avx2",
    .usable = avx2_usable,
    .whitespace = avx2_whitespace,
    .letters = avx2_letters,
    .classes = avx2_classes,
    .lower = avx2_lower,
    .edges = avx2_edges,
    .count = avx2_count,
};

/* SSE2: four registers of 16 bytes. */

struct four {
    __m128i part[4];
};

#define ROWS(name) sse2_##name
#define ROWS_TARGET
#define ROWS_BYTES struct four

static inline struct four sse2_load(const char *text) {
    struct four bytes;
    for (int i = 0; i < 4; i++) {
        bytes.part[i] = _mm_loadu_si128((const void *)(text + 16 * i));
    }
    return bytes;
}

static inline void sse2_store(char *out, struct four bytes) {
    for (int i = 0; i < 4; i++) {
        _mm_storeu_si128((void *)(out + 16 * i), bytes.part[i]);
    }
}

static inline uint64_t sse2_high(struct four bytes) {
    uint64_t mask = 0;
    for (int i = 0; i < 4; i++) {
        mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(bytes.part[i]) << (16 * i);
    }
    return mask;
}

static inline uint64_t sse2_equal(struct four bytes, char byte) {
    __m128i all = _mm_set1_epi8(byte);
    for (int i = 0; i < 4; i++) {
        bytes.part[i] = _mm_cmpeq_epi8(bytes.part[i], all);
    }
    return sse2_high(bytes);
}

static inline __m128i sse2_inside(__m128i bytes, char first, char last) {
    __m128i above = _mm_sub_epi8(bytes, _mm_set1_epi8(first));
    __m128i most = _mm_set1_epi8((char)(last - first));
    return _mm_cmpeq_epi8(_mm_min_epu8(above, most), above);
}

static inline uint64_t sse2_between(struct four bytes, char first, char last) {
    for (int i = 0; i < 4; i++) {
        bytes.part[i] = sse2_inside(bytes.part[i], first, last);
    }
    return sse2_high(bytes);
}

static inline struct four sse2_fold(struct four bytes) {
    for (int i = 0; i < 4; i++) {
        __m128i upper = sse2_inside(bytes.part[i], 'A', 'Z');
        __m128i bit = _mm_and_si128(upper, _mm_set1_epi8(0x20));
        bytes.part[i] = _mm_or_si128(bytes.part[i], bit);
    }
    return bytes;
}

/* Newlines are few, and there is no instruction for it yet. */
static inline uint64_t sse2_ones(uint64_t mask) {
    uint64_t ones = 0;
    for (; mask; mask &= mask - 1) {
        ones++;
    }
    return ones;
}

#include "jobs/wordcount/scan_rows.h"

static bool sse2_usable(void) {
    return true;
}

const struct mr_scan mr_scan_x86_sse2 = {
    .name = "sse2",
    .usable = sse2_usable,
    .whitespace = sse2_whitespace,
    .letters = sse2_letters,
    .classes = sse2_classes,
    .lower = sse2_lower,
    .edges = sse2_edges,
    .count = sse2_count,
};
#else
typedef int mr_scan_x86_unused; /* a file may not be empty */
#endif
