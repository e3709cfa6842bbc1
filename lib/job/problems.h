/* problems: gathers all that is wrong with one thing before any of it is reported. */
#ifndef MR_JOB_PROBLEMS_H
#define MR_JOB_PROBLEMS_H

#include <mr/status.h>

/* Zero-initialise. Needs no release. */
struct mr_problems {
    struct mr_error
        found; /* code of the first problem; its sentence, then one line for each further one */
    unsigned left_out; /* problems whose sentence had no room */
};

/* Adds one problem, in one sentence. */
__attribute__((format(printf, 3, 4))) void mr_problems_add(struct mr_problems *problems, int code,
                                                           const char *format, ...);

/* Sets *err to all that was found, one a line; returns the first problem's code, 0 where there is
 * none. */
MR_MUST_USE int mr_problems_report(const struct mr_problems *problems, struct mr_error *err);

#endif
