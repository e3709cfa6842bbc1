/* fuzz_zstd: any bytes as a zstd file, in steps of two sizes. */
#include "lib/input/source.h"

#include <stdint.h>
#include <stdlib.h>

#define TEXT_MAX ((size_t)256 << 10) /* what is decompressed of a bomb */

/* What came of one way to decompress. */
struct outcome {
    int status;
    char *text;
    size_t len;
};

static struct outcome decompress(struct mr_bytes bytes, size_t step) {
    struct outcome outcome = {.text = malloc(TEXT_MAX + step)};
    struct mr_error err = {0};
    struct mr_source *source = NULL;
    if (!outcome.text || mr_source_open_memory(bytes, MR_INPUT_ZSTD, &source, &err) != MR_OK) {
        abort();
    }
    size_t got = step;
    while (outcome.status == MR_OK && got == step && outcome.len < TEXT_MAX) {
        outcome.status = mr_source_pull(source, outcome.text + outcome.len, step, &got, &err);
        outcome.len += got;
    }
    if (outcome.status != err.code || (err.code && !err.text[0])) {
        abort(); /* a failure without a sentence */
    }
    if (outcome.status == MR_OK && got < step && mr_source_consumed(source) != bytes.len) {
        abort(); /* an end before the end */
    }
    mr_source_close(source);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mr_bytes bytes = {(const char *)data, size};
    struct outcome large = decompress(bytes, (size_t)64 << 10);
    struct outcome small = decompress(bytes, 301);
    int bomb = large.len >= TEXT_MAX || small.len >= TEXT_MAX;
    int both = large.status == MR_OK && small.status == MR_OK;
    if (!bomb && (large.status == MR_OK) != (small.status == MR_OK)) {
        abort();
    }
    if (both && !bomb &&
        (large.len != small.len || memcmp(large.text, small.text, large.len) != 0)) {
        abort();
    }
    free(large.text);
    free(small.text);
    return 0;
}
