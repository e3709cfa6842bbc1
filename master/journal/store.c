/* store: the journal's file: a log of checked entries, in SQLite, on one connection. */
#include "master/journal/store.h"

#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include "lib/base/fail_point.h"
#include "master/journal/chain.h"
#include "master/journal/witness.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN "%.300s"
#define LIBRARY "libsqlite3.so.0"
#define SQLITE_LEAST 3022000
#define APPLICATION 0x4d524a4c /* "MRJL" */

/* ---- SQLite, loaded when it is needed -------------------------------------------------------- */

#define CALLS(X)                                                                                   \
    X(libversion_number)                                                                           \
    X(open_v2)                                                                                     \
    X(close)                                                                                       \
    X(db_config)                                                                                   \
    X(exec)                                                                                        \
    X(extended_errcode)                                                                            \
    X(errmsg)                                                                                      \
    X(prepare_v2)                                                                                  \
    X(step)                                                                                        \
    X(reset)                                                                                       \
    X(finalize)                                                                                    \
    X(bind_int64)                                                                                  \
    X(bind_blob64)                                                                                 \
    X(column_type)                                                                                 \
    X(column_int64)                                                                                \
    X(column_blob)                                                                                 \
    X(column_bytes)                                                                                \
    X(column_text)

static struct {
#define CALL_MEMBER(name) __typeof__(&sqlite3_##name) name;
    CALLS(CALL_MEMBER)
#undef CALL_MEMBER
} sql;

static struct mr_error load_error;
static pthread_once_t load_once = PTHREAD_ONCE_INIT;

static void load(void) {
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    bool is_whole = library != NULL;
#define CALL_FIND(name)                                                                            \
    if (is_whole) {                                                                                \
        void *found = dlsym(library, "sqlite3_" #name);                                            \
        memcpy(&sql.name, &found, sizeof found);                                                   \
        is_whole = found != NULL;                                                                  \
    }
    CALLS(CALL_FIND)
#undef CALL_FIND
    if (!is_whole) {
        const char *why = dlerror();
        mr_error_set(&load_error, MR_ERR_IO,
                     "a journal needs SQLite (the package libsqlite3-0): %.200s",
                     why ? why : LIBRARY " lacks a function");
    } else if (sql.libversion_number() < SQLITE_LEAST) {
        mr_error_set(&load_error, MR_ERR_IO, "a journal needs SQLite 3.22 or later");
    }
}

/* ---- the store ------------------------------------------------------------------------------- */

static const char schema_entry[] =
    "CREATE TABLE entry(sequence INTEGER PRIMARY KEY, kind INTEGER NOT NULL, bytes BLOB NOT NULL, "
    "chain INTEGER NOT NULL)";
static const char schema_head[] =
    "CREATE TABLE head(id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL, "
    "chain INTEGER NOT NULL, hashed INTEGER NOT NULL, hash INTEGER NOT NULL, seal INTEGER NOT "
    "NULL)";

struct mr_store {
    char *dir;
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *insert, *erase, *update;
    struct mr_store_head head;
    struct mr_witness witness;
    bool may_write;
    bool is_new;            /* there was no file, or an empty one */
    bool has_log;           /* a write-ahead log: what is only looked at may have none */
    struct mr_error failed; /* the first failure of a write: nothing is done any more */
};

static int damaged(const struct mr_store *store, const char *why, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_INPUT, "the journal in \"" SHOWN "\" is damaged: %s",
                        store->dir, why);
}

/* The error of SQLite's last call. */
static int fail(const struct mr_store *store, const char *doing, struct mr_error *err) {
    int code = sql.extended_errcode(store->db);
    const char *why = sql.errmsg(store->db);
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return mr_error_nomem(err, "in the journal");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return damaged(store, why, err);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return mr_error_set(err, MR_ERR_IO,
                            "the journal in \"" SHOWN "\" is in use by another process; it goes on "
                            "when that one has ended",
                            store->dir);
    case SQLITE_FULL:
        return mr_error_set(err, MR_ERR_IO,
                            "%s the journal in \"" SHOWN "\": no space is left there", doing,
                            store->dir);
    default:
        return mr_error_set(err, MR_ERR_IO, "%s the journal in \"" SHOWN "\": %s (SQLite's %d)",
                            doing, store->dir, why, code);
    }
}

