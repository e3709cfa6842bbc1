/* store: the journal's file: a log of checked entries, in SQLite, on one connection. */
#include "master/journal/store.h"

#include "lib/base/error.h"
#include "lib/base/fail_point.h"
#include "master/journal/chain.h"
#include "master/journal/connection.h"
#include "master/journal/witness.h"

#include <stdlib.h>
#include <string.h>

#define SHOWN "%.300s"

static const char schema_entry[] =
    "CREATE TABLE entry(sequence INTEGER PRIMARY KEY, kind INTEGER NOT NULL, bytes BLOB NOT NULL, "
    "chain INTEGER NOT NULL)";
static const char schema_head[] =
    "CREATE TABLE head(id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL, "
    "chain INTEGER NOT NULL, hashed INTEGER NOT NULL, hash INTEGER NOT NULL, seal INTEGER NOT "
    "NULL)";

struct mr_store {
    char *dir;
    struct mr_connection link;
    sqlite3_stmt *begin, *commit, *insert, *erase, *update;
    struct mr_store_head head;
    struct mr_witness witness;
    struct mr_error failed; /* the first failure of a write: nothing is done any more */
};

/* ---- opening --------------------------------------------------------------------------------- */

static uint64_t seal_of(const struct mr_store_head *head) {
    uint64_t numbers[] = {head->epoch, head->sequence, head->chain, head->hashed, head->hash};
    return mr_chain_seal(numbers, sizeof numbers / sizeof *numbers);
}

static int make_tables(struct mr_store *store, struct mr_error *err) {
    struct mr_store_head head = {0};
    sqlite3_stmt *statement = NULL;
    mr_witness_remove(&store->witness, store->dir); /* of a journal that somebody removed */
    if (mr_connection_execute(&store->link, "BEGIN IMMEDIATE", "make", err) ||
        mr_connection_execute(&store->link, schema_entry, "make", err) ||
        mr_connection_execute(&store->link, schema_head, "make", err) ||
        mr_connection_prepare(&store->link, "INSERT INTO head VALUES(1, 0, 0, 0, 0, 0, ?1)",
                              &statement, err)) {
        return err->code;
    }
    mr_sqlite.bind_int64(statement, 1, (int64_t)seal_of(&head));
    if (mr_sqlite.step(statement) != SQLITE_DONE) {
        (void)!mr_connection_fail(&store->link, "make", err);
    }
    mr_sqlite.finalize(statement);
    if (!err->code) { /* 1297238604 is MR_CONNECTION_APPLICATION */
        (void)!mr_connection_execute(
            &store->link, "PRAGMA application_id=1297238604; PRAGMA user_version=1; COMMIT", "make",
            err);
    }
    return err->code;
}

/* What was committed is there, as far as something tells of it. */
static int hear_witness(struct mr_store *store, struct mr_error *err) {
    struct mr_witness_word word = mr_witness_read(store->dir);
    const struct mr_store_head *head = &store->head;
    if (word.sequence < head->sequence ||
        (word.sequence == head->sequence && (word.chain == head->chain || !word.sequence))) {
        return MR_OK;
    }
    return mr_error_set(err, MR_ERR_INPUT,
                        "the journal in \"" SHOWN "\" is damaged: entry %llu was on disk, and it "
                        "ends with %llu: its write-ahead log is not what was written; to go on "
                        "from there all the same, remove \"" SHOWN "/" MR_WITNESS_FILE "\"",
                        store->dir, (unsigned long long)word.sequence,
                        (unsigned long long)head->sequence, store->dir);
}

