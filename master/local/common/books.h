/* books: adds up what a round did, and checks that nothing was lost. */
#ifndef MR_COMMON_BOOKS_H
#define MR_COMMON_BOOKS_H

#include "lib/worker/account.h"
#include "mapper/map_task.h"
#include "reducer/reduce_task.h"

/* The account of a worker, or of a round. Zero-initialise; release with mr_books_fini. */
struct mr_books {
    struct mr_map_counts map;
    struct mr_reduce_counts reduce;
    uint64_t emitted;
    uint64_t combined;
    uint64_t shuffled;  /* pairs in the settled runs */
    uint64_t run_bytes; /* of the settled runs */
    uint64_t bytes_spilled;
    double map_seconds;    /* busy, summed over threads */
    double reduce_seconds; /* likewise */
    double seconds_map;    /* wall */
    double seconds_reduce; /* wall */
    struct mr_counters counters;
    struct mr_error err; /* a counter that could not be kept */
};

/* Adds a context's counters. */
void mr_books_take_counters(struct mr_books *books, const struct mr_counters *counters);
/* Notes what a settled store holds. */
void mr_books_take_store(struct mr_books *books, struct mr_run_store *store, uint32_t partitions);
/* Adds a worker's books to the round's, and empties them. */
void mr_books_add(struct mr_books *books, struct mr_books *worker, struct mr_error *err);
void mr_books_fini(struct mr_books *books);

/* Whether the books balance; MR_ERR_INTERNAL names the first line that doesn't. */
MR_MUST_USE int mr_books_check(const struct mr_books *books, const char *job, struct mr_error *err);

/* Adds to a result's row. */
void mr_books_report(const struct mr_books *books, struct mr_run_round *round);
/* Adds the job's counters to the result's, by name. */
MR_MUST_USE int mr_books_merge_counters(const struct mr_counters *counters,
                                        struct mr_run_result *result, struct mr_error *err);

/* Fills in the books of a round from its sum; the counters are borrowed. */
void mr_books_of_account(const struct mr_account *sum, struct mr_books *books);

#endif
