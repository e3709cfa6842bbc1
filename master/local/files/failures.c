/* failures: why attempts at a task failed: the first cause, and how often. */
#include "master/local/files/failures.h"

#include "lib/base/error.h"
#include "master/local/files/numbers.h"
#include <stdio.h>

#define NUMBERS 5 /* count, attempt, code, is_short, before; the text behind them */

struct mr_failures mr_failures_of(const struct mr_ledger *ledger, enum mr_phase phase,
                                  uint32_t task) {
    const struct mr_fact *fact =
        mr_ledger_find(ledger, MR_LEDGER_FAILED, mr_ledger_key((uint32_t)phase, task));
    struct mr_failures failures = {0};
    uint64_t numbers[NUMBERS];
    struct mr_bytes text;
    if (fact && mr_numbers_get(fact, numbers, NUMBERS, &text)) {
        failures.count = (uint32_t)numbers[0];
        failures.attempt = (uint32_t)numbers[1];
        failures.first.code = -(int)numbers[2];
        failures.is_short = numbers[3] != 0;
        failures.before = (uint32_t)numbers[4];
        snprintf(failures.first.text, sizeof failures.first.text, "%.*s", (int)text.len, text.data);
    }
    return failures;
}

int mr_failures_note(struct mr_ledger *ledger, const struct mr_failures_row *row,
                     struct mr_error *err) {
    struct mr_failures failures = mr_failures_of(ledger, row->phase, row->task);
    struct mr_buffer bytes = {0};
    failures.is_short |= row->is_short;
    if (row->counts && failures.attempt == 0) {
        failures.attempt = row->attempt;
        failures.before = failures.count;
        failures.first = *row->why;
    }
    failures.count++;
    const uint64_t numbers[NUMBERS] = {failures.count, failures.attempt,
                                       (uint64_t)-failures.first.code, failures.is_short,
                                       failures.before};
    if (!mr_numbers_put(&bytes, numbers, NUMBERS, err) &&
        !mr_buffer_append_text(&bytes, failures.first.text, err)) {
        uint64_t key = mr_ledger_key((uint32_t)row->phase, row->task);
        (void)!mr_ledger_note(ledger, MR_LEDGER_FAILED, key, bytes.data, bytes.len, err);
    }
    mr_buffer_fini(&bytes);
    return err->code;
}

void mr_failures_say(const struct mr_failures *failures, const struct mr_error *last,
                     struct mr_error *err) {
    *err = last ? *last : failures->first;
    if (failures->count > 1) {
        bool is_first = !last && failures->before == 0;
        mr_error_add(err, " (%s%u attempts that failed)", is_first ? "the first of " : "",
                     failures->count);
    }
}
