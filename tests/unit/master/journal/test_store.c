/* test_store: what was written is there again, or it is said what is wrong; one opener at a time.
 */
#include "master/journal/store.h"

#include "tests/unit/master/journal/scratch.h"

#include <sys/wait.h>

static struct mr_store *open_store(const char *dir) {
    struct mr_store *store = NULL;
    struct mr_error err = {0};
    cr_assert_eq(mr_store_open(dir, true, &store, &err), 0, "%s", err.text);
    return store;
}

static void add(struct mr_store *store, uint32_t kind, const char *text, uint64_t keep_from) {
    unsigned char bytes[64];
    struct mr_error err = {0};
    memcpy(bytes, text, strlen(text));
    struct mr_store_entry entry = {.kind = kind, .bytes = bytes, .len = strlen(text)};
    struct mr_store_change change = {.epoch = 1, .keep_from = keep_from};
    cr_assert_eq(mr_store_write(store, &entry, 1, &change, &err), 0, "%s", err.text);
}

static char seen[1024];

static int note(void *arg, const struct mr_store_entry *entry, struct mr_error *err) {
    (void)arg, (void)err;
    size_t base = entry->kind == MR_STORE_BASE ? MR_STORE_BASE_BYTES : 0;
    size_t used = strlen(seen);
    snprintf(seen + used, sizeof seen - used, "%llu:%u:%.*s ", (unsigned long long)entry->sequence,
             entry->kind, (int)(entry->len - base), (const char *)entry->bytes + base);
    return 0;
}

static const char *read_all(struct mr_store *store) {
    struct mr_error err = {0};
    seen[0] = '\0';
    if (mr_store_read(store, note, NULL, &err)) {
        snprintf(seen, sizeof seen, "%s", err.text);
    }
    return seen;
}

Test(store, what_was_written_is_there_again) {
    make_scratch();
    const char *dir = in_scratch("state");
    struct mr_store *store = open_store(dir);
    cr_assert_str_eq(read_all(store), "");
    add(store, 1, "one", 0);
    add(store, 7, "two", 0);
    add(store, 1, "", 0);
    cr_assert_str_eq(read_all(store), "1:1:one 2:7:two 3:1: ");
    cr_assert_eq(mr_store_head(store).sequence, 3u);
    mr_store_close(store);
    store = open_store(dir);
    cr_assert_str_eq(read_all(store), "1:1:one 2:7:two 3:1: ");
    cr_assert_eq(mr_store_head(store).epoch, 1u);
    mr_store_close(store);
    mr_store_close(NULL);
    remove_scratch();
}

Test(store, begins_at_a_base) {
    make_scratch();
    const char *dir = in_scratch("state");
    struct mr_store *store = open_store(dir);
    add(store, 1, "one", 0);
    add(store, MR_STORE_BASE, "        base", 0);
    add(store, 1, "two", 2);
    cr_assert_str_eq(read_all(store), "2:0:base 3:1:two ");
    add(store, 1, "three", 3); /* now the log begins in the middle */
    cr_assert_not_null(strstr(read_all(store), "its beginning is missing"));
    mr_store_close(store);
    remove_scratch();
}

