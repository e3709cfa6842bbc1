/* lines: what a loop's turns have emitted so far, in a journal, and the part that becomes of it.
 *
 * A turn's lines are noted beside the end of its pass, so that they are neither lost nor doubled.
 * When 64 KiB have gathered they are written to a file, a segment, and only its size and checksum
 * are noted. The part is all segments, in the order of their passes, and the lines behind them. */
#ifndef MR_FILES_LINES_H
#define MR_FILES_LINES_H

#include "lib/output/commit.h"
#include "master/local/common/loop.h"
#include "master/local/files/ledger.h"

/* Takes the lines that the turn behind `pass` left in the loop, and notes them, with the loop's
 * counters. A segment is durable when this returns. */
MR_MUST_USE int mr_lines_note(struct mr_ledger *ledger, struct mr_loop *loop, uint64_t pass,
                              struct mr_error *err);

/* Whether a file in the job's folder is a segment that was noted. */
bool mr_lines_needs(const struct mr_ledger *ledger, const char *name);

/* Writes the part, attempt 1 at task 0, durable; fills parts[0] of the result and notes it. What an
 * earlier try left is replaced. MR_ERR_INPUT where a segment is gone or damaged. */
MR_MUST_USE int mr_lines_write_part(struct mr_ledger *ledger, struct mr_commit *commit,
                                    struct mr_run_result *result, struct mr_error *err);

/* Whether the part that was noted is there, whole. */
MR_MUST_USE int mr_lines_check_part(const struct mr_ledger *ledger, const struct mr_commit *commit,
                                    bool *is_whole, struct mr_error *err);

/* Fills in the result what was noted of the lines: the part, sizes, counters. */
MR_MUST_USE int mr_lines_report(const struct mr_ledger *ledger, struct mr_run_result *result,
                                struct mr_error *err);

#endif
