/* lines: the jobs that wait for slots, the one with the smallest share first. */
#ifndef MR_CORE_LINES_H
#define MR_CORE_LINES_H

#include "master/core/state.h"

/* Makes room for one more job in every line. */
MR_MUST_USE int mr_lines_reserve(struct mr_core *core, struct mr_error *err);

/* After any change of a job's state, ready tasks or attempts: enters, moves or leaves. */
void mr_lines_update(struct mr_core *core, struct mr_state_job *job);

/* The job whose turn it is on nodes of these roles, and the phase whose task is wanted; NULL: none
 * waits. */
struct mr_state_job *mr_lines_first(const struct mr_core *core, enum mr_core_role roles,
                                    enum mr_phase *phase);

#endif
