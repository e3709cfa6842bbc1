/* journal: makes the scheduler's state, and what its shell must not forget, survive the process. */
#include "master/journal/journal.h"

#include "lib/base/error.h"
#include "lib/base/fail_point.h"
#include "lib/base/hash.h"
#include "master/core/event_bytes.h"
#include "master/journal/chain.h"
#include "master/journal/store.h"

#include <stdlib.h>
#include <string.h>

/* Kinds of entries; docs/journal.md has their layouts. */
enum entry_kind {
    ENTRY_SNAPSHOT = MR_STORE_BASE,
    ENTRY_EVENT,
    ENTRY_FACT,
    ENTRY_UNFACT, /* a fact is forgotten */
    ENTRY_FORGET, /* all facts of a job, or those of a kind */
    ENTRY_BOOT,
};

#define FACT_HEAD_BYTES 16
#define SNAPSHOT_HEAD_BYTES (MR_STORE_BASE_BYTES + 8)

/* A snapshot is written when so many bytes, or as many as the last one had, were added. */
#define COMPACT_BYTES ((size_t)1 << 20)

/* Saving the state to hash it costs time in its size: done at each commit below this, else the more
 * rarely the larger it is. */
#define HASH_EACH_BYTES ((size_t)4 << 10)

struct batch {
    struct mr_store_entry *entries;
    size_t count;
    size_t capacity;
    bool has_hash;
    uint64_t hash;
    uint64_t keep_from;
};

struct mr_journal {
    struct mr_store *store; /* flush's alone, while a batch is taken */
    struct mr_core *core;
    struct mr_facts facts;
    enum mr_journal_use use;
    uint64_t epoch;
    struct batch gathered;
    struct batch taken;
    bool is_taken;
    struct mr_error failed;     /* the first failure */
    uint64_t sequence;          /* of the last entry gathered */
    uint64_t snapshot;          /* the last snapshot's number, 0: none */
    size_t snapshot_bytes;      /* with its facts */
    size_t added_bytes;         /* since it */
    size_t state_bytes;         /* when it was saved last */
    size_t unhashed;            /* commits since the last hash */
    struct mr_store_head found; /* when it was opened */
    struct mr_journal_stats stats;
};

/* ---- entries --------------------------------------------------------------------------------- */

/* Gathers an entry; takes the bytes over, also on failure. */
static int gather(struct mr_journal *journal, enum entry_kind kind, void *bytes, size_t len,
                  struct mr_error *err) {
    struct batch *batch = &journal->gathered;
    if (batch->count == batch->capacity) {
        size_t capacity = batch->capacity ? 2 * batch->capacity : 16;
        struct mr_store_entry *entries = realloc(batch->entries, capacity * sizeof *entries);
        if (!entries) {
            free(bytes);
            return mr_error_nomem(err, "writing the journal");
        }
        batch->entries = entries;
        batch->capacity = capacity;
    }
    batch->entries[batch->count++] =
        (struct mr_store_entry){.kind = (uint32_t)kind, .bytes = bytes, .len = len};
    journal->sequence++;
    journal->added_bytes += len;
    return MR_OK;
}

static void empty(struct batch *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        free(batch->entries[i].bytes);
    }
    batch->count = 0;
    batch->has_hash = false;
    batch->keep_from = 0;
}

/* What is wrong ends the journal: the core may be ahead of what can ever be written. */
static int end(struct mr_journal *journal, const struct mr_error *err) {
    if (!journal->failed.code) {
        journal->failed = *err;
    }
    return err->code;
}

static bool has_failed(const struct mr_journal *journal, struct mr_error *err) {
    if (journal->failed.code) {
        *err = journal->failed;
    } else if (journal->use == MR_JOURNAL_LOOK) {
        mr_error_set(err, MR_ERR_INTERNAL, "a journal that is looked at is not written");
    }
    return err->code != 0;
}

