/* care: keeps in the ledger what the search for bad records knows, and tells it to attempts. */
#include "master/local/files/care.h"

int mr_care_load(struct mr_search *search, const struct mr_ledger *ledger, struct mr_error *err) {
    size_t known;
    const struct mr_fact *facts = mr_ledger_all(ledger, MR_LEDGER_CARE, &known);
    for (size_t i = 0; i < known && !err->code; i++) {
        (void)!mr_search_load(search, &facts[i], err);
    }
    return err->code;
}

void mr_care_order(const struct mr_search *search, struct mr_orders_task *order) {
    const struct mr_search_task *task = mr_search_of(search, order->task);
    order->care_block = task->block;
    order->skips = task->skips;
    order->skip_count = task->skip_count;
}

int mr_care_judge(struct mr_search *search, struct mr_ledger *ledger,
                  const struct mr_core_attempt *attempt, struct mr_hand_outcome *outcome,
                  bool *is_uncounted, struct mr_error *err) {
    const struct mr_search_failure failure = {outcome->is_exact, outcome->block, outcome->offset};
    struct mr_search_verdict verdict;
    struct mr_buffer bytes = {0};
    *is_uncounted = false;
    if (!outcome->has_place || attempt->phase != MR_PHASE_MAP || outcome->is_fatal ||
        mr_search_judge(search, attempt->task, &failure, &verdict, err)) {
        return err->code;
    }
    mr_search_explain(search, &verdict, &outcome->err);
    outcome->is_fatal = verdict.is_fatal;
    *is_uncounted = verdict.is_uncounted;
    if (!mr_search_save(search, attempt->task, &bytes, err)) {
        (void)!mr_ledger_note(ledger, MR_LEDGER_CARE, attempt->task, bytes.data, bytes.len, err);
    }
    mr_buffer_fini(&bytes);
    return err->code;
}
