/* numbering: the three ways in which a job's rounds are counted.
 *
 * The core's go up by one. A job's list has n of them, from 0; a
 * pass of a loop is one way through the list. On the wire they go on counting from pass to pass.
 * A turn of a loop (start, round_done) is a round of its own to the core, of one reduce task: so
 * retries, lost nodes and slots are as with any task:
 *
 *     core   0      1 .. n            n+1    n+2 .. 2n+1      ...
 *     is     start  pass 1, 0..n-1    turn   pass 2, 0..n-1
 *     wire          0 .. n-1                 n .. 2n-1
 *
 * Of a job that doesn't loop all three are the same, unless it went back: a job that lost pairs of
 * a round that is closed begins its pass again, at the next multiple of its rounds. */
#ifndef MR_SHELL_NUMBERING_H
#define MR_SHELL_NUMBERING_H

#include "master/shell/jobs.h"

bool mr_numbering_is_turn(const struct mr_jobs_row *job, uint32_t core_round);
/* In the job's list. */
uint32_t mr_numbering_list_round(const struct mr_jobs_row *job, uint32_t core_round);
bool mr_numbering_is_last(const struct mr_jobs_row *job, uint32_t core_round);
/* An attempt as it is told on the wire, and back (false: there can be no such). */
struct mr_core_attempt mr_numbering_outward(const struct mr_jobs_row *job,
                                            const struct mr_core_attempt *attempt);
bool mr_numbering_inward(const struct mr_jobs_row *job, const struct mr_core_attempt *told,
                         struct mr_core_attempt *attempt);
/* The core's round at which the pass begins again. */
uint32_t mr_numbering_again_round(const struct mr_jobs_row *job, uint32_t core_round);

#endif