int mr_journal_apply(struct mr_journal *journal, const struct mr_core_event *event, uint64_t now_ms,
                     struct mr_core_effects *effects, struct mr_error *err) {
    struct mr_buffer bytes = {0};
    *effects = (struct mr_core_effects){0};
    if (has_failed(journal, err)) {
        return err->code;
    }
    bool is_durable =
        (size_t)event->kind < MR_CORE_EVENT_KINDS && mr_terms_event_is_durable(event->kind);
    if (is_durable && mr_event_bytes_put(&bytes, event, err)) {
        mr_buffer_fini(&bytes);
        return err->code; /* nothing has changed */
    }
    if (mr_core_apply(journal->core, event, now_ms, effects, err)) {
        mr_buffer_fini(&bytes);
        return err->code;
    }
    if (is_durable && gather(journal, ENTRY_EVENT, bytes.data, bytes.len, err)) {
        *effects = (struct mr_core_effects){0};
        return end(journal, err);
    }
    return MR_OK;
}

static void put_fact_head(unsigned char *out, uint32_t job, uint32_t kind, uint64_t key) {
    mr_chain_put32(out, job);
    mr_chain_put32(out + 4, kind);
    mr_chain_put64(out + 8, key);
}

static int gather_fact(struct mr_journal *journal, const struct mr_fact *fact,
                       struct mr_error *err) {
    bool is_there = fact->bytes != NULL;
    unsigned char *bytes = malloc(FACT_HEAD_BYTES + fact->len);
    if (!bytes) {
        return mr_error_nomem(err, "writing the journal");
    }
    put_fact_head(bytes, fact->job, fact->kind, fact->key);
    if (fact->len > 0) {
        memcpy(bytes + FACT_HEAD_BYTES, fact->bytes, fact->len);
    }
    return gather(journal, is_there ? ENTRY_FACT : ENTRY_UNFACT, bytes, FACT_HEAD_BYTES + fact->len,
                  err);
}

int mr_journal_put(struct mr_journal *journal, uint32_t job, uint32_t kind, uint64_t key,
                   const void *bytes, size_t len, struct mr_error *err) {
    if (has_failed(journal, err)) {
        return err->code;
    }
    struct mr_fact fact = {job, kind, key, (char *)(uintptr_t)bytes, len};
    if (!bytes) {
        mr_facts_remove(&journal->facts, job, kind, key);
    } else if (mr_facts_put(&journal->facts, &fact, err)) {
        return end(journal, err);
    }
    return gather_fact(journal, &fact, err) ? end(journal, err) : MR_OK;
}

int mr_journal_forget(struct mr_journal *journal, uint32_t job, uint32_t kind,
                      struct mr_error *err) {
    if (has_failed(journal, err)) {
        return err->code;
    }
    unsigned char *bytes = malloc(FACT_HEAD_BYTES);
    if (!bytes) {
        mr_error_nomem(err, "writing the journal");
        return end(journal, err);
    }
    mr_facts_forget(&journal->facts, job, kind);
    put_fact_head(bytes, job, kind, 0);
    return gather(journal, ENTRY_FORGET, bytes, FACT_HEAD_BYTES, err) ? end(journal, err) : MR_OK;
}

const struct mr_fact *mr_journal_some(const struct mr_journal *journal, uint32_t job, uint32_t kind,
                                      size_t *count) {
    /* Nothing changes but where the gap between them is. */
    return mr_facts_some((struct mr_facts *)(uintptr_t)&journal->facts, job, kind, count);
}

const struct mr_fact *mr_journal_facts(const struct mr_journal *journal, size_t *count) {
    /* What moves is where they lie, which is not to be seen. */
    return mr_facts_all((struct mr_facts *)(uintptr_t)&journal->facts, count);
}

const struct mr_fact *mr_journal_find(const struct mr_journal *journal, uint32_t job, uint32_t kind,
                                      uint64_t key) {
    return mr_facts_find(&journal->facts, job, kind, key);
}

struct mr_core *mr_journal_core(struct mr_journal *journal) {
    return journal->core;
}

uint64_t mr_journal_epoch(const struct mr_journal *journal) {
    return journal->epoch;
}

struct mr_journal_stats mr_journal_stats(const struct mr_journal *journal) {
    struct mr_journal_stats stats = journal->stats;
    stats.epoch = journal->epoch;
    stats.sequence = journal->sequence;
    return stats;
}

