/* witness: the last transaction of a journal, noted in a file beside it.
 *
 * What SQLite finds damaged in its write-ahead log it takes for the torn end of a transaction that
 * was never committed, and goes on with the state before. A bit that flipped looks the same, and
 * then transactions are gone that were on disk, and acted upon. DIR/journal.db-last tells the two
 * apart: it is written after each commit, never before, so that it can't be ahead of the journal.
 * It is not synced: after a power cut it may be older than the journal, and then witnesses less. A
 * journal that ends in order needs none: it is removed. */
#ifndef MR_JOURNAL_WITNESS_H
#define MR_JOURNAL_WITNESS_H

#include <stdint.h>

#define MR_WITNESS_FILE "journal.db-last"

struct mr_witness {
    int fd; /* -1: none is open */
};

/* The last entry: its number and chain. */
struct mr_witness_word {
    uint64_t sequence; /* 0: nothing is known */
    uint64_t chain;
};

/* What the folder's witness says; a missing or torn one says nothing. */
struct mr_witness_word mr_witness_read(const char *dir);

/* Notes it, opening the file at first. What can't be written is not noted: no error. */
void mr_witness_note(struct mr_witness *witness, const char *dir,
                     const struct mr_witness_word *word);

/* Closes it, and removes the file, when the journal ended in order. */
void mr_witness_close(struct mr_witness *witness);
void mr_witness_remove(struct mr_witness *witness, const char *dir);

#endif
