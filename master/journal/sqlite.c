/* sqlite: SQLite, loaded when it is needed first; a process without a journal never pays for it. */
#include "master/journal/sqlite.h"

#include "lib/base/error.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

struct mr_sqlite mr_sqlite;

static struct mr_error load_error;
static pthread_once_t load_once = PTHREAD_ONCE_INIT;

static void load(void) {
    void *library = dlopen(MR_SQLITE_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    bool is_whole = library != NULL;
#define CALL_FIND(name)                                                                            \
    if (is_whole) {                                                                                \
        void *found = dlsym(library, "sqlite3_" #name);                                            \
        memcpy(&mr_sqlite.name, &found, sizeof found);                                             \
        is_whole = found != NULL;                                                                  \
    }
    MR_SQLITE_CALLS(CALL_FIND)
#undef CALL_FIND
    if (!is_whole) {
        const char *why = dlerror();
        mr_error_set(&load_error, MR_ERR_IO,
                     "a journal needs SQLite (the package libsqlite3-0): %.200s",
                     why ? why : MR_SQLITE_LIBRARY " lacks a function");
    } else if (mr_sqlite.libversion_number() < MR_SQLITE_LEAST) {
        mr_error_set(&load_error, MR_ERR_IO, "a journal needs SQLite 3.22 or later");
    }
}

int mr_sqlite_load(struct mr_error *err) {
    pthread_once(&load_once, load);
    if (load_error.code) {
        *err = load_error;
    }
    return err->code;
}