/* ---- transactions ---------------------------------------------------------------------------- */

/* Gathers a snapshot with all facts; what is older than the one before it goes. */
static int compact(struct mr_journal *journal, struct mr_error *err) {
    char *state = NULL;
    size_t len = 0;
    if (mr_core_save(journal->core, &state, &len, err)) {
        return err->code;
    }
    unsigned char *bytes = malloc(SNAPSHOT_HEAD_BYTES + len);
    if (bytes) {
        memset(bytes, 0, MR_STORE_BASE_BYTES);
        mr_chain_put64(bytes + MR_STORE_BASE_BYTES, mr_hash_xxh3(state, len));
        memcpy(bytes + SNAPSHOT_HEAD_BYTES, state, len);
    } else {
        mr_error_nomem(err, "writing the journal");
    }
    free(state);
    if (err->code || gather(journal, ENTRY_SNAPSHOT, bytes, SNAPSHOT_HEAD_BYTES + len, err)) {
        return err->code;
    }
    uint64_t before = journal->snapshot;
    journal->snapshot = journal->sequence;
    journal->added_bytes = SNAPSHOT_HEAD_BYTES + len;
    size_t count;
    const struct mr_fact *facts = mr_facts_all(&journal->facts, &count);
    for (size_t i = 0; i < count; i++) {
        if (gather_fact(journal, &facts[i], err)) {
            return err->code;
        }
    }
    journal->snapshot_bytes = journal->added_bytes;
    journal->added_bytes = 0;
    journal->gathered.keep_from = before;
    return MR_OK;
}

static int hash_state(struct mr_journal *journal, struct mr_error *err) {
    char *state = NULL;
    struct batch *batch = &journal->gathered;
    journal->unhashed++;
    if (journal->unhashed <= journal->state_bytes / HASH_EACH_BYTES) {
        return MR_OK;
    }
    if (!mr_core_save(journal->core, &state, &journal->state_bytes, err)) {
        batch->has_hash = true;
        batch->hash = mr_hash_xxh3(state, journal->state_bytes);
        journal->unhashed = 0;
    }
    free(state);
    return err->code;
}

bool mr_journal_seal(struct mr_journal *journal) {
    struct mr_error err = {0};
    if (journal->is_taken || journal->gathered.count == 0 || journal->failed.code) {
        return false;
    }
    size_t worth =
        journal->snapshot_bytes > COMPACT_BYTES ? journal->snapshot_bytes : COMPACT_BYTES;
    if ((journal->added_bytes > worth && compact(journal, &err)) || hash_state(journal, &err)) {
        (void)end(journal, &err);
        return false;
    }
    struct batch empty_one = journal->taken;
    journal->taken = journal->gathered;
    journal->gathered = empty_one;
    journal->is_taken = true;
    return true;
}

size_t mr_journal_sealed_bytes(const struct mr_journal *journal) {
    size_t bytes = 0;
    for (size_t i = 0; i < journal->taken.count; i++) {
        bytes += journal->taken.entries[i].len;
    }
    return bytes;
}

int mr_journal_flush(struct mr_journal *journal, struct mr_error *flushed) {
    const struct batch *batch = &journal->taken;
    struct mr_store_change change = {.epoch = journal->epoch,
                                     .has_hash = batch->has_hash,
                                     .hash = batch->hash,
                                     .keep_from = batch->keep_from};
    return mr_store_write(journal->store, batch->entries, batch->count, &change, flushed);
}

int mr_journal_settle(struct mr_journal *journal, const struct mr_error *flushed,
                      struct mr_error *err) {
    empty(&journal->taken);
    journal->is_taken = false;
    journal->stats.transactions++;
    if (flushed->code) {
        (void)end(journal, flushed);
    }
    if (journal->failed.code) {
        *err = journal->failed;
        return err->code;
    }
    MR_FAIL_POINT(journal_pre_reply);
    return MR_OK;
}

