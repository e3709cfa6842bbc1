/* aside: the records that were set aside, and the side file that holds them. */
#include "master/local/files/aside.h"

#include "lib/base/error.h"
#include "master/local/files/numbers.h"
#include <inttypes.h>

int mr_aside_note(struct mr_ledger *ledger, uint32_t task, const struct mr_orders_skipped *skipped,
                  size_t count, struct mr_error *err) {
    for (uint32_t i = 0; i < count && !err->code; i++) {
        const uint64_t numbers[] = {skipped[i].offset, skipped[i].len};
        struct mr_buffer bytes = {0};
        if (!mr_numbers_put(&bytes, numbers, 2, err) &&
            !mr_buffer_append(&bytes, skipped[i].record.data, skipped[i].record.len, err)) {
            (void)!mr_ledger_note(ledger, MR_LEDGER_SKIPPED, mr_ledger_key(task, i), bytes.data,
                                  bytes.len, err);
        }
        mr_buffer_fini(&bytes);
    }
    for (uint32_t i = (uint32_t)count;
         !err->code && mr_ledger_find(ledger, MR_LEDGER_SKIPPED, mr_ledger_key(task, i)); i++) {
        (void)!mr_ledger_drop(ledger, MR_LEDGER_SKIPPED, mr_ledger_key(task, i), err);
    }
    return err->code;
}

int mr_aside_line(const char *path, uint64_t offset, struct mr_bytes record, struct mr_buffer *text,
                  struct mr_error *err) {
    record.len -= record.len && record.data[record.len - 1] == '\n';
    if (!mr_buffer_printf(text, err, "%s\t%" PRIu64 "\t", path, offset) &&
        !mr_buffer_append(text, record.data, record.len, err)) {
        (void)!mr_buffer_append(text, "\n", 1, err);
    }
    return err->code;
}

int mr_aside_text(const struct mr_ledger *ledger, const struct mr_plan *plan,
                  struct mr_buffer *text, struct mr_error *err) {
    size_t count;
    const struct mr_fact *facts = mr_ledger_all(ledger, MR_LEDGER_SKIPPED, &count);
    for (size_t i = 0; i < count && !err->code; i++) {
        uint32_t task = (uint32_t)(facts[i].key >> 32);
        uint64_t numbers[2];
        struct mr_bytes record;
        if (!mr_numbers_get(&facts[i], numbers, 2, &record) || task >= plan->splits.count) {
            return mr_error_set(err, MR_ERR_INPUT, "the journal's record %zu set aside is damaged",
                                i);
        }
        const char *path = plan->inputs.items[plan->splits.items[task].input].path;
        (void)!mr_aside_line(path, numbers[0], record, text, err);
    }
    return err->code;
}
