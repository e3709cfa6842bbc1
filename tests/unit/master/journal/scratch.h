/* scratch: a folder of the test's own, for journals. */
#ifndef MR_TESTS_JOURNAL_SCRATCH_H
#define MR_TESTS_JOURNAL_SCRATCH_H

#include "tests/unit/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_dir[256];

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *ftw) {
    (void)about, (void)kind, (void)ftw;
    return remove(path);
}

__attribute__((unused)) static const char *make_scratch(void) {
    const char *tmp = getenv("TMPDIR");
    snprintf(scratch_dir, sizeof scratch_dir, "%s/millrace-journal.XXXXXX", tmp ? tmp : "/tmp");
    cr_assert_not_null(mkdtemp(scratch_dir));
    return scratch_dir;
}

__attribute__((unused)) static void remove_scratch(void) {
    cr_assert_eq(nftw(scratch_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

__attribute__((unused)) static const char *in_scratch(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", scratch_dir, name);
    return path;
}

/* All of a file; the caller frees it. */
__attribute__((unused)) static unsigned char *slurp(const char *path, size_t *len) {
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    unsigned char *bytes = malloc((size_t)1 << 24);
    *len = fread(bytes, 1, (size_t)1 << 24, file);
    (void)fclose(file);
    return bytes;
}

__attribute__((unused)) static void spit(const char *path, const unsigned char *bytes, size_t len) {
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file, "%s", path);
    cr_assert_eq(fwrite(bytes, 1, len, file), len);
    cr_assert_eq(fclose(file), 0);
}

/* Copies a journal as it lies there, as a crash would leave it. */
__attribute__((unused)) static void copy_journal(const char *from, const char *to) {
    static const char *const names[] = {"journal.db", "journal.db-wal", "journal.db-last"};
    (void)mkdir(to, 0700);
    for (size_t i = 0; i < 3; i++) {
        char source[600];
        char target[600];
        size_t len;
        snprintf(source, sizeof source, "%s/%s", from, names[i]);
        snprintf(target, sizeof target, "%s/%s", to, names[i]);
        (void)unlink(target);
        if (access(source, F_OK) == 0) {
            unsigned char *bytes = slurp(source, &len);
            spit(target, bytes, len);
            free(bytes);
        }
    }
}

#endif
