/* test_blobs: a blob has its name only when it is whole and right. */
#include "lib/worker/blobs.h"

#include "tests/unit/test.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static struct mr_blobs *open_new(void) {
    struct mr_blobs *blobs = NULL;
    struct mr_error err = {0};
    snprintf(root, sizeof root, "/tmp/test_blobs-XXXXXX");
    cr_assert(mkdtemp(root));
    cr_assert_eq(mr_blobs_open(root, true, &blobs, &err), 0, "%s", err.text);
    return blobs;
}

static bool nothing(void *arg, struct mr_hash_128 hash) {
    (void)arg;
    (void)hash;
    return false;
}

static void end(struct mr_blobs *blobs) {
    mr_blobs_sweep(blobs, nothing, NULL);
    mr_blobs_close(blobs);
    cr_assert_eq(rmdir(root), 0); /* nothing else was left */
}

static struct mr_bytes bytes_of(const char *text) {
    return (struct mr_bytes){text, strlen(text)};
}

static void check_content(struct mr_blobs *blobs, struct mr_hash_128 hash, struct mr_bytes want) {
    struct mr_buffer got = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_blobs_read(blobs, hash, &got, &err), 0, "%s", err.text);
    cr_assert(got.len == want.len && (want.len == 0 || memcmp(got.data, want.data, got.len) == 0));
    mr_buffer_fini(&got);
}

Test(blobs, what_is_put_is_there) {
    struct mr_blobs *blobs = open_new();
    struct mr_error err = {0};
    struct mr_hash_128 hash;
    struct mr_hash_128 empty;
    cr_assert_eq(mr_blobs_put(blobs, bytes_of("hello"), &hash, &err), 0, "%s", err.text);
    cr_assert_eq(mr_blobs_put(blobs, bytes_of(""), &empty, &err), 0, "%s", err.text);
    cr_assert(mr_blobs_has(blobs, hash) && mr_blobs_has(blobs, empty));
    check_content(blobs, hash, bytes_of("hello"));
    check_content(blobs, empty, bytes_of(""));
    mr_blobs_close(blobs);
    cr_assert_eq(mr_blobs_open(root, true, &blobs, &err), 0);
    check_content(blobs, hash, bytes_of("hello"));
    mr_blobs_remove(blobs, hash);
    cr_assert(!mr_blobs_has(blobs, hash));
    end(blobs);
}

static int take(struct mr_blobs *blobs, struct mr_hash_128 hash, uint64_t offset, const char *piece,
                bool *is_whole) {
    struct mr_error err = {0};
    int status = mr_blobs_take(blobs, hash, 10, offset, bytes_of(piece), is_whole, &err);
    cr_assert(!status || err.text[0]);
    return status;
}

Test(blobs, pieces_make_a_whole) {
    struct mr_blobs *blobs = open_new();
    struct mr_hash_128 hash = mr_hash_xxh3_128("0123456789", 10);
    bool is_whole;
    cr_assert_eq(take(blobs, hash, 0, "0123", &is_whole), 0);
    cr_assert(!is_whole && !mr_blobs_has(blobs, hash));
    cr_assert_eq(take(blobs, hash, 0, "01234", &is_whole), 0); /* it begins anew */
    cr_assert_eq(take(blobs, hash, 5, "56789", &is_whole), 0);
    cr_assert(is_whole);
    check_content(blobs, hash, bytes_of("0123456789"));
    end(blobs);
}

Test(blobs, light_ones_are_settled_when_they_are_put) {
    struct mr_blobs *blobs = open_new();
    struct mr_hash_128 hash = mr_hash_xxh3_128("light", 5);
    struct mr_hash_128 put;
    struct mr_error err = {0};
    bool is_whole;
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(mr_blobs_take_light(blobs, hash, 5, 0, bytes_of("light"), &is_whole, &err), 0);
        cr_assert(is_whole && mr_blobs_has(blobs, hash) && mr_blobs_is_light(blobs, hash));
        check_content(blobs, hash, bytes_of("light"));
        if (i == 0) {
            cr_assert_eq(mr_blobs_put(blobs, bytes_of("light"), &put, &err), 0);
        } else if (i == 1) {
            cr_assert_eq(mr_blobs_settle(blobs, hash, &err), 0);
        } else {
            mr_blobs_remove(blobs, hash);
        }
        cr_assert(!mr_blobs_is_light(blobs, hash));
        cr_assert_eq(mr_blobs_has(blobs, hash), i < 2);
    }
    cr_assert_eq(mr_blobs_note_light(blobs, hash, &err), 0);
    cr_assert(mr_blobs_is_light(blobs, hash));
    end(blobs);
}

