/* care: looks for the records that a map task's code does not get over, and sets them aside.
 *
 * Where an attempt failed is known by record, or by block; then the next one is told to map that
 * block one record at a time. A record at which two attempts failed in a row is a bad one. What is
 * known is noted in the ledger, so that the search goes on behind a crash of the engine. */
#ifndef MR_FILES_CARE_H
#define MR_FILES_CARE_H

#include "lib/worker/hand.h"
#include "master/core/terms.h"
#include "master/local/files/ledger.h"

/* Zero-initialise; release with mr_care_fini. */
struct mr_care {
    struct mr_care_task *tasks; /* the first round's map tasks */
    uint32_t count;
    uint32_t skips; /* in all tasks */
    uint32_t most;
};

/* Takes up what the ledger knows. At most `most` records may be set aside. */
MR_MUST_USE int mr_care_init(struct mr_care *care, const struct mr_ledger *ledger, uint32_t count,
                             uint32_t most, struct mr_error *err);
void mr_care_fini(struct mr_care *care);
/* The tasks' round is over: nothing is known of the next pass's. */
void mr_care_clear(struct mr_care *care);

/* What an attempt at a map task of the first round is told. Views, valid while it runs. */
void mr_care_order(const struct mr_care *care, struct mr_orders_task *order);

/* An attempt has failed: what that means for the next ones, which is noted. May set
 * outcome->is_fatal. *is_uncounted: it does not count. */
MR_MUST_USE int mr_care_judge(struct mr_care *care, struct mr_ledger *ledger,
                              const struct mr_core_attempt *attempt,
                              struct mr_hand_outcome *outcome, bool *is_uncounted,
                              struct mr_error *err);

#endif
