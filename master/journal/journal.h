/* journal: makes the scheduler's state, and what its shell must not forget, survive the process.
 *
 * A shell with a journal hands its events to mr_journal_apply instead of mr_core_apply. The core
 * changes at once; the event is gathered; mr_journal_commit writes what has gathered in one
 * transaction, on disk when it returns; only then may the shell perform the effects. So what the
 * outside ever saw is in the journal, and the journal, not what was said, is the truth.
 *
 * Facts are the shell's own: bytes under (job, kind, key), a later one in the place of an earlier.
 * They are durable together with the events gathered beside them.
 *
 * Opening replays: the latest but one snapshot, then every event. Wherever a hash of the state was
 * stored (each snapshot, and after the last transaction) the replayed state is compared with it; a
 * difference is damage. Then the state goes on where it was, with a boot epoch one higher.
 *
 * Compaction: when as many bytes were added as the snapshot has, or 1 MiB, a new one is written
 * with all facts, and what is older than the snapshot before it is removed: so the replay of every
 * opening passes at least one comparison.
 *
 * The first failure of a write ends the journal: every later call returns it, and the shell stops
 * without performing anything. A shell without a journal has no struct mr_journal, and pays
 * nothing.
 *
 * Threads: with one lock around everything but mr_journal_flush, which one thread at a time may
 * call without it, while others apply and put: so transactions gather what arrives while one is
 * being written. */
#ifndef MR_JOURNAL_JOURNAL_H
#define MR_JOURNAL_JOURNAL_H

#include "master/core/core.h"
#include "master/journal/facts.h"

struct mr_journal; /* opaque */

/* Why a journal is opened. */
enum mr_journal_use {
    MR_JOURNAL_RUN,   /* make it where it is missing; begin the next epoch */
    MR_JOURNAL_BEGIN, /* likewise, but the next epoch is only gathered: the owner's first commit
                         makes it durable, together with what else shall begin with it */
    MR_JOURNAL_LOOK,  /* as it is; nothing may be written */
};

/* Opens the journal in the folder `dir`; errors as of mr_store_open, and MR_ERR_INPUT where the
 * replay finds damage, which then names the jobs known so far. */
MR_MUST_USE int mr_journal_open(const char *dir, enum mr_journal_use use,
                                struct mr_journal **journal, struct mr_error *err);
/* Drops what was gathered and not committed. Harmless on NULL. */
void mr_journal_close(struct mr_journal *journal);

/* The state; owned by the journal, changed by mr_journal_apply alone. */
struct mr_core *mr_journal_core(struct mr_journal *journal);
/* The boot epoch: how often the journal was opened to run. */
uint64_t mr_journal_epoch(const struct mr_journal *journal);

/* mr_core_apply, and gathers the event where it is durable. Events that the core refuses are not
 * gathered. */
MR_MUST_USE int mr_journal_apply(struct mr_journal *journal, const struct mr_core_event *event,
                                 uint64_t now_ms, struct mr_core_effects *effects,
                                 struct mr_error *err);

/* Gathers a fact; the bytes are copied. `len` 0 with bytes NULL: the fact is forgotten. */
MR_MUST_USE int mr_journal_put(struct mr_journal *journal, uint32_t job, uint32_t kind,
                               uint64_t key, const void *bytes, size_t len, struct mr_error *err);
/* Gathers that all facts of a job that are of this kind (UINT32_MAX: of any) are forgotten. */
MR_MUST_USE int mr_journal_forget(struct mr_journal *journal, uint32_t job, uint32_t kind,
                                  struct mr_error *err);

/* All facts, gathered ones included, by job, kind, key; and one of them, or NULL. Valid until the
 * next put or forget; what mr_journal_some and mr_journal_find return also only until the next call
 * of mr_journal_facts, or of mr_journal_some, which move the rows (the bytes of a fact stay). */
const struct mr_fact *mr_journal_facts(const struct mr_journal *journal, size_t *count);
const struct mr_fact *mr_journal_some(const struct mr_journal *journal, uint32_t job, uint32_t kind,
                                      size_t *count); /* of a job, of this kind; NULL: none */
const struct mr_fact *mr_journal_find(const struct mr_journal *journal, uint32_t job, uint32_t kind,
                                      uint64_t key);

/* The three steps of a transaction: takes what has gathered (false: nothing has, or one is under
 * way); makes it durable; and notes that it is, or what `flushed` says instead, which is returned.
 * mr_journal_commit does all three; with nothing gathered it writes nothing, and while another
 * transaction is under way it is refused (MR_ERR_INTERNAL): what gathered would not be on disk. */
bool mr_journal_seal(struct mr_journal *journal);
size_t mr_journal_sealed_bytes(const struct mr_journal *journal); /* that flush will write */
MR_MUST_USE int mr_journal_flush(struct mr_journal *journal, struct mr_error *flushed);
MR_MUST_USE int mr_journal_settle(struct mr_journal *journal, const struct mr_error *flushed,
                                  struct mr_error *err);
MR_MUST_USE int mr_journal_commit(struct mr_journal *journal, struct mr_error *err);

/* What a journal is like, for people and tests. */
struct mr_journal_stats {
    uint64_t epoch;
    uint64_t sequence;     /* of the last entry */
    uint64_t entries;      /* replayed at opening */
    uint64_t events;       /* among them */
    uint64_t comparisons;  /* of hashes, in that replay */
    uint64_t transactions; /* since opening */
    uint64_t bytes;        /* of the file at opening */
};
struct mr_journal_stats mr_journal_stats(const struct mr_journal *journal);

#endif
