/* store: the journal's file: a log of checked entries, in SQLite, on one connection.
 *
 * DIR/journal.db has two tables (docs/journal.md). `entry` is the log: entries are numbered without
 * a gap, and each carries the chain, XXH3-64 over the chain before it, its number, its kind and its
 * bytes. `head` is one row: the boot epoch, the last entry's number and chain, and a hash of what
 * the log stands for after some entry. Entries and head change in one transaction.
 *
 * The connection is the only one, ever (locking_mode=EXCLUSIVE): Debian 12's SQLite can lose data
 * with two. Write-ahead log, synchronous=FULL: a transaction is on disk when mr_store_write
 * returns. After the FIRST failure of any write nothing is tried again: after an EIO or ENOSPC
 * SQLite fails one commit and accepts the next, which would leave a hole in the log. What the disk
 * then holds, the next open tells.
 *
 * A store that is only looked at is not changed by a byte, nor is a file made beside it.
 *
 * SQLite is loaded when the first store is opened (sqlite.h), and asked through connection.h. One
 * thread at a time. */
#ifndef MR_JOURNAL_STORE_H
#define MR_JOURNAL_STORE_H

#include <mr/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MR_STORE_FORMAT 1
#define MR_STORE_ENTRY_MAX ((size_t)512 << 20)

/* The kind of entry at which a log may begin, when what was before it is removed: its first
 * MR_STORE_BASE_BYTES are the store's, for the chain before it. */
#define MR_STORE_BASE 0
#define MR_STORE_BASE_BYTES 8

struct mr_store; /* opaque */

struct mr_store_entry {
    uint64_t sequence; /* from 1; written: the store's to fill */
    uint32_t kind;
    unsigned char *bytes; /* of a base, the first ones are filled by mr_store_write */
    size_t len;
};

struct mr_store_head {
    uint64_t epoch;
    uint64_t sequence; /* of the last entry, 0: none */
    uint64_t chain;
    uint64_t hashed; /* the entry after which ... */
    uint64_t hash;   /* ... this was the hash; 0 and 0: none */
};

/* Opens DIR's journal: where `may_make` to write, making it, and the last folder of DIR, if they
 * are missing; else to look. Checks all that SQLite can check (PRAGMA integrity_check), the head,
 * and what the witness says (witness.h). Errors, all with the name of DIR: in use by another
 * process, missing, unreadable: MR_ERR_IO; of another version, damaged, no journal: MR_ERR_INPUT.
 */
MR_MUST_USE int mr_store_open(const char *dir, bool may_make, struct mr_store **store,
                              struct mr_error *err);
/* Harmless on NULL. */
void mr_store_close(struct mr_store *store);

struct mr_store_head mr_store_head(const struct mr_store *store);

/* Bytes of the file, its write-ahead log left out. */
MR_MUST_USE int mr_store_bytes(struct mr_store *store, uint64_t *bytes, struct mr_error *err);

/* Reads the log from its beginning, every entry checked before it is shown (bytes valid during the
 * call). A gap, a wrong chain, an end that is not the head's: MR_ERR_INPUT. A status of `visit`
 * ends the reading. */
typedef int (*mr_store_visit)(void *arg, const struct mr_store_entry *entry, struct mr_error *err);
MR_MUST_USE int mr_store_read(struct mr_store *store, mr_store_visit visit, void *arg,
                              struct mr_error *err);

/* What changes besides the entries that are added. */
struct mr_store_change {
    uint64_t epoch;
    bool has_hash; /* of the state after the last of the entries */
    uint64_t hash;
    uint64_t keep_from; /* entries before it are removed; 0: none are */
};

/* Adds entries in one transaction, and fills in their numbers. After a failure, which every later
 * call returns too, the store is of no use. */
MR_MUST_USE int mr_store_write(struct mr_store *store, struct mr_store_entry *entries, size_t count,
                               const struct mr_store_change *change, struct mr_error *err);

#endif
