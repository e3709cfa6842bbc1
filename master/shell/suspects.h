/* suspects: keeps in the journal what the search for a job's bad records knows. */
#ifndef MR_SHELL_SUSPECTS_H
#define MR_SHELL_SUSPECTS_H

#include "lib/net/wire.h"
#include "master/journal/journal.h"
#include "master/local/common/search.h"

/* Takes up what the journal holds of a job. */
MR_MUST_USE int mr_suspects_load(struct mr_search *search, const struct mr_journal *journal,
                                 uint32_t job, struct mr_error *err);

/* How to take the failure of a map task of the first round; what was learnt is gathered as a
 * fact. */
MR_MUST_USE int mr_suspects_judge(struct mr_search *search, struct mr_journal *journal,
                                  const struct mr_wire_failed *failed,
                                  struct mr_search_verdict *verdict, struct mr_error *err);

#endif