/* Makes the tables where there is nothing yet, else sees that they are ours. */
static int check_tables(struct mr_store *store, struct mr_error *err) {
    int64_t objects;
    int64_t version;
    bool is_ours[2];
    if (mr_connection_see_owner(&store->link, err) ||
        mr_connection_ask_number(&store->link, "SELECT count(*) FROM sqlite_schema", &objects,
                                 err) ||
        mr_connection_ask_number(&store->link, "PRAGMA user_version", &version, err)) {
        return err->code;
    }
    if (objects == 0 && version == 0) {
        return !store->link.is_new && hear_witness(store, err) ? err->code
               : store->link.may_write                         ? make_tables(store, err)
                                       : mr_connection_holds_none(&store->link, err);
    }
    if (version != MR_STORE_FORMAT) {
        return mr_error_set(err, MR_ERR_INPUT,
                            "the journal in \"" SHOWN "\" is of format %lld, and this Millrace "
                            "reads %d: use the one that wrote it",
                            store->dir, (long long)version, MR_STORE_FORMAT);
    }
    if (mr_connection_ask(&store->link,
                          "SELECT coalesce((SELECT sql FROM sqlite_schema WHERE name='entry'), '')",
                          schema_entry, &is_ours[0], err) ||
        mr_connection_ask(&store->link,
                          "SELECT coalesce((SELECT sql FROM sqlite_schema WHERE name='head'), '')",
                          schema_head, &is_ours[1], err)) {
        return err->code;
    }
    return objects == 2 && is_ours[0] && is_ours[1]
               ? MR_OK
               : mr_connection_damaged(&store->link, "its tables are not ours", err);
}

static bool are_numbers(sqlite3_stmt *statement, int from, int to) {
    bool are = true;
    for (int i = from; i <= to; i++) {
        are = are && mr_sqlite.column_type(statement, i) == SQLITE_INTEGER;
    }
    return are;
}

static uint64_t number(sqlite3_stmt *statement, int column) {
    return (uint64_t)mr_sqlite.column_int64(statement, column);
}

static int read_head(struct mr_store *store, struct mr_error *err) {
    static const char text[] = "SELECT epoch, sequence, chain, hashed, hash, seal FROM head";
    sqlite3_stmt *statement = NULL;
    struct mr_store_head *head = &store->head;
    bool is_right = false;
    if (mr_connection_prepare(&store->link, text, &statement, err)) {
        return err->code;
    }
    int step = mr_sqlite.step(statement);
    if (step == SQLITE_ROW && are_numbers(statement, 0, 5)) {
        *head =
            (struct mr_store_head){number(statement, 0), number(statement, 1), number(statement, 2),
                                   number(statement, 3), number(statement, 4)};
        is_right = number(statement, 5) == seal_of(head);
        step = mr_sqlite.step(statement);
    }
    if (step != SQLITE_DONE && step != SQLITE_ROW) {
        (void)!mr_connection_fail(&store->link, "open", err);
    } else if (!is_right || step != SQLITE_DONE) {
        (void)!mr_connection_damaged(&store->link, "its head is not what was written", err);
    }
    mr_sqlite.finalize(statement);
    return err->code;
}

static int check_pages(struct mr_store *store, struct mr_error *err) {
    bool is_well;
    if (!mr_connection_ask(&store->link, "PRAGMA integrity_check(1)", "ok", &is_well, err) &&
        !is_well) {
        return mr_connection_damaged(&store->link, "SQLite finds its pages inconsistent", err);
    }
    return err->code;
}

static int prepare_all(struct mr_store *store, struct mr_error *err) {
    if (!store->link.may_write) {
        return MR_OK;
    }
    return mr_connection_prepare(&store->link, "BEGIN IMMEDIATE", &store->begin, err) ||
                   mr_connection_prepare(&store->link, "COMMIT", &store->commit, err) ||
                   mr_connection_prepare(&store->link, "INSERT INTO entry VALUES(?1, ?2, ?3, ?4)",
                                         &store->insert, err) ||
                   mr_connection_prepare(&store->link, "DELETE FROM entry WHERE sequence < ?1",
                                         &store->erase, err) ||
                   mr_connection_prepare(
                       &store->link,
                       "UPDATE head SET epoch=?1, sequence=?2, chain=?3, hashed=?4, hash=?5, "
                       "seal=?6 WHERE id=1",
                       &store->update, err)
               ? err->code
               : MR_OK;
}

int mr_store_open(const char *dir, bool may_make, struct mr_store **store, struct mr_error *err) {
    struct mr_store *made = calloc(1, sizeof *made);
    if (!made || !(made->dir = strdup(dir))) {
        free(made);
        return mr_error_nomem(err, "opening the journal");
    }
    made->witness.fd = -1;
    if (mr_connection_open(&made->link, made->dir, may_make, err) || check_tables(made, err) ||
        check_pages(made, err) || read_head(made, err) || hear_witness(made, err) ||
        prepare_all(made, err)) {
        made->failed = *err; /* what is wrong with it is left as it is */
        mr_store_close(made);
        return err->code;
    }
    *store = made;
    return MR_OK;
}

