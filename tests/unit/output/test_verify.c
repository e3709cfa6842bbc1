/* test_verify: every difference between an output and its manifest is told. */
#include "lib/output/verify.h"

#include "lib/base/hash.h"
#include "lib/output/manifest.h"
#include "lib/output/part.h"
#include "lib/output/tree.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/millrace-verify-XXXXXX";

static void put_file(const char *name, const char *text, size_t len) {
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, len), (ssize_t)len);
    close(fd);
}

/* Makes an output of `count` parts of three bytes each, and goes there. */
static void make_output(unsigned count) {
    char text[8192];
    char name[MR_PART_NAME_MAX];
    size_t len = 0;
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
    len += (size_t)snprintf(text, sizeof text, "{\"format\": 1, \"result\": {\"parts\": [");
    for (unsigned i = 0; i < count; i++) {
        mr_part_name(name, sizeof name, i);
        put_file(name, "abc", 3);
        len +=
            (size_t)snprintf(text + len, sizeof text - len,
                             "%s{\"name\": \"%s\", \"records\": 1, \"bytes\": 3,"
                             " \"xxh3\": \"%016llx\"}",
                             i > 0 ? ", " : "", name, (unsigned long long)mr_hash_xxh3("abc", 3));
    }
    len += (size_t)snprintf(text + len, sizeof text - len, "]}}\n");
    put_file("_manifest.json", text, len);
    put_file("_SUCCESS", "", 0);
}

static void remove_output(void) {
    struct mr_error err = {0};
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(mr_tree_remove(AT_FDCWD, folder, &err), 0);
}

static int verify(struct mr_error *err) {
    struct mr_run_part *parts = NULL;
    size_t count = 0;
    *err = (struct mr_error){0};
    int status = mr_verify_output(".", &parts, &count, err);
    free(parts);
    return status;
}

Test(verify, finds_nothing_in_a_whole_output) {
    struct mr_error err;
    make_output(3);
    put_file("notes", "of the user", 11); /* not ours to judge */
    cr_assert_eq(verify(&err), 0, "%s", err.text);
    remove_output();
    make_output(0);
    cr_assert_eq(verify(&err), 0, "%s", err.text);
    remove_output();
}

Test(verify, gives_the_parts) {
    struct mr_error err = {0};
    struct mr_run_part *parts = NULL;
    size_t count = 0;
    make_output(2);
    cr_assert_eq(unlink("part-00001"), 0);
    cr_assert_eq(mr_verify_output(folder, &parts, &count, &err), MR_ERR_INPUT);
    cr_assert_eq(count, 2u);
    cr_assert_eq(parts[1].bytes, 3u);
    free(parts);
    remove_output();
}

Test(verify, tells_every_difference) {
    struct mr_error err;
    make_output(6);
    cr_assert_eq(unlink("_SUCCESS"), 0);
    cr_assert_eq(unlink("part-00000"), 0);
    put_file("part-00001", "abcd", 4);
    put_file("part-00002", "abd", 3);
    cr_assert_eq(unlink("part-00003"), 0);
    cr_assert_eq(symlink("part-00005", "part-00003"), 0);
    cr_assert_eq(unlink("part-00004"), 0);
    cr_assert_eq(mkfifo("part-00004", 0600), 0);
    put_file("part-00006", "", 0);
    char wanted[512];
    snprintf(wanted, sizeof wanted,
             "\".\" differs from its manifest:\n"
             "_SUCCESS is missing\n"
             "part-00000 is missing\n"
             "part-00001 has 4 bytes, not 3\n"
             "part-00002 has the XXH3 %016llx, not %016llx\n"
             "part-00003 is no regular file\n"
             "part-00004 is no regular file\n"
             "part-00006 is not in the manifest",
             (unsigned long long)mr_hash_xxh3("abd", 3),
             (unsigned long long)mr_hash_xxh3("abc", 3));
    cr_assert_eq(verify(&err), MR_ERR_INPUT);
    cr_assert_str_eq(err.text, wanted);
    remove_output();
}

static void expect_stranger(const char *name, const char *shown) {
    struct mr_error err;
    char wanted[128];
    put_file(name, "", 0);
    snprintf(wanted, sizeof wanted, "\".\" differs from its manifest:\n%s is not in the manifest",
             shown);
    cr_assert_eq(verify(&err), MR_ERR_INPUT);
    cr_assert_str_eq(err.text, wanted);
    cr_assert_eq(unlink(name), 0);
}

Test(verify, sees_through_odd_names) {
    make_output(2);
    expect_stranger("part-1", "part-1");
    expect_stranger("part-000001", "part-000001");
    expect_stranger("part-", "part-");
    expect_stranger("part-00002", "part-00002");
    expect_stranger("part-00000.gz", "part-00000.gz");
    expect_stranger("part-4294967296", "part-4294967296");
    expect_stranger("part-\x1b[2J\n", "part-?[2J?");
    remove_output();
}

Test(verify, tells_ten_and_counts_the_rest) {
    struct mr_error err;
    char name[MR_PART_NAME_MAX];
    make_output(25);
    for (unsigned i = 0; i < 25; i++) {
        mr_part_name(name, sizeof name, i);
        put_file(name, "abd", 3);
    }
    cr_assert_eq(verify(&err), MR_ERR_INPUT);
    cr_assert_not_null(strstr(err.text, "part-00009 has the XXH3 "));
    cr_assert_null(strstr(err.text, "part-00010"));
    cr_assert_str_eq(err.text + strlen(err.text) - 12, "\nand 15 more");
    remove_output();
}

Test(verify, wants_a_manifest) {
    struct mr_error err;
    make_output(1);
    put_file("_manifest.json", "[]", 2);
    cr_assert_eq(verify(&err), MR_ERR_INPUT);
    cr_assert_str_eq(err.text, "it is no manifest of Millrace's (in \"./_manifest.json\")");
    cr_assert_eq(unlink("_manifest.json"), 0);
    cr_assert_eq(verify(&err), MR_ERR_INPUT);
    cr_assert_str_eq(err.text, "\".\" is no output of Millrace: it holds no _manifest.json");
    remove_output();
}

Test(verify, reads_large_parts) {
    struct mr_error err;
    size_t len = ((size_t)2 << 20) + 5;
    char *data = calloc(1, len);
    char text[256];
    cr_assert_not_null(data);
    make_output(1);
    put_file("part-00000", data, len);
    int text_len = snprintf(text, sizeof text,
                            "{\"format\": 1, \"result\": {\"parts\": [{\"name\": \"part-00000\","
                            " \"records\": 0, \"bytes\": %zu, \"xxh3\": \"%016llx\"}]}}",
                            len, (unsigned long long)mr_hash_xxh3(data, len));
    put_file("_manifest.json", text, (size_t)text_len);
    cr_assert_eq(verify(&err), 0, "%s", err.text);
    free(data);
    remove_output();
}
