/* ending: makes the output of a run appear, and says what the run came to. */
#ifndef MR_FILES_ENDING_H
#define MR_FILES_ENDING_H

#include "master/local/files/slots.h"

/* With the lock held, which is let go meanwhile: nothing else is left to do. Publishes and tells
 * the core. With a journal, an output that has appeared meanwhile is not the job's failure: the
 * same command goes on when it is gone. */
MR_MUST_USE int mr_ending_publish(struct mr_slots *run, struct mr_error *err);

/* The output appeared, and the process died before it could say so; or was there already. */
MR_MUST_USE int mr_ending_appeared(struct mr_slots *run, struct mr_error *err);
MR_MUST_USE int mr_ending_read_done(const struct mr_slots *run, struct mr_error *err);

/* Fills in the rows of rounds as far as a run came that failed. */
void mr_ending_report_partly(struct mr_slots *run);

#endif
