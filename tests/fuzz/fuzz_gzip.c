/* fuzz_gzip: any bytes as a gzip file, by each engine and in steps of two sizes. */
#include "lib/input/gzip.h"

#include <stdint.h>
#include <stdlib.h>

#define TEXT_MAX ((size_t)256 << 10) /* what is decompressed of a bomb */

/* What came of one way to decompress. */
struct outcome {
    int status;
    char *text;
    size_t len;
};

static struct outcome decompress(const struct mr_inflate_engine *engine, struct mr_bytes bytes,
                                 size_t step) {
    struct outcome outcome = {.text = malloc(TEXT_MAX + step)};
    struct mr_error err = {0};
    struct mr_gzip *gzip = NULL;
    struct mr_feed feed;
    if (!outcome.text || mr_gzip_create(engine, &gzip, &err) != MR_OK) {
        abort();
    }
    mr_feed_open_memory(&feed, bytes, "memory");
    size_t got = step;
    while (outcome.status == MR_OK && got == step && outcome.len < TEXT_MAX) {
        outcome.status = mr_gzip_pull(gzip, &feed, outcome.text + outcome.len, step, &got, &err);
        outcome.len += got;
    }
    if (outcome.status != err.code || (err.code && !err.text[0])) {
        abort(); /* a failure without a sentence */
    }
    mr_feed_close(&feed);
    mr_gzip_destroy(gzip);
    return outcome;
}

/* Both succeeded and differ, or one engine's success depends on the size of its steps. */
static void compare(const struct outcome *a, const struct outcome *b, int same_engine) {
    int both = a->status == MR_OK && b->status == MR_OK;
    int bomb = a->len >= TEXT_MAX || b->len >= TEXT_MAX;
    if (same_engine && !bomb && (a->status == MR_OK) != (b->status == MR_OK)) {
        abort();
    }
    if (both && !bomb && (a->len != b->len || memcmp(a->text, b->text, a->len) != 0)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mr_bytes bytes = {(const char *)data, size};
    struct outcome large = decompress(NULL, bytes, (size_t)64 << 10);
    struct outcome small = decompress(NULL, bytes, 301);
    struct outcome zlib = decompress(&mr_inflate_zlib_engine, bytes, 4096);
    compare(&large, &small, 1);
    compare(&large, &zlib, 0);
    free(large.text);
    free(small.text);
    free(zlib.text);
    return 0;
}
