/* wordcount: the built-in job that counts words, or runs of words, and lists the most frequent. */
#ifndef MR_WORDCOUNT_H
#define MR_WORDCOUNT_H

#include <mr/job.h>

/* Immutable; any thread. `millrace jobs wordcount` shows its parameters. */
extern const struct mr_job mr_wordcount_job;

#endif
