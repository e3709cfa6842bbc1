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
    struct mr_identity_texts texts[] = {{"j", before}, {"j", now}};
    struct mr_identity_shape shape = {1, 1};
    cr_assert_eq(mr_identity_compare(&texts[0], &texts[1], &shape, out, sizeof out),
                 MR_IDENTITY_INPUTS);
    cr_assert_str_eq(out, want);
}

Test(identity, what_differs) {
    expect_differ("1 2.3 4 a b\n5 6.7 8 c\n", "1 2.3 4 a b\n5 6.8 8 c\n",
                  "\"c\" is not as it was (size, time or inode)");
    expect_differ("1 2.3 4 a b\n", "1 2.4 4 a b\n",
                  "\"a b\" is not as it was (size, time or inode)");
    expect_differ("1 2.3 4 a\n", "1 2.3 4 a\n5 6.7 8 c\n", "\"c\" is new");
    expect_differ("1 2.3 4 a\n5 6.7 8 c\n", "5 6.7 8 c\n", "\"a\" is not among them any more");
    expect_differ("1 2.3 4 a\n5 6.7 8 c\n", "5 6.7 8 c\n1 2.3 4 a\n", "\"c\" is in another place");
    expect_differ("1 2.3 4 a\n5 6.7 8 c\n", "1 2.3 4 a\n", "\"c\" is not among them any more");
    expect_differ("1 2.3 4 a\n", "", "\"a\" is not among them any more");
}

#define HEAD "job wordcount\ncode 1.0\nparam ngram 1 2\nfile stopwords 5 00ff\n"
#define TAIL "output /tmp/out\n"

/* Job and inputs before and now, the shape at its place. */
static void expect_relation(const char *head, const char *shape, const char *tail,
                            const char *inputs, enum mr_identity_relation want, const char *says) {
    char job[300];
    char out[200];
    snprintf(job, sizeof job, "%s%s%s", head, shape, tail);
    struct mr_identity_texts before = {HEAD "splits 2 64\nround count 4 2\n" TAIL, "1 2.3 4 a\n"};
    struct mr_identity_texts now = {job, inputs};
    struct mr_identity_shape at = {strlen(head), strlen(head) + strlen(shape)};
    cr_assert_eq(mr_identity_compare(&before, &now, &at, out, sizeof out), want, "%s", out);
    cr_assert_str_eq(out, says);
}

Test(identity, a_job_and_its_inputs) {
    static const char same[] = "1 2.3 4 a\n";
    static const char shape[] = "splits 2 64\nround count 4 2\n";
    static const char grown[] = "splits 12 64\nround count 16 2\nround top 1 2\n";
    static const char changed[] = "9 2.3 4 a\n";
    static const char is_changed[] = "\"a\" is not as it was (size, time or inode)";
    expect_relation(HEAD, shape, TAIL, same, MR_IDENTITY_SAME, "");
    expect_relation(HEAD, shape, TAIL, changed, MR_IDENTITY_INPUTS, is_changed);
    expect_relation(HEAD, grown, TAIL, changed, MR_IDENTITY_INPUTS, is_changed);
    expect_relation(HEAD, "", TAIL, changed, MR_IDENTITY_INPUTS, is_changed);
    expect_relation(HEAD, "splits 2 64\nround count 7 2\n", TAIL, same, MR_IDENTITY_OTHER,
                    "it has --partitions 4, not 7");
    expect_relation(HEAD, grown, TAIL, same, MR_IDENTITY_OTHER, "it is cut otherwise");
    expect_relation(HEAD, shape, "output /tmp/other\n", changed, MR_IDENTITY_OTHER,
                    "its output is \"/tmp/out\"");
    expect_relation("job lines\n", shape, TAIL, same, MR_IDENTITY_OTHER, "another job");
    expect_relation("job wordcount\ncode 1.1\n", shape, TAIL, same, MR_IDENTITY_OTHER,
                    "the job's code is not as it was");
    expect_relation("job wordcount\ncode 1.0\nparam ngram 1 3\n", shape, TAIL, same,
                    MR_IDENTITY_OTHER, "--ngram differs");
    expect_relation("job wordcount\ncode 1.0\nparam ngram 1 2\nfile stopwords 5 0000\n", shape,
                    TAIL, changed, MR_IDENTITY_OTHER, "--stopwords differs");
}
