/* connection: the one connection to a journal's database: how it is opened, locked and asked. */
#include "master/journal/connection.h"

#include "lib/base/buffer.h"
#include "lib/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN "%.300s"

int mr_connection_damaged(const struct mr_connection *link, const char *why, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_INPUT, "the journal in \"" SHOWN "\" is damaged: %s", link->dir,
                        why);
}

/* The error of SQLite's last call. */
int mr_connection_fail(const struct mr_connection *link, const char *doing, struct mr_error *err) {
    int code = mr_sqlite.extended_errcode(link->db);
    const char *why = mr_sqlite.errmsg(link->db);
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return mr_error_nomem(err, "in the journal");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return mr_connection_damaged(link, why, err);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return mr_error_set(err, MR_ERR_IO,
                            "the journal in \"" SHOWN "\" is in use by another process; it goes on "
                            "when that one has ended",
                            link->dir);
    case SQLITE_FULL:
        return mr_error_set(err, MR_ERR_IO,
                            "%s the journal in \"" SHOWN "\": no space is left there", doing,
                            link->dir);
    default:
        return mr_error_set(err, MR_ERR_IO, "%s the journal in \"" SHOWN "\": %s (SQLite's %d)",
                            doing, link->dir, why, code);
    }
}

int mr_connection_execute(struct mr_connection *link, const char *text, const char *doing,
                          struct mr_error *err) {
    return mr_sqlite.exec(link->db, text, NULL, NULL, NULL) == SQLITE_OK
               ? MR_OK
               : mr_connection_fail(link, doing, err);
}

int mr_connection_prepare(struct mr_connection *link, const char *text, sqlite3_stmt **statement,
                          struct mr_error *err) {
    return mr_sqlite.prepare_v2(link->db, text, -1, statement, NULL) == SQLITE_OK
               ? MR_OK
               : mr_connection_fail(link, "open", err);
}

/* Whether the one column of the one row that `text` gives is the wanted text. */
int mr_connection_ask(struct mr_connection *link, const char *text, const char *wanted, bool *is_it,
                      struct mr_error *err) {
    sqlite3_stmt *statement = NULL;
    *is_it = false;
    if (!mr_connection_prepare(link, text, &statement, err)) {
        if (mr_sqlite.step(statement) == SQLITE_ROW) {
            const char *found = (const char *)mr_sqlite.column_text(statement, 0);
            *is_it = found && strcmp(found, wanted) == 0;
        } else {
            (void)!mr_connection_fail(link, "open", err);
        }
    }
    mr_sqlite.finalize(statement);
    return err->code;
}

int mr_connection_ask_number(struct mr_connection *link, const char *text, int64_t *number,
                             struct mr_error *err) {
    sqlite3_stmt *statement = NULL;
    *number = 0;
    if (!mr_connection_prepare(link, text, &statement, err)) {
        if (mr_sqlite.step(statement) == SQLITE_ROW) {
            *number = mr_sqlite.column_int64(statement, 0);
        } else {
            (void)!mr_connection_fail(link, "open", err);
        }
    }
    mr_sqlite.finalize(statement);
    return err->code;
}

/* ---- opening --------------------------------------------------------------------------------- */

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
static int64_t size_of(const struct mr_connection *link, const char *name, bool *is_file,
                       struct mr_error *err) {
    struct mr_buffer path = {0};
    struct stat about = {0};
    int64_t size = -1;
    if (!mr_buffer_printf(&path, err, "%s/%s", link->dir, name) && stat(path.data, &about) == 0) {
        size = about.st_size;
    }
    *is_file = size >= 0 && S_ISREG(about.st_mode);
    mr_buffer_fini(&path);
    return size;
}

int mr_connection_holds_none(const struct mr_connection *link, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_INPUT, "\"" SHOWN "\" holds no journal", link->dir);
}

/* What SQLite would write by just opening it (an empty file, an unfinished transaction of a file
 * without write-ahead log) is no journal of ours that could be looked at. */
static int look_around(struct mr_connection *link, struct mr_error *err) {
    bool is_file;
    int64_t size = size_of(link, MR_CONNECTION_FILE, &is_file, err);
    if (!err->code && size >= 0 && !is_file) {
        return mr_error_set(err, MR_ERR_INPUT, "\"" SHOWN "/" MR_CONNECTION_FILE "\" is no journal",
                            link->dir);
    }
    link->is_new = size <= 0;
    if (err->code || link->may_write) {
        return err->code;
    }
    bool is_other;
    link->has_log = size_of(link, MR_CONNECTION_FILE "-wal", &is_other, err) > 0;
    bool is_unfinished = size_of(link, MR_CONNECTION_FILE "-journal", &is_other, err) >= 0;
    return err->code                       ? err->code
           : link->is_new || is_unfinished ? mr_connection_holds_none(link, err)
                                           : MR_OK;
}