static int execute(struct mr_store *store, const char *text, const char *doing,
                   struct mr_error *err) {
    return sql.exec(store->db, text, NULL, NULL, NULL) == SQLITE_OK ? MR_OK
                                                                    : fail(store, doing, err);
}

static int prepare(struct mr_store *store, const char *text, sqlite3_stmt **statement,
                   struct mr_error *err) {
    return sql.prepare_v2(store->db, text, -1, statement, NULL) == SQLITE_OK
               ? MR_OK
               : fail(store, "open", err);
}

/* Whether the one column of the one row that `text` gives is the wanted text. */
static int ask(struct mr_store *store, const char *text, const char *wanted, bool *is_it,
               struct mr_error *err) {
    sqlite3_stmt *statement = NULL;
    *is_it = false;
    if (!prepare(store, text, &statement, err)) {
        if (sql.step(statement) == SQLITE_ROW) {
            const char *found = (const char *)sql.column_text(statement, 0);
            *is_it = found && strcmp(found, wanted) == 0;
        } else {
            (void)!fail(store, "open", err);
        }
    }
    sql.finalize(statement);
    return err->code;
}

static int ask_number(struct mr_store *store, const char *text, int64_t *number,
                      struct mr_error *err) {
    sqlite3_stmt *statement = NULL;
    *number = 0;
    if (!prepare(store, text, &statement, err)) {
        if (sql.step(statement) == SQLITE_ROW) {
            *number = sql.column_int64(statement, 0);
        } else {
            (void)!fail(store, "open", err);
        }
    }
    sql.finalize(statement);
    return err->code;
}

/* ---- opening --------------------------------------------------------------------------------- */

static uint64_t seal_of(const struct mr_store_head *head) {
    uint64_t numbers[] = {head->epoch, head->sequence, head->chain, head->hashed, head->hash};
    return mr_chain_seal(numbers, sizeof numbers / sizeof *numbers);
}

/* Makes the folder, durably. */
static int make_folder(const char *dir, struct mr_error *err) {
    if (mkdir(dir, 0700) != 0) {
        return errno == EEXIST ? MR_OK
                               : mr_error_errno(err, MR_ERR_IO, errno, "make \"" SHOWN "\"", dir);
    }
    struct mr_buffer around = {0};
    int fd = -1;
    if (!mr_buffer_printf(&around, err, "%s/..", dir)) {
        fd = open(around.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fsync(fd) != 0) {
            mr_error_errno(err, MR_ERR_IO, errno, "make \"" SHOWN "\" durable", dir);
        }
    }
    if (fd >= 0) {
        (void)close(fd); /* nothing was written through it */
    }
    mr_buffer_fini(&around);
    return err->code;
}

/* Bytes of a file in the folder, and whether it is one; -1: there is nothing of that name. */
static int64_t size_of(const struct mr_store *store, const char *name, bool *is_file,
                       struct mr_error *err) {
    struct mr_buffer path = {0};
    struct stat about = {0};
    int64_t size = -1;
    if (!mr_buffer_printf(&path, err, "%s/%s", store->dir, name) && stat(path.data, &about) == 0) {
        size = about.st_size;
    }
    *is_file = size >= 0 && S_ISREG(about.st_mode);
    mr_buffer_fini(&path);
    return size;
}

static int holds_none(const struct mr_store *store, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_INPUT, "\"" SHOWN "\" holds no journal", store->dir);
}

/* What SQLite would write by just opening it (an empty file, an unfinished transaction of a file
 * without write-ahead log) is no journal of ours that could be looked at. */
static int look_around(struct mr_store *store, struct mr_error *err) {
    bool is_file;
    int64_t size = size_of(store, MR_STORE_FILE, &is_file, err);
    if (!err->code && size >= 0 && !is_file) {
        return mr_error_set(err, MR_ERR_INPUT, "\"" SHOWN "/" MR_STORE_FILE "\" is no journal",
                            store->dir);
    }
    store->is_new = size <= 0;
    if (err->code || store->may_write) {
        return err->code;
    }
    bool is_other;
    store->has_log = size_of(store, MR_STORE_FILE "-wal", &is_other, err) > 0;
    bool is_unfinished = size_of(store, MR_STORE_FILE "-journal", &is_other, err) >= 0;
    return err->code ? err->code : store->is_new || is_unfinished ? holds_none(store, err) : MR_OK;
}

