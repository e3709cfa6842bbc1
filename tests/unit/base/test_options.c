/* test_options: a command line read by its table: every way to write an option, and every refusal.
 */
#include "lib/base/options.h"

#include "tests/unit/test.h"

#include <string.h>

enum { OUTPUT, THREADS, MEMORY, WORDS, QUIET, VERBOSE, COUNT };

static const struct mr_option rows[] = {
    [OUTPUT] = {.name = "output", .letter = 'o', .kind = MR_OPTION_TEXT, .metavar = "DIR"},
    [THREADS] = {.name = "threads", .kind = MR_OPTION_U64, .metavar = "N", .least = 1, .most = 64},
    [MEMORY] = {.name = "memory", .letter = 'm', .kind = MR_OPTION_SIZE, .least = 16 << 20},
    [WORDS] = {.name = "words", .kind = MR_OPTION_CHOICE, .choices = "whitespace|letters|unicode"},
    [QUIET] = {.name = "quiet", .letter = 'q', .kind = MR_OPTION_FLAG},
    [VERBOSE] = {.name = "verbose", .letter = 'v', .kind = MR_OPTION_FLAG},
    [COUNT] = {.name = NULL},
};

/* What one reading gave. */
struct reading {
    struct mr_option_value values[COUNT];
    const char *operands[8];
    size_t operand_count;
    int status;
    struct mr_error err;
};

/* Reads words separated by single spaces. */
static struct reading read_line(const char *line) {
    static char text[256];
    char *args[32] = {NULL};
    size_t count = 0;
    memset(text, 0, sizeof text);
    strncpy(text, line, sizeof text - 1);
    char *save = NULL;
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        args[count++] = word;
    }
    struct reading reading;
    memset(&reading, 0, sizeof reading);
    struct mr_options options = {
        .rows = rows, .values = reading.values, .count = COUNT, .args = args};
    const char *operand;
    while ((reading.status = mr_options_next(&options, &operand, &reading.err)) == 1) {
        reading.operands[reading.operand_count++] = operand;
    }
    return reading;
}

static void expect_error(const char *line, const char *text) {
    struct reading reading = read_line(line);
    cr_assert_eq(reading.status, MR_ERR_USAGE, "%s", line);
    cr_assert_eq(reading.err.code, MR_ERR_USAGE, "%s", line);
    cr_assert_str_eq(reading.err.text, text);
}

Test(options, counts_and_finds_rows) {
    cr_assert_eq(mr_options_count(rows), (size_t)COUNT);
    cr_assert_eq(mr_options_count(NULL), (size_t)0);
    cr_assert_eq(mr_options_find(rows, COUNT, "words"), &rows[WORDS]);
    cr_assert_null(mr_options_find(rows, COUNT, "word"));
}

Test(options, long_with_equals_and_with_a_space) {
    struct reading reading = read_line("--output=a=b --threads 3 --memory 256M");
    cr_assert_eq(reading.status, 0);
    cr_assert_str_eq(reading.values[OUTPUT].text, "a=b");
    cr_assert_eq(reading.values[THREADS].number, 3u);
    cr_assert_eq(reading.values[MEMORY].number, (uint64_t)256 << 20);
    cr_assert(reading.values[MEMORY].given);
    cr_assert_not(reading.values[QUIET].given);
}

Test(options, letters_attached_apart_and_in_clusters) {
    struct reading reading = read_line("-o one -qv -m32M");
    cr_assert_eq(reading.status, 0);
    cr_assert_str_eq(reading.values[OUTPUT].text, "one");
    cr_assert(reading.values[QUIET].given);
    cr_assert(reading.values[VERBOSE].given);
    cr_assert_eq(reading.values[MEMORY].number, (uint64_t)32 << 20);
    reading = read_line("-vodir -q");
    cr_assert_eq(reading.status, 0);
    cr_assert_str_eq(reading.values[OUTPUT].text, "dir");
}

Test(options, operands_in_any_place) {
    struct reading reading = read_line("a --quiet b - --threads 2 c -- --quiet -o");
    cr_assert_eq(reading.status, 0);
    cr_assert_eq(reading.operand_count, (size_t)6);
    cr_assert_str_eq(reading.operands[2], "-");
    cr_assert_str_eq(reading.operands[4], "--quiet");
    cr_assert_str_eq(reading.operands[5], "-o");
    cr_assert_null(reading.values[OUTPUT].text);
}

Test(options, choices_know_which) {
    cr_assert_eq(read_line("--words whitespace").values[WORDS].number, 0u);
    cr_assert_eq(read_line("--words=unicode").values[WORDS].number, 2u);
    size_t len;
    const char *next = mr_options_choice("ab|c", &len);
    cr_assert_eq(len, (size_t)2);
    cr_assert_str_eq(next, "c");
    cr_assert_null(mr_options_choice(next, &len));
    cr_assert_eq(len, (size_t)1);
}

Test(options, the_last_one_counts) {
    cr_assert_eq(read_line("--threads 2 --threads 5").values[THREADS].number, 5u);
}

Test(options, a_longer_table_between_two_steps) {
    char *args[] = {(char *)"job", (char *)"--words=letters", NULL};
    struct mr_option_value values[COUNT];
    memset(values, 0, sizeof values);
    struct mr_error err = {0};
    const char *operand = NULL;
    struct mr_options options = {.rows = rows, .values = values, .count = WORDS, .args = args};
    cr_assert_eq(mr_options_next(&options, &operand, &err), 1);
    cr_assert_str_eq(operand, "job");
    options.count = COUNT;
    cr_assert_eq(mr_options_next(&options, &operand, &err), 0);
    cr_assert_eq(values[WORDS].number, 1u);
}

Test(options, unknown_names_get_the_nearest) {
    expect_error("--thraeds 3", "unknown option --thraeds: did you mean --threads?");
    expect_error("--qiet=1", "unknown option --qiet: did you mean --quiet?");
    expect_error("--verb", "unknown option --verb: did you mean --verbose?");
    expect_error("--zzzzz", "unknown option --zzzzz");
    expect_error("-x", "unknown option -x");
    expect_error("-qx", "unknown option -x (in -qx)");
    expect_error("-output=dir", "unknown option -output=dir: did you mean --output=dir?");
}

Test(options, values_missing_or_too_many) {
    expect_error("--output", "--output needs a value: --output DIR");
    expect_error("--words", "--words needs a value: --words whitespace|letters|unicode");
    expect_error("-q -o", "--output needs a value: --output DIR");
    expect_error("--quiet=yes", "--quiet takes no value (\"yes\" was given)");
}

Test(options, values_of_the_wrong_kind) {
    expect_error("--threads two", "--threads \"two\" is not a number");
    expect_error("--threads=", "--threads \"\" is not a number");
    expect_error("--threads 0", "--threads 0 is too small: at least 1");
    expect_error("--threads 65", "--threads 65 is too large: at most 64");
    expect_error("--memory 8M", "--memory 8M is too small: at least 16M");
    expect_error("--memory lots",
                 "--memory \"lots\" is not a size: digits, then K, M, G or T (256M)");
    expect_error("--words letter", "--words \"letter\" is none of whitespace|letters|unicode");
}

Test(options, a_very_long_unknown_name) {
    char line[256] = "--";
    memset(line + 2, 'x', sizeof line - 3);
    struct reading reading = read_line(line);
    cr_assert_eq(reading.status, MR_ERR_USAGE);
}