int mr_journal_commit(struct mr_journal *journal, struct mr_error *err) {
    if (has_failed(journal, err)) {
        return err->code;
    }
    if (journal->is_taken) {
        return mr_error_set(err, MR_ERR_INTERNAL, "a transaction of the journal is under way");
    }
    struct mr_error flushed = {0};
    if (!mr_journal_seal(journal)) {
        *err = journal->failed; /* there was no memory for it, or nothing gathered */
        return err->code;
    }
    (void)!mr_journal_flush(journal, &flushed);
    return mr_journal_settle(journal, &flushed, err);
}

/* ---- replay ---------------------------------------------------------------------------------- */

static int damaged(const struct mr_store_entry *entry, const char *why, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_INPUT, "the journal is damaged: its entry %llu %s",
                        (unsigned long long)entry->sequence, why);
}

static int compare_hash(struct mr_journal *journal, const struct mr_store_entry *entry,
                        uint64_t wanted, struct mr_error *err) {
    uint64_t hash;
    if (mr_core_hash(journal->core, &hash, err)) {
        return err->code;
    }
    journal->stats.comparisons++;
    return hash == wanted
               ? MR_OK
               : damaged(entry, "leads to another state than it did when it was written", err);
}

static int replay_snapshot(struct mr_journal *journal, const struct mr_store_entry *entry,
                           struct mr_error *err) {
    if (entry->len < SNAPSHOT_HEAD_BYTES) {
        return damaged(entry, "is too short for a snapshot", err);
    }
    bool is_first = journal->stats.entries == 1;
    uint64_t hash = mr_chain_get64(entry->bytes + MR_STORE_BASE_BYTES);
    if (is_first) {
        mr_core_destroy(journal->core);
        journal->core = NULL;
        if (mr_core_load(NULL, (const char *)entry->bytes + SNAPSHOT_HEAD_BYTES,
                         entry->len - SNAPSHOT_HEAD_BYTES, &journal->core, err)) {
            return err->code;
        }
    }
    if (compare_hash(journal, entry, hash, err)) {
        return err->code;
    }
    mr_facts_fini(&journal->facts); /* they follow */
    journal->snapshot = entry->sequence;
    journal->snapshot_bytes = entry->len;
    journal->added_bytes = 0;
    return MR_OK;
}

static int replay_event(struct mr_journal *journal, const struct mr_store_entry *entry,
                        struct mr_error *err) {
    struct mr_core_event event;
    struct mr_core_effects effects;
    if (mr_event_bytes_get(entry->bytes, entry->len, &event, err)) {
        return err->code;
    }
    if (!mr_terms_event_is_durable(event.kind)) {
        (void)!damaged(entry, "is an event that no journal holds", err);
    } else if (mr_core_apply(journal->core, &event, 0, &effects, err) == MR_ERR_INTERNAL) {
        err->code = MR_ERR_INPUT; /* the core refuses: it was not what led to this state */
    }
    journal->stats.events++;
    mr_event_bytes_release(&event);
    return err->code;
}

static int replay_fact(struct mr_journal *journal, const struct mr_store_entry *entry,
                       struct mr_error *err) {
    if (entry->len < FACT_HEAD_BYTES) {
        return damaged(entry, "is too short for a fact", err);
    }
    struct mr_fact fact = {.job = mr_chain_get32(entry->bytes),
                           .kind = mr_chain_get32(entry->bytes + 4),
                           .key = mr_chain_get64(entry->bytes + 8),
                           .bytes = (char *)entry->bytes + FACT_HEAD_BYTES,
                           .len = entry->len - FACT_HEAD_BYTES};
    if (entry->kind == ENTRY_FACT) {
        return mr_facts_put(&journal->facts, &fact, err);
    }
    if (entry->kind == ENTRY_UNFACT) {
        mr_facts_remove(&journal->facts, fact.job, fact.kind, fact.key);
    } else {
        mr_facts_forget(&journal->facts, fact.job, fact.kind);
    }
    return MR_OK;
}

static int replay_boot(struct mr_journal *journal, const struct mr_store_entry *entry,
                       struct mr_error *err) {
    if (entry->len != 8 || mr_chain_get64(entry->bytes) <= journal->epoch) {
        return damaged(entry, "is no boot, or one that comes too late", err);
    }
    journal->epoch = mr_chain_get64(entry->bytes);
    return MR_OK;
}

