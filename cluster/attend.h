/* attend: stays with a job until it has ended: shows it, collects its output, hears Ctrl-C. */
#ifndef MR_CLUSTER_ATTEND_H
#define MR_CLUSTER_ATTEND_H

#include "lib/client/client.h"

#include <stdbool.h>

struct mr_attend_options {
    const char *id;     /* of the job: 32 hex digits */
    const char *name;   /* of the job's code; NULL: as its command says */
    bool follows;       /* shows how it goes on */
    bool cancels;       /* ends the job when interrupted */
    bool closes;        /* says a closing line */
    bool json;          /* prints the manifest */
    bool collects;      /* the output: into */
    const char *output; /* the directory that is made, here or there; NULL: to standard output, or
                           not known */
    bool overwrite;
    uint64_t patience_ms;
};

struct mr_attend; /* opaque */

/* Prepares, before the job is submitted, what is collected into. `options` is borrowed. */
MR_MUST_USE int mr_attend_create(const struct mr_attend_options *options, struct mr_attend **attend,
                                 struct mr_error *err);
/* Stays with the job. Its failure is this one's, and has been said, at length: *err has no text
 * then. MR_ERR_INTERRUPTED: Ctrl-C or the like, and said what becomes of the job. */
MR_MUST_USE int mr_attend_run(struct mr_attend *attend, struct mr_client *client,
                              struct mr_error *err);
/* Whether the job has ended, as far as this command heard, and not well. */
bool mr_attend_has_failed(const struct mr_attend *attend);
/* Harmless on NULL. */
void mr_attend_destroy(struct mr_attend *attend);

#endif
