/* connection: the one connection to a journal's database: how it is opened, locked and asked.
 *
 * A connection that is only to look changes no byte of what lies in the folder, nor makes a file
 * there. Where the journal has no write-ahead log, the file is opened as one that can't change;
 * where it has one, SQLite takes the lock and reads both, and writes nothing since no mode is
 * changed and no checkpoint made. */
#ifndef MR_JOURNAL_CONNECTION_H
#define MR_JOURNAL_CONNECTION_H

#include "master/journal/sqlite.h"

#include <stdbool.h>
#include <stdint.h>

#define MR_CONNECTION_FILE "journal.db"
#define MR_CONNECTION_APPLICATION 0x4d524a4c /* "MRJL" */

/* In the caller's storage. */
struct mr_connection {
    const char *dir; /* the caller's */
    sqlite3 *db;
    bool may_write;
    bool is_new;  /* there was no file, or an empty one */
    bool has_log; /* a write-ahead log: what is only looked at may have none */
};

/* Opens DIR/journal.db, to write making it and DIR where they are missing, takes its lock, and sees
 * that it is nobody else's and that what makes commits durable is on. Errors as of mr_store_open.
 * Close it also after a failure. */
MR_MUST_USE int mr_connection_open(struct mr_connection *link, const char *dir, bool may_write,
                                   struct mr_error *err);
/* Without a checkpoint everything is left as it is. Harmless on zeros. */
void mr_connection_close(struct mr_connection *link, bool may_checkpoint);

/* Errors: of SQLite's last call, while `doing` it; damage, and why; there is no journal. */
int mr_connection_fail(const struct mr_connection *link, const char *doing, struct mr_error *err);
int mr_connection_damaged(const struct mr_connection *link, const char *why, struct mr_error *err);
int mr_connection_holds_none(const struct mr_connection *link, struct mr_error *err);

/* MR_ERR_INPUT where the database is somebody else's. */
MR_MUST_USE int mr_connection_see_owner(struct mr_connection *link, struct mr_error *err);

/* Runs statements without rows; prepares one; asks for the one column of one row: whether it is the
 * wanted text, or its number. */
MR_MUST_USE int mr_connection_execute(struct mr_connection *link, const char *text,
                                      const char *doing, struct mr_error *err);
MR_MUST_USE int mr_connection_prepare(struct mr_connection *link, const char *text,
                                      sqlite3_stmt **statement, struct mr_error *err);
MR_MUST_USE int mr_connection_ask(struct mr_connection *link, const char *text, const char *wanted,
                                  bool *is_it, struct mr_error *err);
MR_MUST_USE int mr_connection_ask_number(struct mr_connection *link, const char *text,
                                         int64_t *number, struct mr_error *err);

#endif