void mr_store_close(struct mr_store *store) {
    if (!store) {
        return;
    }
    bool ends_in_order = store->link.may_write && !store->failed.code;
    sqlite3_stmt *statements[] = {store->begin, store->commit, store->insert, store->erase,
                                  store->update};
    for (size_t i = 0; store->link.db && i < sizeof statements / sizeof *statements; i++) {
        mr_sqlite.finalize(statements[i]);
    }
    mr_connection_close(&store->link, ends_in_order);
    if (ends_in_order) {
        mr_witness_remove(&store->witness, store->dir);
    } else {
        mr_witness_close(&store->witness);
    }
    free(store->dir);
    free(store);
}

struct mr_store_head mr_store_head(const struct mr_store *store) {
    return store->head;
}

int mr_store_bytes(struct mr_store *store, uint64_t *bytes, struct mr_error *err) {
    int64_t pages = 0;
    int64_t size = 0;
    (void)(mr_connection_ask_number(&store->link, "PRAGMA page_count", &pages, err) ||
           mr_connection_ask_number(&store->link, "PRAGMA page_size", &size, err));
    *bytes = (uint64_t)pages * (uint64_t)size;
    return err->code;
}

static int link_entry(uint64_t before, const struct mr_store_entry *entry, uint64_t *chain,
                      struct mr_error *err) {
    struct mr_chain_entry covered = {entry->sequence, entry->kind, entry->bytes, entry->len};
    return mr_chain_link(before, &covered, chain, err);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* How far the log has been read. */
struct reading {
    uint64_t sequence;
    uint64_t chain;
    bool has_begun;
};

static int begin_reading(struct mr_store *store, const struct mr_store_entry *first,
                         struct reading *reading, struct mr_error *err) {
    reading->has_begun = true;
    if (first->kind == MR_STORE_BASE && first->len >= MR_STORE_BASE_BYTES) {
        reading->sequence = first->sequence - 1;
        reading->chain = mr_chain_get64(first->bytes);
        return MR_OK;
    }
    return first->sequence == 1
               ? MR_OK
               : mr_connection_damaged(&store->link, "its beginning is missing", err);
}

/* Takes the row at hand; an error where it is not the next one, as it was written. */
static int check_row(struct mr_store *store, sqlite3_stmt *row, struct reading *reading,
                     struct mr_store_entry *entry, struct mr_error *err) {
    if (!are_numbers(row, 0, 1) || !are_numbers(row, 3, 3) ||
        mr_sqlite.column_type(row, 2) != SQLITE_BLOB) {
        return mr_connection_damaged(&store->link, "an entry of another shape", err);
    }
    static unsigned char nothing[1]; /* SQLite gives no pointer to no bytes */
    const void *bytes = mr_sqlite.column_blob(row, 2);
    *entry = (struct mr_store_entry){.sequence = number(row, 0),
                                     .kind = (uint32_t)number(row, 1),
                                     .bytes = bytes ? (unsigned char *)(uintptr_t)bytes : nothing,
                                     .len = (size_t)mr_sqlite.column_bytes(row, 2)};
    if (entry->len > 0 && !bytes) {
        return mr_error_nomem(err, "reading the journal");
    }
    if (!reading->has_begun && begin_reading(store, entry, reading, err)) {
        return err->code;
    }
    uint64_t chain = 0;
    if (link_entry(reading->chain, entry, &chain, err)) {
        return err->code;
    }
    if (entry->sequence != reading->sequence + 1 || number(row, 1) > UINT32_MAX ||
        chain != number(row, 3)) {
        return mr_connection_damaged(&store->link, "an entry is not what was written", err);
    }
    reading->sequence = entry->sequence;
    reading->chain = chain;
    return MR_OK;
}

int mr_store_read(struct mr_store *store, mr_store_visit visit, void *arg, struct mr_error *err) {
    static const char text[] = "SELECT sequence, kind, bytes, chain FROM entry ORDER BY sequence";
    sqlite3_stmt *row = NULL;
    struct reading reading = {0};
    struct mr_store_entry entry;
    int step = SQLITE_DONE;
    if (mr_connection_prepare(&store->link, text, &row, err)) {
        return err->code;
    }
    while (!err->code && (step = mr_sqlite.step(row)) == SQLITE_ROW) {
        (void)(check_row(store, row, &reading, &entry, err) || visit(arg, &entry, err));
    }
    if (!err->code && step != SQLITE_DONE) {
        (void)!mr_connection_fail(&store->link, "read", err);
    }
    mr_sqlite.finalize(row);
    if (!err->code &&
        (reading.sequence != store->head.sequence || reading.chain != store->head.chain)) {
        return mr_connection_damaged(&store->link, "its end is missing", err);
    }
    return err->code;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Runs a prepared statement that gives no rows. */
static int run(struct mr_store *store, sqlite3_stmt *statement, struct mr_error *err) {
    int step = mr_sqlite.step(statement);
    if (step != SQLITE_DONE) {
        return mr_connection_fail(&store->link, "write",
                                  err); /* no reset: nothing more is done on this connection */
    }
    (void)mr_sqlite.reset(statement);
    return MR_OK;
}

static int write_entry(struct mr_store *store, struct mr_store_head *head,
                       struct mr_store_entry *entry, struct mr_error *err) {
    entry->sequence = head->sequence + 1;
    if (entry->kind == MR_STORE_BASE) {
        mr_chain_put64(entry->bytes, head->chain);
    }
    if (entry->len > MR_STORE_ENTRY_MAX) {
        return mr_error_set(err, MR_ERR_IO, "an entry of %zu bytes is too long for the journal",
                            entry->len);
    }
    uint64_t chain = 0;
    if (link_entry(head->chain, entry, &chain, err)) {
        return err->code;
    }
    mr_sqlite.bind_int64(store->insert, 1, (int64_t)entry->sequence);
    mr_sqlite.bind_int64(store->insert, 2, entry->kind);
    mr_sqlite.bind_blob64(store->insert, 3, entry->len ? (const void *)entry->bytes : "",
                          entry->len, SQLITE_STATIC);
    mr_sqlite.bind_int64(store->insert, 4, (int64_t)chain);
    head->sequence = entry->sequence;
    head->chain = chain;
    return run(store, store->insert, err);
}

static int write_head(struct mr_store *store, const struct mr_store_head *head,
                      struct mr_error *err) {
    uint64_t numbers[] = {head->epoch,  head->sequence, head->chain,
                          head->hashed, head->hash,     seal_of(head)};
    for (int i = 0; i < 6; i++) {
        mr_sqlite.bind_int64(store->update, i + 1, (int64_t)numbers[i]);
    }
    return run(store, store->update, err);
}

static int transact(struct mr_store *store, struct mr_store_entry *entries, size_t count,
                    const struct mr_store_change *change, struct mr_error *err) {
    struct mr_store_head head = store->head;
    if (run(store, store->begin, err)) {
        return err->code;
    }
    for (size_t i = 0; i < count; i++) {
        if (write_entry(store, &head, &entries[i], err)) {
            return err->code;
        }
    }
    head.epoch = change->epoch;
    if (change->has_hash) {
        head.hashed = head.sequence;
        head.hash = change->hash;
    }
    if (change->keep_from) {
        mr_sqlite.bind_int64(store->erase, 1, (int64_t)change->keep_from);
        if (run(store, store->erase, err)) {
            return err->code;
        }
    }
    if (write_head(store, &head, err)) {
        return err->code;
    }
    MR_FAIL_POINT(journal_pre_commit);
    if (run(store, store->commit, err)) {
        return err->code;
    }
    MR_FAIL_POINT(journal_post_commit);
    store->head = head;
    mr_witness_note(&store->witness, store->dir,
                    &(struct mr_witness_word){head.sequence, head.chain});
    return MR_OK;
}

int mr_store_write(struct mr_store *store, struct mr_store_entry *entries, size_t count,
                   const struct mr_store_change *change, struct mr_error *err) {
    if (!store->failed.code) {
        (void)!transact(store, entries, count, change, &store->failed);
    }
    if (store->failed.code) {
        *err = store->failed;
    }
    return err->code;
}