Test(store, one_opener) {
    make_scratch();
    const char *dir = in_scratch("state");
    struct mr_store *store = open_store(dir);
    struct mr_store *second = NULL;
    struct mr_error err = {0};
    cr_assert_eq(mr_store_open(dir, true, &second, &err), MR_ERR_IO);
    cr_assert_not_null(strstr(err.text, "is in use by another process"), "%s", err.text);
    pid_t child = fork();
    if (child == 0) {
        err = (struct mr_error){0};
        (void)!mr_store_open(dir, false, &second, &err);
        _exit(err.code == MR_ERR_IO && strstr(err.text, "is in use") ? 7 : 1);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(WEXITSTATUS(status), 7);
    add(store, 1, "one", 0); /* it works on */
    mr_store_close(store);
    mr_store_close(open_store(dir));
    remove_scratch();
}

static void expect_refused(const char *dir, bool may_make, int status, const char *says) {
    struct mr_store *store = NULL;
    struct mr_error err = {0};
    cr_assert_eq(mr_store_open(dir, may_make, &store, &err), status, "%s", err.text);
    cr_assert_not_null(strstr(err.text, says), "%s", err.text);
    cr_assert_not_null(strstr(err.text, scratch_dir), "the folder is named: %s", err.text);
    cr_assert_null(store);
}

Test(store, what_is_no_journal) {
    make_scratch();
    char dir[512];
    snprintf(dir, sizeof dir, "%s", in_scratch("state"));
    expect_refused(dir, false, MR_ERR_INPUT, "holds no journal");
    expect_refused(in_scratch("no/state"), true, MR_ERR_IO, "No such file");
    cr_assert_eq(mkdir(dir, 0700), 0);
    spit(in_scratch("state/journal.db"), (const unsigned char *)"hello", 5);
    expect_refused(dir, true, MR_ERR_INPUT, "file is not a database");
    cr_assert_eq(unlink(in_scratch("state/journal.db")), 0);
    cr_assert_eq(mkdir(in_scratch("state/journal.db"), 0700), 0);
    expect_refused(dir, true, MR_ERR_INPUT, "is no journal");
    remove_scratch();
}

/* The format's number stands at byte 60 of a SQLite file, big-endian; the application's at 68. */
Test(store, of_another_version) {
    make_scratch();
    char dir[512];
    size_t len;
    snprintf(dir, sizeof dir, "%s", in_scratch("state"));
    mr_store_close(open_store(dir));
    unsigned char *bytes = slurp(in_scratch("state/journal.db"), &len);
    cr_assert_eq(bytes[63], MR_STORE_FORMAT);
    bytes[63] = 2;
    spit(in_scratch("state/journal.db"), bytes, len);
    expect_refused(dir, true, MR_ERR_INPUT, "is of format 2, and this Millrace reads 1");
    bytes[63] = 1;
    bytes[71] ^= 1;
    spit(in_scratch("state/journal.db"), bytes, len);
    expect_refused(dir, true, MR_ERR_INPUT, "is no journal of Millrace");
    free(bytes);
    remove_scratch();
}

/* A write that fails, for want of space for its file, is the last. The limit stays in a child. */
Test(store, nothing_is_written_after_a_failure) {
    make_scratch();
    char dir[512];
    snprintf(dir, sizeof dir, "%s", in_scratch("state"));
    struct mr_store *store = open_store(dir);
    add(store, 1, "one", 0);
    unsigned char *bytes = calloc(1, MR_STORE_ENTRY_MAX + 1);
    cr_assert_not_null(bytes);
    struct mr_store_entry entry = {.kind = 1, .bytes = bytes, .len = MR_STORE_ENTRY_MAX + 1};
    struct mr_store_change change = {.epoch = 1};
    struct mr_error err = {0};
    cr_assert_eq(mr_store_write(store, &entry, 1, &change, &err), MR_ERR_IO);
    struct mr_error again = {0};
    entry.len = 1;
    cr_assert_eq(mr_store_write(store, &entry, 1, &change, &again), MR_ERR_IO);
    cr_assert_str_eq(again.text, err.text);
    free(bytes);
    mr_store_close(store);
    store = open_store(dir);
    cr_assert_str_eq(read_all(store), "1:1:one ");
    mr_store_close(store);
    remove_scratch();
}

Test(store, an_end_that_is_missing) {
    make_scratch();
    char dir[512];
    snprintf(dir, sizeof dir, "%s", in_scratch("state"));
    struct mr_store *store = open_store(dir);
    add(store, 1, "one", 0);
    add(store, 1, "two", 99); /* removes both */
    cr_assert_not_null(strstr(read_all(store), "its end is missing"));
    mr_store_close(store);
    remove_scratch();
}

/* What SQLite's own checks can't see: a value that is another, at a place where any may stand. */
Test(store, a_value_that_is_another) {
    static const char mark[] = "this is what was written";
    make_scratch();
    char dir[512];
    size_t len;
    snprintf(dir, sizeof dir, "%s", in_scratch("state"));
    struct mr_store *store = open_store(dir);
    add(store, 1, "before", 0);
    add(store, 1, mark, 0);
    add(store, 1, "behind", 0);
    mr_store_close(store);
    unsigned char *bytes = slurp(in_scratch("state/journal.db"), &len);
    unsigned char *found = memmem(bytes, len, mark, strlen(mark));
    cr_assert_not_null(found);
    found[3] ^= 1;
    spit(in_scratch("state/journal.db"), bytes, len);
    store = open_store(dir); /* all its pages are consistent */
    cr_assert_not_null(strstr(read_all(store), "an entry is not what was written"), "%s", seen);
    mr_store_close(store);
    found[3] ^= 1;
    spit(in_scratch("state/journal.db"), bytes, len);
    store = open_store(dir);
    cr_assert_not_null(strstr(read_all(store), mark));
    mr_store_close(store);
    free(bytes);
    remove_scratch();
}

static void expect_same_file(const char *name, const unsigned char *bytes, size_t len) {
    size_t now_len;
    unsigned char *now = slurp(in_scratch(name), &now_len);
    cr_assert(now_len == len && memcmp(now, bytes, len) == 0, "%s has changed", name);
    free(now);
}

/* That a look at state/journal.db is refused with these words, or not, and changes nothing. */
static void expect_look(const char *dir, const char *says) {
    size_t len;
    size_t log_len = 0;
    unsigned char *bytes = slurp(in_scratch("state/journal.db"), &len);
    bool has_log = access(in_scratch("state/journal.db-wal"), F_OK) == 0;
    unsigned char *log = has_log ? slurp(in_scratch("state/journal.db-wal"), &log_len) : NULL;
    if (says) {
        expect_refused(dir, false, MR_ERR_INPUT, says);
    } else {
        struct mr_store *store = NULL;
        struct mr_error err = {0};
        cr_assert_eq(mr_store_open(dir, false, &store, &err), 0, "%s", err.text);
        cr_assert_str_eq(read_all(store), "1:1:one 2:1:two ");
        mr_store_close(store);
    }
    expect_same_file("state/journal.db", bytes, len);
    cr_assert_eq(access(in_scratch("state/journal.db-wal"), F_OK) == 0, has_log);
    if (has_log) {
        expect_same_file("state/journal.db-wal", log, log_len);
    }
    cr_assert_neq(access(in_scratch("state/journal.db-shm"), F_OK), 0);
    free(bytes);
    free(log);
}

Test(store, a_look_changes_nothing) {
    make_scratch();
    char dir[512];
    char crashed[512];
    size_t len;
    snprintf(dir, sizeof dir, "%s", in_scratch("state"));
    snprintf(crashed, sizeof crashed, "%s", in_scratch("odd%20?name#"));
    cr_assert_eq(mkdir(dir, 0700), 0);
    spit(in_scratch("state/journal.db"), (const unsigned char *)"", 0);
    expect_look(dir, "holds no journal");
    struct mr_store *store = open_store(dir); /* which an empty file may become */
    add(store, 1, "one", 0);
    add(store, 1, "two", 0);
    copy_journal(dir, crashed);
    mr_store_close(store);
    expect_look(dir, NULL);
    /* As a crash leaves it: all but the first page is in the log. */
    cr_assert_eq(unlink(in_scratch("state/journal.db")), 0);
    copy_journal(crashed, dir);
    expect_look(dir, NULL);
    cr_assert_eq(unlink(in_scratch("state/journal.db-wal")), 0);
    expect_look(dir, "entry 2 was on disk, and it ends with 0");
    cr_assert_eq(unlink(in_scratch("state/journal.db-last")), 0);
    expect_look(dir, "holds no journal");
    spit(in_scratch("state/journal.db-journal"), (const unsigned char *)"", 0);
    expect_look(dir, "holds no journal");
    cr_assert_eq(unlink(in_scratch("state/journal.db-journal")), 0);
    /* A folder whose name is no plain URI. */
    store = open_store(crashed);
    mr_store_close(store);
    struct mr_error err = {0};
    cr_assert_eq(mr_store_open(crashed, false, &store, &err), 0, "%s", err.text);
    mr_store_close(store);
    /* Of somebody else: the application's number stands at byte 68. */
    mr_store_close(open_store(dir));
    unsigned char *bytes = slurp(in_scratch("state/journal.db"), &len);
    bytes[71] ^= 1;
    spit(in_scratch("state/journal.db"), bytes, len);
    expect_look(dir, "is no journal of Millrace");
    expect_refused(dir, true, MR_ERR_INPUT, "is no journal of Millrace");
    expect_same_file("state/journal.db", bytes, len);
    free(bytes);
    remove_scratch();
}

/* A byte of the log that is another looks to SQLite like a torn end: the witness knows better. */
Test(store, a_log_that_was_changed) {
    make_scratch();
    char dir[512];
    char crashed[512];
    size_t len;
    snprintf(dir, sizeof dir, "%s", in_scratch("state"));
    snprintf(crashed, sizeof crashed, "%s", in_scratch("crashed"));
    struct mr_store *store = open_store(dir);
    add(store, 1, "one", 0);
    add(store, 1, "two", 0);
    copy_journal(dir, crashed);
    mr_store_close(store);
    cr_assert_neq(access(in_scratch("state/journal.db-last"), F_OK), 0, "it ended in order");
    unsigned char *log = slurp(in_scratch("crashed/journal.db-wal"), &len);
    for (size_t at = 40; at < len; at += 997) {
        log[at] ^= 4;
        spit(in_scratch("crashed/journal.db-wal"), log, len);
        for (int may_make = 0; may_make < 2; may_make++) {
            struct mr_error err = {0};
            cr_assert_eq(mr_store_open(crashed, may_make, &store, &err), MR_ERR_INPUT, "%zu", at);
        }
        log[at] ^= 4;
    }
    spit(in_scratch("crashed/journal.db-wal"), log, len);
    store = open_store(crashed);
    cr_assert_str_eq(read_all(store), "1:1:one 2:1:two ");
    mr_store_close(store);
    free(log);
    remove_scratch();
}

/* It can be given up; one that is torn, or older, says nothing; a new journal has none. */
Test(store, a_witness_that_does_not_count) {
    make_scratch();
    char dir[512];
    size_t len;
    snprintf(dir, sizeof dir, "%s", in_scratch("state"));
    struct mr_store *store = open_store(dir);
    add(store, 1, "one", 0);
    unsigned char *older = slurp(in_scratch("state/journal.db-last"), &len);
    cr_assert_eq(len, (size_t)24);
    add(store, 1, "two", 0);
    unsigned char *last = slurp(in_scratch("state/journal.db-last"), &len);
    mr_store_close(store);
    spit(in_scratch("state/journal.db-last"), older, len);
    mr_store_close(open_store(dir));
    last[0] = 3;
    spit(in_scratch("state/journal.db-last"), last, len);
    mr_store_close(open_store(dir));
    spit(in_scratch("state/journal.db-last"), last, 5);
    mr_store_close(open_store(dir));
    last[0] = 2;
    cr_assert_eq(unlink(in_scratch("state/journal.db")), 0);
    spit(in_scratch("state/journal.db-last"), last, len);
    mr_store_close(open_store(dir));
    spit(in_scratch("state/journal.db-last"), last, len);
    expect_refused(dir, true, MR_ERR_INPUT, "entry 2 was on disk, and it ends with 0");
    cr_assert_eq(unlink(in_scratch("state/journal.db-last")), 0);
    mr_store_close(open_store(dir));
    free(older);
    free(last);
    remove_scratch();
}
