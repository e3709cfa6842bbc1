/* ledger: what a run keeps besides the core's state: facts, which --state has journaled.
 *
 * STATE/journal.db           see master/journal
 * STATE/outputs-ID/          the files of the job with this id, from task to task
 *
 * The journal's facts are, by job: what the job is (its code, parameters and shape), what its
 * inputs were (path, size, time, inode), where its output goes, its id; an account of every
 * attempt that won; the sum of each round that closed; and how it ended. A run goes on with the
 * unfinished job of its journal where all of these are the same. Another job is refused as long as
 * one is unfinished: what it did would be lost without a word.
 *
 * Without --state the same facts are kept in memory, as long as the run. */
#ifndef MR_FILES_LEDGER_H
#define MR_FILES_LEDGER_H

#include "lib/worker/account.h"
#include "master/journal/journal.h"
#include "master/local/plan/plan.h"

#define MR_LEDGER_ID_LEN 32

/* Kinds of facts: X(name, number, what). Numbers stay. */
#define MR_LEDGER_FACT_TABLE(X)                                                                    \
    X(WHAT, 1, "the job: its code, parameters, shape and output")                                  \
    X(INPUTS, 2, "the inputs: path, size, time, inode")                                            \
    X(LABEL, 3, "the command, for people")                                                         \
    X(ID, 4, "32 hex digits")                                                                      \
    X(MAP, 5, "by round and task: the account of a map task's winner")                             \
    X(REDUCE, 6, "by round and task: the account of a reduce task's winner")                       \
    X(ROUND, 7, "by round: the sum of its accounts, when it closed; of a loop over all passes")    \
    X(END, 8, "how the job ended: its status, as text, and why")                                   \
    X(LOOP, 9, "a loop's lines so far: an account")                                                \
    X(STATE, 10, "the state that a loop's pass reads, and which pass")                             \
    X(LINES, 11, "by pass: lines that a turn emitted")                                             \
    X(SEGMENT, 12, "by pass: lines up to a turn that lie in a file: its size and XXH3")            \
    X(CARE, 13, "by map task: where its code failed, and records to be set aside")                 \
    X(SKIPPED, 14, "by map task and number: a record that was set aside")                          \
    X(FAILED, 15, "by phase and task: the first failure of an attempt, and how many there were")

enum mr_ledger_fact {
#define MR_LEDGER_FACT_ROW(name, number, what) MR_LEDGER_##name = (number),
    MR_LEDGER_FACT_TABLE(MR_LEDGER_FACT_ROW)
#undef MR_LEDGER_FACT_ROW
};

#define MR_LEDGER_KIND_MAX ((uint32_t)MR_LEDGER_FAILED)

enum mr_ledger_standing {
    MR_LEDGER_NEW,  /* the job is not submitted yet */
    MR_LEDGER_OPEN, /* it goes on */
    MR_LEDGER_DONE, /* it is done, and its output is there */
};

/* In the caller's storage. */
struct mr_ledger {
    struct mr_journal *journal; /* NULL: none, and these are the facts: */
    struct mr_facts facts;
    char *owner; /* the absolute path of STATE */
    char *dir;   /* of the job's files */
    uint32_t job;
    char id[MR_LEDGER_ID_LEN + 1];
    enum mr_ledger_standing standing;
};

/* Opens the journal in spec->state and finds out how the run stands; `id` is a new job's. Release
 * with mr_ledger_close, also after a failure. */
MR_MUST_USE int mr_ledger_open(struct mr_ledger *ledger, const struct mr_run_spec *spec,
                               const struct mr_plan *plan, const char *id, struct mr_error *err);
void mr_ledger_close(struct mr_ledger *ledger);

/* Gathers the facts of a new job. */
MR_MUST_USE int mr_ledger_describe(struct mr_ledger *ledger, const struct mr_run_spec *spec,
                                   const struct mr_plan *plan, struct mr_error *err);

/* Begins one without a journal, for a job whose files lie in `dir`, which is copied. */
MR_MUST_USE int mr_ledger_begin(struct mr_ledger *ledger, const char *id, const char *dir,
                                struct mr_error *err);

/* Gathers a fact; finds one, valid until the next change (NULL: there is none); gathers that one
 * is forgotten, or all of a kind; and all facts, sorted, for those of a kind. */
MR_MUST_USE int mr_ledger_note(struct mr_ledger *ledger, enum mr_ledger_fact kind, uint64_t key,
                               const void *bytes, size_t len, struct mr_error *err);
const struct mr_fact *mr_ledger_find(const struct mr_ledger *ledger, enum mr_ledger_fact kind,
                                     uint64_t key);
MR_MUST_USE int mr_ledger_drop(struct mr_ledger *ledger, enum mr_ledger_fact kind, uint64_t key,
                               struct mr_error *err);
MR_MUST_USE int mr_ledger_forget(struct mr_ledger *ledger, enum mr_ledger_fact kind,
                                 struct mr_error *err);
const struct mr_fact *mr_ledger_all(const struct mr_ledger *ledger, enum mr_ledger_fact kind,
                                    size_t *count);
uint64_t mr_ledger_key(uint32_t high, uint32_t low);

/* Gathers an account, and finds one (false: there is none). Release what was found. */
MR_MUST_USE int mr_ledger_put(struct mr_ledger *ledger, enum mr_ledger_fact kind, uint32_t round,
                              uint32_t task, const struct mr_account *account,
                              struct mr_error *err);
MR_MUST_USE int mr_ledger_get(const struct mr_ledger *ledger, enum mr_ledger_fact kind,
                              uint32_t round, uint32_t task, struct mr_account *account,
                              bool *is_there, struct mr_error *err);

/* Gathers how the job ended, and forgets what it did. Said once: the first cause stays. */
MR_MUST_USE int mr_ledger_end(struct mr_ledger *ledger, const struct mr_error *how,
                              struct mr_error *err);

/* With a journal. Makes the folder for the job's files, and removes those of other jobs; or removes
 * all. */
MR_MUST_USE int mr_ledger_make_dir(const struct mr_ledger *ledger, struct mr_error *err);
void mr_ledger_clear(const struct mr_ledger *ledger, bool keeps_own);

/* Makes a file in the job's folder, and its name, durable. */
MR_MUST_USE int mr_ledger_sync(const struct mr_ledger *ledger, const char *path,
                               struct mr_error *err);

#endif