Test(blobs, wrong_pieces_are_refused) {
    struct mr_blobs *blobs = open_new();
    struct mr_hash_128 hash = mr_hash_xxh3_128("0123456789", 10);
    bool is_whole;
    cr_assert_eq(take(blobs, hash, 4, "4567", &is_whole), MR_ERR_IO); /* nothing came before */
    cr_assert_eq(take(blobs, hash, 0, "0123", &is_whole), 0);
    cr_assert_eq(take(blobs, hash, 5, "5", &is_whole), MR_ERR_IO);           /* a gap */
    cr_assert_eq(take(blobs, hash, 4, "4", &is_whole), MR_ERR_IO);           /* it was dropped */
    cr_assert_eq(take(blobs, hash, 0, "01234567890", &is_whole), MR_ERR_IO); /* too much */
    cr_assert_eq(take(blobs, hash, 0, "0123456780", &is_whole), MR_ERR_IO);  /* other bytes */
    cr_assert(!is_whole && !mr_blobs_has(blobs, hash));
    end(blobs);
}

Test(blobs, damage_is_found_and_removed) {
    struct mr_blobs *blobs = open_new();
    struct mr_hash_128 hash;
    struct mr_buffer got = {0};
    struct mr_error err = {0};
    char path[MR_BLOBS_PATH_MAX];
    cr_assert_eq(mr_blobs_put(blobs, bytes_of("hello"), &hash, &err), 0);
    mr_blobs_path(blobs, hash, path);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    cr_assert(fd >= 0 && pwrite(fd, "j", 1, 0) == 1);
    close(fd);
    cr_assert_eq(mr_blobs_read(blobs, hash, &got, &err), MR_ERR_IO);
    cr_assert(!mr_blobs_has(blobs, hash));
    mr_buffer_fini(&got);
    end(blobs);
}

Test(blobs, what_was_not_finished_is_cleared) {
    struct mr_blobs *blobs = open_new();
    struct mr_error err = {0};
    char path[128];
    snprintf(path, sizeof path, "%s/new-7", root);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    cr_assert(fd >= 0);
    close(fd);
    mr_blobs_close(blobs);
    cr_assert_eq(mr_blobs_open(root, false, &blobs, &err), 0);
    cr_assert(access(path, F_OK) != 0);
    end(blobs);
}

static bool is_needed(void *arg, struct mr_hash_128 hash) {
    const struct mr_hash_128 *kept = arg;
    return kept->high == hash.high && kept->low == hash.low;
}

Test(blobs, a_sweep_leaves_what_is_needed_and_what_is_coming) {
    char dir[] = "/tmp/millrace-blobs-XXXXXX";
    struct mr_blobs *blobs = NULL;
    struct mr_error err = {0};
    struct mr_hash_128 kept, other;
    struct mr_hash_128 coming = mr_hash_xxh3_128("coming", 6);
    bool is_whole = false;
    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(mr_blobs_open(dir, false, &blobs, &err), 0, "%s", err.text);
    cr_assert_eq(mr_blobs_put(blobs, (struct mr_bytes){"kept", 4}, &kept, &err), 0);
    cr_assert_eq(mr_blobs_put(blobs, (struct mr_bytes){"other", 5}, &other, &err), 0);
    cr_assert_eq(mr_blobs_take(blobs, coming, 6, 0, (struct mr_bytes){"com", 3}, &is_whole, &err),
                 0);
    mr_blobs_sweep(blobs, is_needed, &kept);
    cr_assert(mr_blobs_has(blobs, kept));
    cr_assert(!mr_blobs_has(blobs, other));
    cr_assert_eq(mr_blobs_take(blobs, coming, 6, 3, (struct mr_bytes){"ing", 3}, &is_whole, &err),
                 0, "%s", err.text);
    cr_assert(is_whole);
    cr_assert(mr_blobs_has(blobs, coming));
    mr_blobs_remove(blobs, coming);
    mr_blobs_remove(blobs, kept);
    mr_blobs_close(blobs);
    cr_assert_eq(rmdir(dir), 0, "something is left");
}