/* The name by which SQLite opens the file: a URI, which says that nothing may change it, where it
 * is looked at and has no log. With a log SQLite must take the lock, and writes nothing either. */
static int write_name(const struct mr_store *store, struct mr_buffer *name, struct mr_error *err) {
    if (store->has_log) {
        return mr_buffer_printf(name, err, "%s/" MR_STORE_FILE, store->dir);
    }
    (void)!mr_buffer_printf(name, err, "file:");
    for (const char *at = store->dir; *at && !err->code; at++) {
        bool is_plain = *at != '%' && *at != '?' && *at != '#';
        (void)!mr_buffer_printf(name, err, is_plain ? "%c" : "%%%02x", (unsigned char)*at);
    }
    return err->code ? err->code : mr_buffer_printf(name, err, "/" MR_STORE_FILE "?immutable=1");
}

static int connect_file(struct mr_store *store, struct mr_error *err) {
    struct mr_buffer name = {0};
    int flags = SQLITE_OPEN_NOMUTEX;
    flags |= store->may_write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
             : store->has_log ? SQLITE_OPEN_READWRITE
                              : SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
    if (!write_name(store, &name, err) &&
        sql.open_v2(name.data, &store->db, flags, NULL) != SQLITE_OK) {
        if (store->db) {
            (void)!fail(store, "open", err);
        } else {
            mr_error_nomem(err, "opening the journal");
        }
    }
    mr_buffer_fini(&name);
    return err->code;
}

static int is_not_ours(const struct mr_store *store, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_INPUT,
                        "\"" SHOWN "/" MR_STORE_FILE "\" is no journal of Millrace", store->dir);
}

/* To look: the one lock where somebody may hold it, and no mode is changed. */
static int settle_to_look(struct mr_store *store, struct mr_error *err) {
    bool is_exclusive = true;
    bool is_wal = true;
    if (store->has_log &&
        (ask(store, "PRAGMA locking_mode=EXCLUSIVE", "exclusive", &is_exclusive, err) ||
         ask(store, "PRAGMA journal_mode", "wal", &is_wal, err))) {
        return err->code;
    }
    return is_exclusive && is_wal
               ? execute(store, "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON", "open", err)
               : is_not_ours(store, err);
}

/* A database of somebody else is left as it is. */
static int see_owner(struct mr_store *store, struct mr_error *err) {
    int64_t objects;
    int64_t application;
    if (ask_number(store, "SELECT count(*) FROM sqlite_schema", &objects, err) ||
        ask_number(store, "PRAGMA application_id", &application, err)) {
        return err->code;
    }
    bool is_ours = application == APPLICATION || (objects == 0 && application == 0);
    return is_ours ? MR_OK : is_not_ours(store, err);
}

/* Takes the one lock, and sees that what makes commits durable is really on. */
static int settle_modes(struct mr_store *store, struct mr_error *err) {
    bool is_exclusive;
    bool is_wal;
    bool is_full;
    if (!store->may_write) {
        return settle_to_look(store, err);
    }
    if (ask(store, "PRAGMA locking_mode=EXCLUSIVE", "exclusive", &is_exclusive, err) ||
        see_owner(store, err) || ask(store, "PRAGMA journal_mode=WAL", "wal", &is_wal, err) ||
        execute(store,
                "PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF; "
                "PRAGMA cell_size_check=ON",
                "open", err) ||
        ask(store, "PRAGMA synchronous", "2", &is_full, err)) {
        return err->code;
    }
    return is_exclusive && is_wal && is_full
               ? MR_OK
               : mr_error_set(err, MR_ERR_IO,
                              "the file system of \"" SHOWN "\" can't keep a journal: SQLite "
                              "finds no write-ahead log there",
                              store->dir);
}

