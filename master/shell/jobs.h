/* jobs: the jobs that have not ended.
 *
 * What must not be lost of a job is in the journal; here is what is derived from it, and what is
 * told of a job while this process lives. */
#ifndef MR_SHELL_JOBS_H
#define MR_SHELL_JOBS_H

#include "lib/worker/spec.h"
#include "master/shell/history.h"
#include "master/shell/names.h"
#include "master/shell/sources.h"
#include "master/shell/suspects.h"

#define MR_JOBS_NEWS 16

/* What is told of a job as it goes. */
struct mr_jobs_news {
    uint64_t count;            /* in all */
    char *lines[MR_JOBS_NEWS]; /* the latest: number i is at i % MR_JOBS_NEWS */
};

/* The name of a blob, and how long it is. */
struct mr_jobs_blob {
    struct mr_hash_128 hash;
    uint64_t len;
};

struct mr_jobs_row {
    uint32_t number;
    char id[MR_ORDERS_ID_LEN + 1];
    char *label;
    char *output; /* the directory that it makes; NULL: the client collects */
    uint64_t submitted_wall_ms;
    bool is_over; /* it ends with the transaction at hand, or one before */

    /* Of the spec. */
    struct mr_hash_128 spec;
    struct mr_hash_128 *blobs; /* that it names: plugin, files */
    size_t blob_count;
    char **round_names;
    uint32_t *partitions; /* of each round */
    uint32_t rounds;
    uint32_t splits;
    uint64_t input_bytes;
    uint32_t max_attempts;
    uint32_t weight;
    bool loops;
    bool is_strict;
    bool is_collected; /* no output: the client fetches it */
    uint64_t started_seconds;
    uint64_t started_nanoseconds;

    /* Of a loop: the pass that is under way, from 1, 0: start is; its state; and what the turn that
     * was done last said: another pass follows. */
    uint64_t pass;
    struct mr_jobs_blob state;
    bool again;
    struct mr_names lines; /* the blobs of its turns' lines */

    struct mr_search search; /* for bad records */
    uint64_t taught;         /* the journal's entry that last changed what a START says */
    struct mr_sources maps;  /* of the core's round */
    struct mr_sources pairs; /* of the round before, that map tasks or a turn read */
    uint32_t *spent_ms[2];   /* by phase and task: how long the winner took, 0: not known */
    uint32_t spent_count[2];
    uint32_t *cached;             /* by split: the node that mapped it last, or MR_CORE_NONE */
    uint64_t bytes_done;          /* of the input, by map tasks that are done */
    uint32_t failed;              /* attempts */
    uint32_t lost_reports;        /* of pairs, since the round began */
    uint32_t broken;              /* attempts of the round whose processes spoke as none does */
    uint32_t rewinds;             /* passes that were begun again */
    struct mr_core_attempt cause; /* once it is over: that it failed by, attempt 0: none */
    uint32_t cause_node;
    char *lost_text;         /* what an attempt said last that could not read what it had to */
    struct mr_error give_up; /* why this process had it end, where the core knows a status only */
    bool is_dirty;           /* followers are to be told */
    struct mr_jobs_news news;

    /* Publishing: who does it. */
    bool publishes;
    bool is_gathered;               /* a client has collected all of it */
    uint32_t parts_lost;            /* when it was to be published */
    uint32_t publisher;             /* node, or MR_CORE_NONE */
    uint32_t published_last;        /* who had it last, or MR_CORE_NONE: another is tried first */
    uint64_t publisher_incarnation; /* the core's */
    uint32_t publish_tries;
    struct mr_error publish_err; /* the first failure */
};

/* Zero-initialise; release with mr_jobs_fini. */
struct mr_jobs {
    struct mr_jobs_row **rows; /* ascending by number */
    size_t count;
    size_t capacity;
    struct mr_history history;
};

void mr_jobs_fini(struct mr_jobs *jobs);

/* Makes a row of a job's spec, not yet in the list. */
MR_MUST_USE int mr_jobs_make(const struct mr_spec *spec, const char *id, struct mr_hash_128 hash,
                             struct mr_jobs_row **row, struct mr_error *err);
void mr_jobs_destroy(struct mr_jobs_row *row);
/* Takes it into the list, at its end. */
MR_MUST_USE int mr_jobs_add(struct mr_jobs *jobs, struct mr_jobs_row *row, struct mr_error *err);
/* Takes it out, and destroys it. */
void mr_jobs_remove(struct mr_jobs *jobs, struct mr_jobs_row *row);

struct mr_jobs_row *mr_jobs_find(const struct mr_jobs *jobs, uint32_t number);
struct mr_jobs_row *mr_jobs_find_id(const struct mr_jobs *jobs, const char *id);
/* Notes why the job shall end, where the core will know no more than a status; gathers it as a
 * fact.
 */
MR_MUST_USE int mr_jobs_give_up(struct mr_jobs_row *job, struct mr_journal *journal,
                                const struct mr_error *why, struct mr_error *err);

/* By number, or what an id begins with: the number, 0 with a sentence: there is none, or several.
 */
uint32_t mr_jobs_resolve(const struct mr_jobs *jobs, const char *text, struct mr_error *err);

/* Whether a job that has not ended, or one that is remembered, names this blob. */
bool mr_jobs_names(const struct mr_jobs *jobs, const struct mr_journal *journal,
                   struct mr_hash_128 hash);

/* Adds a line of news; without memory there is none. */
__attribute__((format(printf, 2, 3))) void mr_jobs_tell(struct mr_jobs_row *job, const char *format,
                                                        ...);

#endif
