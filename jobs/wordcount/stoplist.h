/* stoplist: the stop words of a run, made into a set once and shared by its threads. */
#ifndef MR_STOPLIST_H
#define MR_STOPLIST_H

#include "jobs/wordcount/stopwords.h"

struct mr_stoplist_source {
    struct mr_bytes list; /* separated by white space; the same bytes for all who share */
    bool unicode;         /* words that are no UTF-8 are left out; `fold` folds all of Unicode */
    bool fold;            /* case; without `unicode`, A-Z */
};

/* Stores the set of these words, made by the first who asks. It lives until each who asked has
 * called mr_stoplist_unref, the list at least as long. Any thread. Returns 0 or MR_ERR_NOMEM. */
MR_MUST_USE int mr_stoplist_ref(const struct mr_stoplist_source *source,
                                const struct mr_stopwords **set);
/* Harmless on NULL. */
void mr_stoplist_unref(const struct mr_stopwords *set);

#endif
