/* scan_neon: the path for arm64, where every processor has NEON. */
#if defined(__aarch64__)
#include "jobs/wordcount/scan.h"
#include <arm_neon.h>

#define ROWS(name) neon_##name
#define ROWS_TARGET
#define ROWS_BYTES uint8x16x4_t

static inline uint8x16x4_t neon_load(const char *text) {
    const uint8_t *bytes = (const uint8_t *)text;
    return (uint8x16x4_t){
        {vld1q_u8(bytes), vld1q_u8(bytes + 16), vld1q_u8(bytes + 32), vld1q_u8(bytes + 48)}};
}

static inline void neon_store(char *out, uint8x16x4_t bytes) {
    for (int i = 0; i < 4; i++) {
        vst1q_u8((uint8_t *)out + 16 * i, bytes.val[i]);
    }
}

/* One bit of each byte (all ones or all zeros), weighted by its place among eight; three rounds of
 * adding neighbours then leave eight bytes, which are the mask. */
static inline uint64_t neon_mask(uint8x16x4_t bytes) {
    static const uint8_t place[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t weight = vld1q_u8(place);
    uint8x16_t first = vpaddq_u8(vandq_u8(bytes.val[0], weight), vandq_u8(bytes.val[1], weight));
    uint8x16_t second = vpaddq_u8(vandq_u8(bytes.val[2], weight), vandq_u8(bytes.val[3], weight));
    uint8x16_t sums = vpaddq_u8(first, second);
    sums = vpaddq_u8(sums, sums);
    return vgetq_lane_u64(vreinterpretq_u64_u8(sums), 0);
}

static inline uint64_t neon_equal(uint8x16x4_t bytes, char byte) {
    for (int i = 0; i < 4; i++) {
        bytes.val[i] = vceqq_u8(bytes.val[i], vdupq_n_u8((uint8_t)byte));
    }
    return neon_mask(bytes);
}

static inline uint8x16_t neon_inside(uint8x16_t bytes, char first, char last) {
    uint8x16_t above = vsubq_u8(bytes, vdupq_n_u8((uint8_t)first));
    return vcleq_u8(above, vdupq_n_u8((uint8_t)(last - first)));
}

static inline uint64_t neon_between(uint8x16x4_t bytes, char first, char last) {
    for (int i = 0; i < 4; i++) {
        bytes.val[i] = neon_inside(bytes.val[i], first, last);
    }
    return neon_mask(bytes);
}

static inline uint64_t neon_high(uint8x16x4_t bytes) {
    for (int i = 0; i < 4; i++) {
        bytes.val[i] = vcgeq_u8(bytes.val[i], vdupq_n_u8(0x80));
    }
    return neon_mask(bytes);
}

static inline uint8x16x4_t neon_fold(uint8x16x4_t bytes) {
    for (int i = 0; i < 4; i++) {
        uint8x16_t upper = neon_inside(bytes.val[i], 'A', 'Z');
        bytes.val[i] = vorrq_u8(bytes.val[i], vandq_u8(upper, vdupq_n_u8(0x20)));
    }
    return bytes;
}

static inline uint64_t neon_ones(uint64_t mask) {
    return vaddv_u8(vcnt_u8(vcreate_u8(mask)));
}

#include "jobs/wordcount/scan_rows.h"

static bool neon_usable(void) {
    return true;
}

const struct mr_scan mr_scan_neon = {
    .name = "neon",
    .usable = neon_usable,
    .whitespace = neon_whitespace,
    .letters = neon_letters,
    .classes = neon_classes,
    .lower = neon_lower,
    .edges = neon_edges,
    .count = neon_count,
};
#else
typedef int mr_scan_neon_unused; /* a file may not be empty */
#endif
