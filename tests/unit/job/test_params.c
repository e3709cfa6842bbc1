/* test_params: what a user may give, what is answered, and what is said of the rest. */
#include "lib/job/params.h"

#include "tests/unit/test.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct mr_param table[] = {
    {.name = "words",
     .kind = MR_PARAM_CHOICE,
     .fallback = "whitespace",
     .choices = "whitespace|letters|unicode"},
    {.name = "fold", .kind = MR_PARAM_FLAG},
    {.name = "top", .kind = MR_PARAM_U64, .least = 1},
    {.name = "min-count", .kind = MR_PARAM_U64, .fallback = "1", .least = 1},
    {.name = "title", .kind = MR_PARAM_TEXT},
    {.name = "stopwords", .kind = MR_PARAM_FILE},
    {.name = NULL},
};

static const struct mr_job job = {.abi = MR_JOB_ABI, .name = "wordcount", .params = table};
static const struct mr_job bare = {.abi = MR_JOB_ABI, .name = "bare"};

/* The sentences about these parameters; "" where they are right. */
static const char *refusal(const struct mr_job *of, const struct mr_run_param *given, size_t count,
                           int code) {
    static struct mr_error err;
    err = (struct mr_error){0};
    struct mr_params *params = NULL;
    struct mr_params_source source = {.job = of, .given = given, .count = count};
    int status = mr_params_create(&source, &params, &err);
    cr_assert_eq(status, code, "%d: %s", status, err.text);
    cr_assert_eq(err.code, code);
    cr_assert(status == 0 || params == NULL);
    mr_params_destroy(params);
    return err.text;
}

static const char *refusal_of(const char *name, const char *value) {
    struct mr_run_param given = {name, value};
    return refusal(&job, &given, 1, MR_ERR_USAGE);
}

static struct mr_params *create(const struct mr_run_param *given, size_t count) {
    struct mr_error err = {0};
    struct mr_params *params = NULL;
    struct mr_params_source source = {.job = &job, .given = given, .count = count};
    cr_assert_eq(mr_params_create(&source, &params, &err), 0, "%s", err.text);
    return params;
}

Test(params, fills_in_defaults) {
    struct mr_params *params = create(NULL, 0);
    cr_assert_str_eq(mr_params_text(params, "words"), "whitespace");
    cr_assert_null(mr_params_text(params, "fold"));
    cr_assert_null(mr_params_text(params, "top"));
    cr_assert_str_eq(mr_params_text(params, "min-count"), "1");
    cr_assert_eq(mr_params_u64(params, "fold"), 0u);
    cr_assert_eq(mr_params_u64(params, "top"), 0u);
    cr_assert_eq(mr_params_u64(params, "min-count"), 1u);
    cr_assert_eq(mr_params_file(params, "stopwords").len, 0u);
    cr_assert_null(mr_params_text(params, "nothing"));
    cr_assert_eq(mr_params_u64(params, "nothing"), 0u);
    cr_assert_eq(mr_params_file(params, "nothing").len, 0u);
    mr_params_destroy(params);
}

Test(params, takes_what_is_given_and_the_last_of_it) {
    const struct mr_run_param given[] = {
        {"words", "letters"}, {"fold", NULL}, {"top", "7"},
        {"title", ""},        {"top", "20"},  {"min-count", "18446744073709551615"}};
    struct mr_params *params = create(given, 6);
    cr_assert_str_eq(mr_params_text(params, "words"), "letters");
    cr_assert_str_eq(mr_params_text(params, "fold"), "");
    cr_assert_eq(mr_params_u64(params, "fold"), 1u);
    cr_assert_eq(mr_params_u64(params, "top"), 20u);
    cr_assert_eq(mr_params_u64(params, "min-count"), UINT64_MAX);
    cr_assert_str_eq(mr_params_text(params, "title"), "");

    size_t count = 0;
    const struct mr_run_param *rows = mr_params_rows(params, &count);
    cr_assert_eq(count, 6u);
    for (size_t i = 0; i < count; i++) {
        cr_assert_str_eq(rows[i].name, table[i].name);
    }
    cr_assert_str_eq(rows[2].value, "20");
    cr_assert_null(rows[5].value);
    mr_params_destroy(params);
}

Test(params, refuses_names) {
    cr_assert_str_eq(refusal_of("fodl", NULL),
                     "unknown parameter --fodl of wordcount: did you mean --fold?");
    cr_assert_str_eq(refusal_of("reducers", "3"),
                     "unknown parameter --reducers of wordcount: it has --words, --fold, --top, "
                     "--min-count, --title, --stopwords");
    struct mr_run_param given = {"fold", NULL};
    cr_assert_str_eq(refusal(&bare, &given, 1, MR_ERR_USAGE),
                     "unknown parameter --fold of bare: it has no parameters");
    cr_assert_str_eq(refusal(&bare, NULL, 0, 0), "");
}