static int make_tables(struct mr_store *store, struct mr_error *err) {
    struct mr_store_head head = {0};
    sqlite3_stmt *statement = NULL;
    mr_witness_remove(&store->witness, store->dir); /* of a journal that somebody removed */
    if (execute(store, "BEGIN IMMEDIATE", "make", err) ||
        execute(store, schema_entry, "make", err) || execute(store, schema_head, "make", err) ||
        prepare(store, "INSERT INTO head VALUES(1, 0, 0, 0, 0, 0, ?1)", &statement, err)) {
        return err->code;
    }
    sql.bind_int64(statement, 1, (int64_t)seal_of(&head));
    if (sql.step(statement) != SQLITE_DONE) {
        (void)!fail(store, "make", err);
    }
    sql.finalize(statement);
    if (!err->code) { /* 1297238604 is APPLICATION */
        (void)!execute(store, "PRAGMA application_id=1297238604; PRAGMA user_version=1; COMMIT",
                       "make", err);
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
    if (see_owner(store, err) ||
        ask_number(store, "SELECT count(*) FROM sqlite_schema", &objects, err) ||
        ask_number(store, "PRAGMA user_version", &version, err)) {
        return err->code;
    }
    if (objects == 0 && version == 0) {
        return !store->is_new && hear_witness(store, err) ? err->code
               : store->may_write                         ? make_tables(store, err)
                                                          : holds_none(store, err);
    }
    if (version != MR_STORE_FORMAT) {
        return mr_error_set(err, MR_ERR_INPUT,
                            "the journal in \"" SHOWN "\" is of format %lld, and this Millrace "
                            "reads %d: use the one that wrote it",
                            store->dir, (long long)version, MR_STORE_FORMAT);
    }
    if (ask(store, "SELECT coalesce((SELECT sql FROM sqlite_schema WHERE name='entry'), '')",
            schema_entry, &is_ours[0], err) ||
        ask(store, "SELECT coalesce((SELECT sql FROM sqlite_schema WHERE name='head'), '')",
            schema_head, &is_ours[1], err)) {
        return err->code;
    }
    return objects == 2 && is_ours[0] && is_ours[1]
               ? MR_OK
               : damaged(store, "its tables are not ours", err);
}

static bool are_numbers(sqlite3_stmt *statement, int from, int to) {
    bool are = true;
    for (int i = from; i <= to; i++) {
        are = are && sql.column_type(statement, i) == SQLITE_INTEGER;
    }
    return are;
}

static uint64_t number(sqlite3_stmt *statement, int column) {
    return (uint64_t)sql.column_int64(statement, column);
}

static int read_head(struct mr_store *store, struct mr_error *err) {
    static const char text[] = "SELECT epoch, sequence, chain, hashed, hash, seal FROM head";
    sqlite3_stmt *statement = NULL;
    struct mr_store_head *head = &store->head;
    bool is_right = false;
    if (prepare(store, text, &statement, err)) {
        return err->code;
    }
    int step = sql.step(statement);
    if (step == SQLITE_ROW && are_numbers(statement, 0, 5)) {
        *head =
            (struct mr_store_head){number(statement, 0), number(statement, 1), number(statement, 2),
                                   number(statement, 3), number(statement, 4)};
        is_right = number(statement, 5) == seal_of(head);
        step = sql.step(statement);
    }
    if (step != SQLITE_DONE && step != SQLITE_ROW) {
        (void)!fail(store, "open", err);
    } else if (!is_right || step != SQLITE_DONE) {
        (void)!damaged(store, "its head is not what was written", err);
    }
    sql.finalize(statement);
    return err->code;
}

static int check_pages(struct mr_store *store, struct mr_error *err) {
    bool is_well;
    if (!ask(store, "PRAGMA integrity_check(1)", "ok", &is_well, err) && !is_well) {
        return damaged(store, "SQLite finds its pages inconsistent", err);
    }
    return err->code;
}

static int prepare_all(struct mr_store *store, struct mr_error *err) {
    if (!store->may_write) {
        return MR_OK;
    }
    return prepare(store, "BEGIN IMMEDIATE", &store->begin, err) ||
                   prepare(store, "COMMIT", &store->commit, err) ||
                   prepare(store, "INSERT INTO entry VALUES(?1, ?2, ?3, ?4)", &store->insert,
                           err) ||
                   prepare(store, "DELETE FROM entry WHERE sequence < ?1", &store->erase, err) ||
                   prepare(store,
                           "UPDATE head SET epoch=?1, sequence=?2, chain=?3, hashed=?4, hash=?5, "
                           "seal=?6 WHERE id=1",
                           &store->update, err)
               ? err->code
               : MR_OK;
}

int mr_store_open(const char *dir, bool may_make, struct mr_store **store, struct mr_error *err) {
    pthread_once(&load_once, load);
    if (load_error.code) {
        *err = load_error;
        return err->code;
    }
    struct mr_store *made = calloc(1, sizeof *made);
    if (!made || !(made->dir = strdup(dir))) {
        free(made);
        return mr_error_nomem(err, "opening the journal");
    }
    made->witness.fd = -1;
    made->may_write = made->has_log = may_make;
    if ((may_make && make_folder(dir, err)) || look_around(made, err) || connect_file(made, err) ||
        settle_modes(made, err) || check_tables(made, err) || check_pages(made, err) ||
        read_head(made, err) || hear_witness(made, err) || prepare_all(made, err)) {
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
    if (store->db) {
        sqlite3_stmt *statements[] = {store->begin, store->commit, store->insert, store->erase,
                                      store->update};
        for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
            sql.finalize(statements[i]);
        }
        if (store->failed.code || !store->may_write) {
            (void)sql.db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
        }
        (void)sql.close(store->db); /* all that counts is on disk since its commit */
    }
    if (store->failed.code || !store->may_write) {
        mr_witness_close(&store->witness);
    } else {
        mr_witness_remove(&store->witness, store->dir);
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
    (void)(ask_number(store, "PRAGMA page_count", &pages, err) ||
           ask_number(store, "PRAGMA page_size", &size, err));
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
    return first->sequence == 1 ? MR_OK : damaged(store, "its beginning is missing", err);
}

/* Takes the row at hand; an error where it is not the next one, as it was written. */
static int check_row(struct mr_store *store, sqlite3_stmt *row, struct reading *reading,
                     struct mr_store_entry *entry, struct mr_error *err) {
    if (!are_numbers(row, 0, 1) || !are_numbers(row, 3, 3) ||
        sql.column_type(row, 2) != SQLITE_BLOB) {
        return damaged(store, "an entry of another shape", err);
    }
    static unsigned char nothing[1]; /* SQLite gives no pointer to no bytes */
    const void *bytes = sql.column_blob(row, 2);
    *entry = (struct mr_store_entry){.sequence = number(row, 0),
                                     .kind = (uint32_t)number(row, 1),
                                     .bytes = bytes ? (unsigned char *)(uintptr_t)bytes : nothing,
                                     .len = (size_t)sql.column_bytes(row, 2)};
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
        return damaged(store, "an entry is not what was written", err);
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
    if (prepare(store, text, &row, err)) {
        return err->code;
    }
    while (!err->code && (step = sql.step(row)) == SQLITE_ROW) {
        (void)(check_row(store, row, &reading, &entry, err) || visit(arg, &entry, err));
    }
    if (!err->code && step != SQLITE_DONE) {
        (void)!fail(store, "read", err);
    }
    sql.finalize(row);
    if (!err->code &&
        (reading.sequence != store->head.sequence || reading.chain != store->head.chain)) {
        return damaged(store, "its end is missing", err);
    }
    return err->code;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Runs a prepared statement that gives no rows. */
static int run(struct mr_store *store, sqlite3_stmt *statement, struct mr_error *err) {
    int step = sql.step(statement);
    if (step != SQLITE_DONE) {
        return fail(store, "write", err); /* no reset: nothing more is done on this connection */
    }
    (void)sql.reset(statement);
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
    sql.bind_int64(store->insert, 1, (int64_t)entry->sequence);
    sql.bind_int64(store->insert, 2, entry->kind);
    sql.bind_blob64(store->insert, 3, entry->len ? (const void *)entry->bytes : "", entry->len,
                    SQLITE_STATIC);
    sql.bind_int64(store->insert, 4, (int64_t)chain);
    head->sequence = entry->sequence;
    head->chain = chain;
    return run(store, store->insert, err);
}

static int write_head(struct mr_store *store, const struct mr_store_head *head,
                      struct mr_error *err) {
    uint64_t numbers[] = {head->epoch,  head->sequence, head->chain,
                          head->hashed, head->hash,     seal_of(head)};
    for (int i = 0; i < 6; i++) {
        sql.bind_int64(store->update, i + 1, (int64_t)numbers[i]);
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
        sql.bind_int64(store->erase, 1, (int64_t)change->keep_from);
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
