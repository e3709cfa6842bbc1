/* test_identity: paths that need not exist, and what differs between two lists of inputs. */
#include "master/local/plan/identity.h"

#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void expect_path(const char *path, const char *want) {
    char *absolute = NULL;
    struct mr_error err = {0};
    cr_assert_eq(mr_identity_path(path, &absolute, &err), 0, "%s", err.text);
    cr_assert_str_eq(absolute, want);
    free(absolute);
}

Test(identity, paths) {
    cr_assert_eq(chdir("/usr"), 0);
    expect_path("/usr", "/usr");
    expect_path("/usr/", "/usr");
    expect_path("nothing-here", "/usr/nothing-here");
    expect_path("nothing-here///", "/usr/nothing-here");
    expect_path("./nothing-here", "/usr/nothing-here");
    expect_path("/usr/../usr/nothing-here/", "/usr/nothing-here");
    char *absolute = NULL;
    struct mr_error err = {0};
    cr_assert_eq(mr_identity_path("nothing/here", &absolute, &err), MR_ERR_USAGE);
    cr_assert_null(absolute);
}

static void expect_differ(const char *before, const char *now, const char *want) {
    char out[200];
    mr_identity_differ(before, now, out, sizeof out);
    cr_assert_str_eq(out, want);
}

Test(identity, what_differs) {
    expect_differ("1 2.3 4 a b\n5 6.7 8 c\n", "1 2.3 4 a b\n5 6.8 8 c\n",
                  "\"c\" is not as it was (size, time or inode)");
    expect_differ("1 2.3 4 a b\n", "1 2.4 4 a b\n",
                  "\"a b\" is not as it was (size, time or inode)");
    expect_differ("1 2.3 4 a\n", "1 2.3 4 a\n5 6.7 8 c\n", "\"c\" is new, or in another place");
    expect_differ("1 2.3 4 a\n5 6.7 8 c\n", "1 2.3 4 a\n", "\"c\" is not among them any more");
    expect_differ("1 2.3 4 a\n", "", "\"a\" is not among them any more");
}
