/* fuzz_event_bytes: any bytes as an event; what is taken gives the same bytes again. */
#include "master/core/event_bytes.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mr_error err = {0};
    struct mr_core_event event;
    struct mr_buffer again = {0};
    int status = mr_event_bytes_get(data, size, &event, &err);
    if (status != err.code || (status && (event.held || event.shape.hosts))) {
        abort(); /* a status without words, or lists that nobody frees */
    }
    if (!status && (mr_event_bytes_put(&again, &event, &err) || again.len != size ||
                    memcmp(again.data, data, size) != 0)) {
        abort(); /* two encodings of one event */
    }
    mr_buffer_fini(&again);
    mr_event_bytes_release(&event);
    return 0;
}
