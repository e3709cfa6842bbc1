/* care: keeps in the ledger what the search for bad records knows, and tells it to attempts. */
#ifndef MR_FILES_CARE_H
#define MR_FILES_CARE_H

#include "lib/worker/hand.h"
#include "master/core/terms.h"
#include "master/local/common/search.h"
#include "master/local/files/ledger.h"

/* Takes up what the ledger knows. */
MR_MUST_USE int mr_care_load(struct mr_search *search, const struct mr_ledger *ledger,
                             struct mr_error *err);

/* What an attempt at a map task of the first round is told. Views, valid while it runs. */
void mr_care_order(const struct mr_search *search, struct mr_orders_task *order);

/* An attempt has failed: what that means for the next ones, which is noted. May set
 * outcome->is_fatal. *is_uncounted: it does not count. */
MR_MUST_USE int mr_care_judge(struct mr_search *search, struct mr_ledger *ledger,
                              const struct mr_core_attempt *attempt,
                              struct mr_hand_outcome *outcome, bool *is_uncounted,
                              struct mr_error *err);

#endif
