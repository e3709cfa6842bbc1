/* test_report: what is said about a run: advice only where the run took long enough to judge. */
#include "cli/report.h"

#include "tests/unit/test.h"

#include <string.h>

/* What the report says of a run of so many seconds, all of them in map, its one thread busy. */
static struct mr_page report(double seconds) {
    struct mr_run_phase map = {.seconds = seconds, .thread_seconds = seconds, .bytes = 1000};
    struct mr_run_round round = {.name = "count", .map = map};
    struct mr_run_result result = {
        .rounds = &round, .round_count = 1, .threads = 1, .seconds = seconds};
    static struct mr_error err;
    struct mr_page page = {.err = &err};
    mr_report_add(&page, &result);
    cr_assert_eq(err.code, 0);
    return page;
}

static void expect(double seconds, const char *says, const char *says_not) {
    struct mr_page page = report(seconds);
    char text[2048] = "";
    cr_assert_lt(page.text.len, sizeof text);
    memcpy(text, page.text.data, page.text.len);
    cr_assert_not_null(strstr(text, says), "%s", text);
    cr_assert_null(strstr(text, says_not), "%s", text);
    mr_page_fini(&page);
}

Test(report, judges_what_took_a_second) {
    expect(0.99, "Bottleneck: none to speak of in less than a second", "More threads");
    expect(1.0, "Bottleneck: the CPU\nMore threads: would", "none to speak of");
}

Test(report, counts_one_record_as_one) {
    struct mr_run_round round = {.books = {.records_read = 1}};
    struct mr_run_result result = {.rounds = &round, .round_count = 1};
    struct mr_job job = {.name = "lines"};
    struct mr_run_spec spec = {.job = &job};
    char line[300];
    mr_report_closing(&spec, &result, line, sizeof line);
    cr_assert_not_null(strstr(line, "lines: 1 record, "), "%s", line);
    round.books.records_read = 2;
    mr_report_closing(&spec, &result, line, sizeof line);
    cr_assert_not_null(strstr(line, "lines: 2 records, "), "%s", line);
}