Test(params, refuses_values) {
    cr_assert_str_eq(refusal_of("top", "x"), "--top wants a number from 1, not \"x\"");
    cr_assert_str_eq(refusal_of("top", "0"), "--top wants a number from 1, not \"0\"");
    cr_assert_str_eq(refusal_of("top", "-3"), "--top wants a number from 1, not \"-3\"");
    cr_assert_str_eq(refusal_of("top", ""), "--top wants a number from 1, not \"\"");
    cr_assert_str_eq(refusal_of("top", NULL), "--top wants a number from 1");
    cr_assert_str_eq(refusal_of("fold", "yes"), "--fold takes no value, not \"yes\"");
    cr_assert_str_eq(refusal_of("title", NULL), "--title wants a value");
    cr_assert_str_eq(refusal_of("stopwords", NULL), "--stopwords wants a file");
    cr_assert_str_eq(refusal_of("words", "leters"),
                     "--words must be one of whitespace, letters, unicode, not \"leters\": did you "
                     "mean letters?");
    cr_assert_str_eq(refusal_of("words", "x"),
                     "--words must be one of whitespace, letters, unicode, not \"x\"");
    cr_assert_str_eq(refusal_of("words", ""),
                     "--words must be one of whitespace, letters, unicode, not \"\"");
    cr_assert_str_eq(
        refusal_of("words", "letters|unicode"),
        "--words must be one of whitespace, letters, unicode, not \"letters|unicode\"");
    cr_assert_str_eq(refusal_of("words", NULL),
                     "--words must be one of whitespace, letters, unicode");
}

Test(params, says_all_that_is_wrong) {
    const struct mr_run_param given[] = {
        {"fodl", NULL}, {"top", "x"}, {"stopwords", "/nowhere/stop.txt"}};
    cr_assert_str_eq(refusal(&job, given, 3, MR_ERR_USAGE),
                     "unknown parameter --fodl of wordcount: did you mean --fold?\n"
                     "--top wants a number from 1, not \"x\"\n"
                     "open \"/nowhere/stop.txt\": No such file or directory (reading --stopwords)");
}

Test(params, counts_what_has_no_room) {
    struct mr_run_param given[100];
    for (size_t i = 0; i < 100; i++) {
        given[i] = (struct mr_run_param){"top", "x"};
    }
    const char *text = refusal(&job, given, 100, MR_ERR_USAGE);
    cr_assert_lt(strlen(text), (size_t)MR_ERROR_TEXT_MAX);
    const char *tail = strrchr(text, '\n');
    unsigned more = 0;
    cr_assert_eq(sscanf(tail, "\nand %u more", &more), 1);
    unsigned lines = 0;
    for (const char *at = text; at < tail; at++) {
        lines += *at == '\n';
    }
    cr_assert_eq(lines + 1 + more, 100u);
}

Test(params, cuts_endless_values) {
    static char endless[100000];
    memset(endless, '7', sizeof endless - 1);
    cr_assert_lt(strlen(refusal_of("top", endless)), 200u);
    cr_assert_lt(strlen(refusal_of("words", endless)), 200u);
    cr_assert_lt(strlen(refusal_of(endless, "1")), 200u);
}

/* Makes a file of `size` bytes, sparse behind its text. */
static void make_file(char *path, const char *text, off_t size) {
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    cr_assert_eq(ftruncate(fd, size), 0);
    cr_assert_eq(close(fd), 0);
}

Test(params, reads_files) {
    char path[] = "/tmp/millrace-test-XXXXXX";
    make_file(path, "the\nof\n", 200000);
    struct mr_run_param given = {"stopwords", path};
    struct mr_params *params = create(&given, 1);
    struct mr_bytes content = mr_params_file(params, "stopwords");
    cr_assert_eq(content.len, 200000u);
    cr_assert(memcmp(content.data, "the\nof\n\0", 8) == 0);
    cr_assert_str_eq(mr_params_text(params, "stopwords"), path);
    mr_params_destroy(params);
    unlink(path);
}

Test(params, refuses_files) {
    struct mr_run_param given = {"stopwords", "/nowhere/stop.txt"};
    cr_assert_str_eq(refusal(&job, &given, 1, MR_ERR_INPUT),
                     "open \"/nowhere/stop.txt\": No such file or directory (reading --stopwords)");
    given.value = "/";
    cr_assert_str_eq(refusal(&job, &given, 1, MR_ERR_INPUT),
                     "read \"/\": Is a directory (reading --stopwords)");
    char path[] = "/tmp/millrace-test-XXXXXX";
    make_file(path, "", ((off_t)1 << 30) + 1);
    given.value = path;
    const char *text = refusal(&job, &given, 1, MR_ERR_INPUT);
    unlink(path);
    cr_assert_not_null(strstr(text, "it is larger than 1 GiB (reading --stopwords)"));
}

Test(params, knows_what_a_value_is) {
    cr_assert(mr_params_accepts(&table[0], "unicode"));
    cr_assert(!mr_params_accepts(&table[0], "unicod"));
    cr_assert(mr_params_accepts(&table[1], NULL));
    cr_assert(mr_params_accepts(&table[2], "1"));
    cr_assert(!mr_params_accepts(&table[2], NULL));
    cr_assert(!mr_params_accepts(&table[5], NULL));
}
