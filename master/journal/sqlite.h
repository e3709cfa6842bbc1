/* sqlite: SQLite, loaded when it is needed first; a process without a journal never pays for it. */
#ifndef MR_JOURNAL_SQLITE_H
#define MR_JOURNAL_SQLITE_H

#include <mr/status.h>
#include <sqlite3.h>

#define MR_SQLITE_LIBRARY "libsqlite3.so.0"
#define MR_SQLITE_LEAST 3022000

/* What is used of it. */
#define MR_SQLITE_CALLS(X)                                                                         \
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

struct mr_sqlite {
#define MR_SQLITE_MEMBER(name) __typeof__(&sqlite3_##name) name;
    MR_SQLITE_CALLS(MR_SQLITE_MEMBER)
#undef MR_SQLITE_MEMBER
};

/* Filled in by mr_sqlite_load, and not changed any more. */
extern struct mr_sqlite mr_sqlite;

/* Any thread. MR_ERR_IO where there is none, or one that is too old. */
MR_MUST_USE int mr_sqlite_load(struct mr_error *err);

#endif
