/* numbers: facts as bytes: little-endian numbers in a row, text behind them. */
#include "master/local/files/numbers.h"

#include <endian.h>
#include <string.h>

int mr_numbers_put(struct mr_buffer *bytes, const uint64_t *numbers, size_t count,
                   struct mr_error *err) {
    for (size_t i = 0; i < count && !err->code; i++) {
        uint64_t number = htole64(numbers[i]);
        (void)!mr_buffer_append(bytes, &number, sizeof number, err);
    }
    return err->code;
}

bool mr_numbers_get(const struct mr_fact *fact, uint64_t *numbers, size_t count,
                    struct mr_bytes *rest) {
    size_t len = count * sizeof *numbers;
    if (fact->len < len) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(&numbers[i], fact->bytes + i * sizeof *numbers, sizeof *numbers);
        numbers[i] = le64toh(numbers[i]);
    }
    *rest = (struct mr_bytes){fact->bytes + len, fact->len - len};
    return true;
}
