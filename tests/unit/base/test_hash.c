/* test_hash: XXH3-64 of known bytes, whole and in pieces. */
#include "lib/base/hash.h"

#include "tests/unit/test.h"

#include <string.h>

#define BYTES_MAX 5000

static unsigned char bytes[BYTES_MAX];

/* Lengths around the places where XXH3 changes its way; the hashes are those of libxxhash 0.8.1
 * itself. */
static const struct {
    size_t len;
    uint64_t xxh3;
} vectors[] = {
    {0, 0x2d06800538d394c2},    {1, 0xc44bdff4074eecdb},    {3, 0xc3489259e968ad9e},
    {4, 0xd3d60c1519014e89},    {8, 0xb88dee77f6bf6980},    {9, 0x03688dcad730d826},
    {16, 0x9da23836adf2be1e},   {17, 0xf34c3c9cf5a112d1},   {128, 0x65f3c2c00fa93185},
    {129, 0x28065c6ec25f5b25},  {240, 0x4917a75c0ef8eed7},  {241, 0x541b19226f0052e8},
    {1024, 0x71bee625238addb4}, {5000, 0xed0146266d138bd8},
};

#define VECTOR_COUNT (sizeof vectors / sizeof *vectors)

static void fill(void) {
    for (size_t i = 0; i < BYTES_MAX; i++) {
        bytes[i] = (unsigned char)(i * 7 + (i >> 8));
    }
}

Test(hash, knows_the_vectors) {
    fill();
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        cr_assert_eq(mr_hash_xxh3(bytes, vectors[i].len), vectors[i].xxh3, "at %zu bytes",
                     vectors[i].len);
    }
    cr_assert_eq(mr_hash_xxh3("millrace", 8), UINT64_C(0x0f798300cb96eca5));
    cr_assert_eq(mr_hash_xxh3(NULL, 0), vectors[0].xxh3);
}

Test(hash, is_the_same_in_pieces) {
    fill();
    struct mr_error err = {0};
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        for (size_t piece = 1; piece < 300; piece += 37) {
            struct mr_hash *hash = NULL;
            cr_assert_eq(mr_hash_create(&hash, &err), 0);
            for (size_t at = 0; at < vectors[i].len; at += piece) {
                size_t left = vectors[i].len - at;
                mr_hash_update(hash, bytes + at, left < piece ? left : piece);
            }
            cr_assert_eq(mr_hash_digest(hash), vectors[i].xxh3);
            mr_hash_destroy(hash);
        }
    }
}

Test(hash, goes_on_after_a_digest) {
    fill();
    struct mr_error err = {0};
    struct mr_hash *hash = NULL;
    cr_assert_eq(mr_hash_create(&hash, &err), 0);
    mr_hash_update(hash, NULL, 0);
    cr_assert_eq(mr_hash_digest(hash), vectors[0].xxh3);
    mr_hash_update(hash, bytes, 240);
    cr_assert_eq(mr_hash_digest(hash), UINT64_C(0x4917a75c0ef8eed7));
    mr_hash_update(hash, bytes + 240, 4760);
    cr_assert_eq(mr_hash_digest(hash), UINT64_C(0xed0146266d138bd8));
    mr_hash_destroy(hash);
    mr_hash_destroy(NULL);
}

/* The hash of nothing is libxxhash's. */
Test(hash, names_by_128_bits) {
    struct mr_hash_128 nothing = mr_hash_xxh3_128(NULL, 0);
    cr_assert_eq(nothing.high, UINT64_C(0x99aa06d3014798d8));
    cr_assert_eq(nothing.low, UINT64_C(0x6001c324468d497f));
    fill();
    struct mr_hash_128 all = mr_hash_xxh3_128(bytes, BYTES_MAX);
    bytes[BYTES_MAX - 1] ^= 1;
    struct mr_hash_128 other = mr_hash_xxh3_128(bytes, BYTES_MAX);
    cr_assert(all.high != other.high && all.low != other.low);
}
