/* fuzz_manifest: the reader of manifests takes any bytes. */
#include "lib/output/manifest.h"
#include "lib/output/manifest_read.h"

#include <stdlib.h>

/* Where what was read goes, so that it is read. */
static volatile uint64_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mr_error err = {0};
    struct mr_run_part *parts = NULL;
    size_t count = 0;
    int status = mr_manifest_read_text((const char *)data, size, &parts, &count, &err);
    if ((status == 0) != (err.code == 0) || (status != 0 && parts)) {
        abort(); /* a status without words, or a result besides one */
    }
    for (size_t i = 0; i < count; i++) {
        sink = parts[i].records ^ parts[i].bytes ^ parts[i].xxh3;
    }
    free(parts);
    return 0;
}