static int replay(void *arg, const struct mr_store_entry *entry, struct mr_error *err) {
    struct mr_journal *journal = arg;
    journal->stats.entries++;
    journal->sequence = entry->sequence;
    switch ((enum entry_kind)entry->kind) {
    case ENTRY_SNAPSHOT:
        (void)!replay_snapshot(journal, entry, err);
        break;
    case ENTRY_EVENT:
        (void)!replay_event(journal, entry, err);
        break;
    case ENTRY_FACT:
    case ENTRY_UNFACT:
    case ENTRY_FORGET:
        (void)!replay_fact(journal, entry, err);
        break;
    case ENTRY_BOOT:
        (void)!replay_boot(journal, entry, err);
        break;
    default:
        (void)!damaged(entry, "is of no kind", err);
    }
    journal->added_bytes += entry->kind == ENTRY_SNAPSHOT ? 0 : entry->len;
    if (!err->code && entry->sequence == journal->found.hashed) {
        (void)!compare_hash(journal, entry, journal->found.hash, err);
    }
    return err->code;
}

/* Adds to an error what the journal told before the damage. */
static void tell_jobs(const struct mr_journal *journal, struct mr_error *err) {
    static const char *const states[] = {"",           "running",  "closing",
                                         "publishing", "stopping", "finished"};
    uint32_t told = 0;
    uint32_t last = 0;
    size_t count;
    const struct mr_fact *facts = mr_journal_facts(journal, &count);
    for (size_t i = 0; journal->core && i < count && told < 10; i++) {
        uint32_t job = facts[i].job;
        struct mr_core_job_view view = mr_core_job(journal->core, job);
        if (job != last && view.state != MR_CORE_JOB_UNKNOWN) {
            mr_error_add(err, "%sjob %u (%s, %u of %u tasks done)",
                         told++ ? ", " : "; before that it tells of ", job, states[view.state],
                         view.map_tasks + view.reduce_tasks - view.maps_open - view.reduces_open,
                         view.map_tasks + view.reduce_tasks);
        }
        last = job;
    }
}

static int boot(struct mr_journal *journal, struct mr_error *err) {
    unsigned char *bytes = malloc(8);
    if (!bytes) {
        return mr_error_nomem(err, "opening the journal");
    }
    mr_chain_put64(bytes, ++journal->epoch);
    if (gather(journal, ENTRY_BOOT, bytes, 8, err) || journal->use == MR_JOURNAL_BEGIN) {
        return err->code;
    }
    return mr_journal_commit(journal, err);
}

static int load(struct mr_journal *journal, const char *dir, struct mr_error *err) {
    if (mr_core_create(NULL, &journal->core, err) ||
        mr_store_open(dir, journal->use != MR_JOURNAL_LOOK, &journal->store, err) ||
        mr_store_bytes(journal->store, &journal->stats.bytes, err)) {
        return err->code;
    }
    journal->found = mr_store_head(journal->store);
    if (mr_store_read(journal->store, replay, journal, err)) {
        if (err->code == MR_ERR_INPUT) {
            tell_jobs(journal, err);
        }
        return err->code;
    }
    /* A snapshot may have removed the boots: the head has their count. */
    if (journal->epoch > journal->found.epoch) {
        return mr_error_set(err, MR_ERR_INPUT, "the journal is damaged: its head is older than it");
    }
    journal->epoch = journal->found.epoch;
    return journal->use == MR_JOURNAL_LOOK ? MR_OK : boot(journal, err);
}

int mr_journal_open(const char *dir, enum mr_journal_use use, struct mr_journal **journal,
                    struct mr_error *err) {
    struct mr_journal *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "opening the journal");
    }
    made->use = use;
    if (load(made, dir, err)) {
        mr_journal_close(made);
        return err->code;
    }
    *journal = made;
    return MR_OK;
}

void mr_journal_close(struct mr_journal *journal) {
    if (!journal) {
        return;
    }
    empty(&journal->gathered);
    empty(&journal->taken);
    free(journal->gathered.entries);
    free(journal->taken.entries);
    mr_facts_fini(&journal->facts);
    mr_core_destroy(journal->core);
    mr_store_close(journal->store);
    free(journal);
}