/* The name by which SQLite opens the file: a URI, which says that nothing may change it, where it
 * is looked at and has no log. With a log SQLite must take the lock, and writes nothing either. */
static int write_name(const struct mr_connection *link, struct mr_buffer *name,
                      struct mr_error *err) {
    if (link->has_log) {
        return mr_buffer_printf(name, err, "%s/" MR_CONNECTION_FILE, link->dir);
    }
    (void)!mr_buffer_printf(name, err, "file:");
    for (const char *at = link->dir; *at && !err->code; at++) {
        bool is_plain = *at != '%' && *at != '?' && *at != '#';
        (void)!mr_buffer_printf(name, err, is_plain ? "%c" : "%%%02x", (unsigned char)*at);
    }
    return err->code ? err->code
                     : mr_buffer_printf(name, err, "/" MR_CONNECTION_FILE "?immutable=1");
}

static int connect_file(struct mr_connection *link, struct mr_error *err) {
    struct mr_buffer name = {0};
    int flags = SQLITE_OPEN_NOMUTEX;
    flags |= link->may_write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
             : link->has_log ? SQLITE_OPEN_READWRITE
                             : SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
    if (!write_name(link, &name, err) &&
        mr_sqlite.open_v2(name.data, &link->db, flags, NULL) != SQLITE_OK) {
        if (link->db) {
            (void)!mr_connection_fail(link, "open", err);
        } else {
            mr_error_nomem(err, "opening the journal");
        }
    }
    mr_buffer_fini(&name);
    return err->code;
}

static int is_not_ours(const struct mr_connection *link, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_INPUT,
                        "\"" SHOWN "/" MR_CONNECTION_FILE "\" is no journal of Millrace",
                        link->dir);
}

/* To look: the one lock where somebody may hold it, and no mode is changed. */
static int settle_to_look(struct mr_connection *link, struct mr_error *err) {
    bool is_exclusive = true;
    bool is_wal = true;
    if (link->has_log && (mr_connection_ask(link, "PRAGMA locking_mode=EXCLUSIVE", "exclusive",
                                            &is_exclusive, err) ||
                          mr_connection_ask(link, "PRAGMA journal_mode", "wal", &is_wal, err))) {
        return err->code;
    }
    return is_exclusive && is_wal
               ? mr_connection_execute(link, "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON",
                                       "open", err)
               : is_not_ours(link, err);
}

/* A database of somebody else is left as it is. */
int mr_connection_see_owner(struct mr_connection *link, struct mr_error *err) {
    int64_t objects;
    int64_t application;
    if (mr_connection_ask_number(link, "SELECT count(*) FROM sqlite_schema", &objects, err) ||
        mr_connection_ask_number(link, "PRAGMA application_id", &application, err)) {
        return err->code;
    }
    bool is_ours = application == MR_CONNECTION_APPLICATION || (objects == 0 && application == 0);
    return is_ours ? MR_OK : is_not_ours(link, err);
}

/* Takes the one lock, and sees that what makes commits durable is really on. */
static int settle_modes(struct mr_connection *link, struct mr_error *err) {
    bool is_exclusive;
    bool is_wal;
    bool is_full;
    if (!link->may_write) {
        return settle_to_look(link, err);
    }
    if (mr_connection_ask(link, "PRAGMA locking_mode=EXCLUSIVE", "exclusive", &is_exclusive, err) ||
        mr_connection_see_owner(link, err) ||
        mr_connection_ask(link, "PRAGMA journal_mode=WAL", "wal", &is_wal, err) ||
        mr_connection_execute(
            link,
            "PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF; "
            "PRAGMA cell_size_check=ON",
            "open", err) ||
        mr_connection_ask(link, "PRAGMA synchronous", "2", &is_full, err)) {
        return err->code;
    }
    return is_exclusive && is_wal && is_full
               ? MR_OK
               : mr_error_set(err, MR_ERR_IO,
                              "the file system of \"" SHOWN "\" can't keep a journal: SQLite "
                              "finds no write-ahead log there",
                              link->dir);
}

int mr_connection_open(struct mr_connection *link, const char *dir, bool may_write,
                       struct mr_error *err) {
    *link = (struct mr_connection){.dir = dir, .may_write = may_write, .has_log = may_write};
    return mr_sqlite_load(err) || (may_write && make_folder(dir, err)) || look_around(link, err) ||
                   connect_file(link, err) || settle_modes(link, err)
               ? err->code
               : MR_OK;
}

void mr_connection_close(struct mr_connection *link, bool may_checkpoint) {
    if (link->db) {
        if (!may_checkpoint) {
            (void)mr_sqlite.db_config(link->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
        }
        (void)mr_sqlite.close(link->db); /* all that counts is on disk since its commit */
    }
    link->db = NULL;
}
