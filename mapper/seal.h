/* seal: turns a full table or log into a sorted run. */
#ifndef MR_MAPPER_SEAL_H
#define MR_MAPPER_SEAL_H

#include "mapper/table.h"

/* Sorts what the table or the log holds by (partition, key), writes it as a run, puts that into the
 * store, and empties table, log and arena. Returns the context's sticky status. */
MR_MUST_USE int mr_seal_table(struct mr_collector *c);

/* Makes room in the table: grows it where that pays, else seals it. Returns the context's sticky
 * status. */
MR_MUST_USE int mr_seal_make_room(struct mr_collector *c);

/* Makes a run of one pair, its value encoded as in a run, for pairs that fit no arena. */
MR_MUST_USE int mr_seal_alone(struct mr_collector *c, struct mr_bytes key, struct mr_bytes value);

/* Encodes a slot's number as in a run; returns its length, at most MR_FOLD_VALUE_MAX. */
size_t mr_seal_encode(const struct mr_collector *c, const void *value, char *out);

/* Frees what sealing keeps from one time to the next. */
void mr_seal_release(struct mr_collector *c);

#endif
