/* test_nearest: proposals for mistyped names. */
#include "lib/base/nearest.h"

#include "tests/unit/test.h"

#include <string.h>

static const char *const names[] = {"words", "fold", "min-count", "top", "stopwords", "ngram", "o"};

static const char *nearest(const char *typed) {
    const char *found = mr_nearest(typed, names, sizeof names / sizeof *names);
    return found ? found : "(none)";
}

Test(nearest, proposes_what_was_meant) {
    cr_assert_str_eq(nearest("fodl"), "fold");
    cr_assert_str_eq(nearest("fol"), "fold");
    cr_assert_str_eq(nearest("foldd"), "fold");
    cr_assert_str_eq(nearest("gold"), "fold");
    cr_assert_str_eq(nearest("fold"), "fold");
    cr_assert_str_eq(nearest("word"), "words");
    cr_assert_str_eq(nearest("mincount"), "min-count");
    cr_assert_str_eq(nearest("mim-coutn"), "min-count");
    cr_assert_str_eq(nearest("stop-word"), "stopwords");
    cr_assert_str_eq(nearest("tpo"), "top");
}

Test(nearest, is_silent_where_nothing_is_near) {
    cr_assert_str_eq(nearest(""), "(none)");
    cr_assert_str_eq(nearest("x"), "(none)");
    cr_assert_str_eq(nearest("flod1"), "(none)");
    cr_assert_str_eq(nearest("threads"), "(none)");
    cr_assert_null(mr_nearest("fold", NULL, 0));
}

Test(nearest, takes_the_first_of_equals) {
    static const char *const equals[] = {"bold", "cold", "fold"};
    cr_assert_str_eq(mr_nearest("gold", equals, 3), "bold");
}

Test(nearest, ignores_endless_names) {
    static char endless[4096];
    memset(endless, 'a', sizeof endless - 1);
    const char *const with_endless[] = {endless, "fold"};
    cr_assert_str_eq(mr_nearest("fodl", with_endless, 2), "fold");
    cr_assert_null(mr_nearest(endless, with_endless, 2));
}
