/* shift: the threads that are slots, from their start to their end. */
#ifndef MR_FILES_SHIFT_H
#define MR_FILES_SHIFT_H

#include "master/local/files/slots.h"

MR_MUST_USE int mr_shift_start(struct mr_slots *run, struct mr_error *err);
/* Waits for the slots to end: those that work do what they have begun, unless they were stopped.
 * Harmless before a start. */
void mr_shift_stop(struct mr_slots *run);

#endif
