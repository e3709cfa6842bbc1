/* notes: what the master keeps in its journal besides the scheduler's events.
 *
 * STATE/journal.db   see master/journal
 * STATE/blobs/       specs, plugins, files, states, lines, manifests, logs: named by their hash
 * STATE/lock         held by the master that runs
 *
 * Facts are, under job 0, what the cluster is, and by job number what a job is, what was done of
 * it, and how it ended. Kinds that a run with --state has too (master/local/ledger.h) have its
 * numbers and its bytes. */
#ifndef MR_SHELL_NOTES_H
#define MR_SHELL_NOTES_H

#include "lib/base/hash.h"
#include "lib/worker/account.h"
#include "master/journal/journal.h"

/* X(name, number, key, what). Numbers stay. */
#define MR_NOTES_TABLE(X)                                                                          \
    X(LABEL, 3, "", "the command, for people")                                                     \
    X(ID, 4, "", "32 hex digits")                                                                  \
    X(MAP, 5, "round, task", "the account of a map task's winner")                                 \
    X(REDUCE, 6, "round, task", "the account of a reduce task's winner, or of a turn")             \
    X(ROUND, 7, "round of the list", "the sum of a round's accounts")                              \
    X(END, 8, "", "how the job ended: its status, as text, and why")                               \
    X(CARE, 13, "task", "the search for its bad records")                                          \
    X(CLUSTER, 16, "", "under job 0: the cluster's id")                                            \
    X(NODE, 17, "node", "under job 0: its incarnation, the one before, its name")                  \
    X(SPEC, 18, "", "the blob of the job's spec")                                                  \
    X(TIMES, 19, "", "when it was submitted, and when it ended: wall clock, milliseconds")         \
    X(PAIRS, 20, "round", "who won its reduce tasks, and where: attempt and node of each")         \
    X(PASS, 21, "", "of a loop: the pass, the state's blob and length, whether it goes on")        \
    X(LINES, 22, "pass", "the blob of the lines of a turn, their length and number")               \
    X(TOTAL, 23, "round of the list", "of a loop: the sums of the passes that are done")           \
    X(FAILURE, 24, "phase, task", "the first failure of a task of this round: attempt, node, why") \
    X(ASIDE, 26, "task", "the records that its winner set aside")                                  \
    X(SHIFT, 27, "phase, task", "its buffers are halved so often")                                 \
    X(MANIFEST, 28, "", "the blob of the manifest; of the side file; of a loop's lines")           \
    X(LOG, 29, "", "the blob of the log of the attempt that the job failed by, which, and where")  \
    X(WHY, 30, "", "why this master had the job end: its status, as text, and a sentence")         \
    X(START, 31, "epoch", "under job 0: a start that workers saw: random number, end (epochs.h)")  \
    X(LAST, 32, "", "of one that ended: how far it was (struct mr_history_last)")                  \
    X(SUM, 33, "", "of one that is done: records read, set aside, bytes of input")                 \
    X(CLEAR, 34, "", "of a job that did not succeed: the output beside which something may lie")   \
    X(BYTES, 35, "0, or pass + 1", "of a loop: the state, or a turn's lines, where they are short")

enum mr_notes_kind {
#define MR_NOTES_ROW(name, number, key, what) MR_NOTES_##name = (number),
    MR_NOTES_TABLE(MR_NOTES_ROW)
#undef MR_NOTES_ROW
};

static inline uint64_t mr_notes_key(uint32_t high, uint32_t low) {
    return (uint64_t)high << 32 | low;
}

/* Facts that are numbers: up to MR_NOTES_NUMBERS_MAX of them, little-endian. */
#define MR_NOTES_NUMBERS_MAX 8
MR_MUST_USE int mr_notes_put_numbers(struct mr_journal *journal, uint32_t job,
                                     enum mr_notes_kind kind, uint64_t key, const uint64_t *numbers,
                                     size_t count, struct mr_error *err);
/* False: there is no such fact, of so many numbers. */
bool mr_notes_get_numbers(const struct mr_journal *journal, uint32_t job, enum mr_notes_kind kind,
                          uint64_t key, uint64_t *numbers, size_t count);

/* The text of a fact, or NULL. */
const char *mr_notes_text(const struct mr_journal *journal, uint32_t job, enum mr_notes_kind kind,
                          uint64_t key);

/* How something ended: a status as text, and a sentence. False: there is no such fact. */
MR_MUST_USE int mr_notes_put_error(struct mr_journal *journal, uint32_t job,
                                   enum mr_notes_kind kind, const struct mr_error *why,
                                   struct mr_error *err);
bool mr_notes_get_error(const struct mr_journal *journal, uint32_t job, enum mr_notes_kind kind,
                        struct mr_error *why);

/* Accounts. `is_there` false: none. Release what was found. */
MR_MUST_USE int mr_notes_put_account(struct mr_journal *journal, uint32_t job,
                                     enum mr_notes_kind kind, uint64_t key,
                                     const struct mr_account *account, struct mr_error *err);
MR_MUST_USE int mr_notes_get_account(const struct mr_journal *journal, uint32_t job,
                                     enum mr_notes_kind kind, uint64_t key,
                                     struct mr_account *account, bool *is_there,
                                     struct mr_error *err);

/* The first fact of a job that is of this kind, or NULL, and how many follow it. */
const struct mr_fact *mr_notes_first(const struct mr_journal *journal, uint32_t job,
                                     enum mr_notes_kind kind, size_t *count);

#endif
