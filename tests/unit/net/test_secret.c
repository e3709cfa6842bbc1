/* test_secret: secrets are made once, whole and private, and refused otherwise. */
#include "lib/net/secret.h"

#include "tests/unit/test.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[256];
static char path[320];

static void make_dir(void) {
    const char *base = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/mr-secret-XXXXXX", base ? base : "/tmp");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/cluster.key", dir);
}

static void remove_dir(void) {
    char name[400];
    snprintf(name, sizeof name, "%s/millrace/cluster.key", dir);
    (void)unlink(name);
    snprintf(name, sizeof name, "%s/millrace", dir);
    (void)rmdir(name);
    (void)unlink(path);
    cr_assert_eq(rmdir(dir), 0, "something is left in %s", dir);
}

static void write_file(const char *text, size_t len, mode_t mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert(fd >= 0 && write(fd, text, len) == (ssize_t)len && fchmod(fd, mode) == 0);
    close(fd);
}

static int read_it(struct mr_error *err) {
    struct mr_secret secret = {{0}};
    *err = (struct mr_error){0};
    return mr_secret_read(path, &secret, err);
}

Test(secret, made_and_read) {
    struct mr_error err = {0};
    struct mr_secret first;
    struct mr_secret second;
    struct stat info;
    make_dir();
    mode_t mask = umask(0777);
    cr_assert_eq(mr_secret_new(path, &err), 0, "%s", err.text);
    umask(mask);
    cr_assert_eq(stat(path, &info), 0);
    cr_assert(info.st_size == 65 && (info.st_mode & 07777) == 0600);
    cr_assert_eq(mr_secret_read(path, &first, &err), 0, "%s", err.text);
    cr_assert_eq(mr_secret_new(path, &err), MR_ERR_USAGE);
    cr_assert_not_null(strstr(err.text, "never replaced"));
    err = (struct mr_error){0};
    cr_assert_eq(mr_secret_read(path, &second, &err), 0);
    cr_assert_eq(memcmp(&first, &second, sizeof first), 0);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mr_secret_new(path, &err), 0);
    cr_assert_eq(mr_secret_read(path, &second, &err), 0);
    cr_assert_neq(memcmp(&first, &second, sizeof first), 0, "two secrets differ");
    mr_secret_forget(&second);
    for (size_t i = 0; i < sizeof second; i++) {
        cr_assert_eq(second.bytes[i], 0);
    }
    remove_dir();
}

Test(secret, digits_are_read_as_they_stand) {
    static const char text[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff\n";
    struct mr_secret secret;
    struct mr_error err = {0};
    make_dir();
    write_file(text, 65, 0400);
    cr_assert_eq(mr_secret_read(path, &secret, &err), 0, "%s", err.text);
    for (size_t i = 0; i < 31; i++) {
        cr_assert_eq(secret.bytes[i], i);
    }
    cr_assert_eq(secret.bytes[31], 0xff);
    remove_dir();
}

Test(secret, malformed_files_are_refused) {
    static const char sound[] =
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff\n";
    char text[80];
    struct mr_error err;
    make_dir();
    for (size_t len = 0; len < 65; len++) {
        write_file(sound, len, 0600);
        cr_assert_eq(read_it(&err), MR_ERR_USAGE, "%zu bytes", len);
    }
    for (size_t i = 0; i < 65; i++) {
        memcpy(text, sound, 66);
        text[i] = i == 64 ? '0' : 'g';
        write_file(text, 65, 0600);
        cr_assert_eq(read_it(&err), MR_ERR_USAGE, "byte %zu", i);
        cr_assert_null(strstr(err.text, "0c0d0e"), "the sentence shows the secret");
    }
    snprintf(text, sizeof text, "%s\n", sound);
    write_file(text, 66, 0600);
    cr_assert_eq(read_it(&err), MR_ERR_USAGE);
    cr_assert_not_null(strstr(err.text, "millrace secret new"));
    remove_dir();
}

Test(secret, open_and_foreign_files_are_refused) {
    static const mode_t modes[] = {0640, 0604, 0610, 0602, 0700, 04600, 0666};
    struct mr_error err = {0};
    make_dir();
    cr_assert_eq(read_it(&err), MR_ERR_USAGE, "it is missing");
    err = (struct mr_error){0};
    cr_assert_eq(mr_secret_new(path, &err), 0);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        cr_assert_eq(chmod(path, modes[i]), 0);
        cr_assert_eq(read_it(&err), MR_ERR_USAGE, "mode %o", modes[i]);
        cr_assert_not_null(strstr(err.text, "chmod 600"));
    }
    write_file("short", 5, 0644);
    cr_assert_eq(read_it(&err), MR_ERR_USAGE);
    cr_assert_not_null(strstr(err.text, "open to others"));
    cr_assert_not_null(strstr(err.text, "5 bytes"), "all reasons are told: %s", err.text);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_eq(read_it(&err), MR_ERR_USAGE);
    cr_assert_not_null(strstr(err.text, "regular file"));
    cr_assert_eq(unlink(path), 0);
    if (geteuid() == 0) {
        err = (struct mr_error){0};
        cr_assert_eq(mr_secret_new(path, &err), 0);
        cr_assert_eq(chown(path, 1, 1), 0);
        cr_assert_eq(read_it(&err), MR_ERR_USAGE);
        cr_assert_not_null(strstr(err.text, "owned by user 1"));
    }
    remove_dir();
}

Test(secret, default_place) {
    char place[MR_SECRET_PATH_MAX];
    char want[400];
    struct mr_error err = {0};
    struct mr_secret secret;
    struct stat info;
    make_dir();
    cr_assert_eq(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
    snprintf(want, sizeof want, "%s/millrace/cluster.key", dir);
    cr_assert_eq(mr_secret_default_path(false, place, &err), 0);
    cr_assert_str_eq(place, want);
    cr_assert_eq(mr_secret_find(NULL, false, &secret, &err), MR_ERR_CLUSTER);
    cr_assert_not_null(strstr(err.text, "cluster up"));
    err = (struct mr_error){0};
    cr_assert_eq(mr_secret_find(NULL, true, &secret, &err), 0, "%s", err.text);
    cr_assert(stat(want, &info) == 0 && (info.st_mode & 07777) == 0600);
    cr_assert_eq(mr_secret_find(NULL, false, &secret, &err), 0, "%s", err.text);
    *strrchr(want, '/') = '\0';
    cr_assert(stat(want, &info) == 0 && (info.st_mode & 07777) == 0700);
    cr_assert_eq(chmod(want, 0755), 0);
    cr_assert_eq(mr_secret_find(NULL, false, &secret, &err), MR_ERR_USAGE);
    cr_assert_not_null(strstr(err.text, "closed to others"));
    cr_assert_eq(chmod(want, 0700), 0);
    cr_assert_eq(chmod(dir, 0755), 0); /* not private: another place is taken */
    err = (struct mr_error){0};
    cr_assert_eq(mr_secret_default_path(false, place, &err), 0, "%s", err.text);
    cr_assert_null(strstr(place, dir));
    unsetenv("XDG_RUNTIME_DIR");
    remove_dir();
}

static void *find_one(void *out) {
    struct mr_error err = {0};
    cr_assert_eq(mr_secret_find(NULL, true, out, &err), 0, "%s", err.text);
    return NULL;
}

/* Many daemons start at once on a machine that never had one: all have the same secret. */
Test(secret, one_of_many_makes_it) {
    enum { THREADS = 16 };
    for (int round = 0; round < 20; round++) {
        pthread_t threads[THREADS];
        struct mr_secret secrets[THREADS];
        make_dir();
        cr_assert_eq(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
        for (int i = 0; i < THREADS; i++) {
            cr_assert_eq(pthread_create(&threads[i], NULL, find_one, &secrets[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            cr_assert_eq(pthread_join(threads[i], NULL), 0);
            cr_assert_eq(memcmp(&secrets[i], &secrets[0], sizeof *secrets), 0);
        }
        unsetenv("XDG_RUNTIME_DIR");
        remove_dir();
    }
}
