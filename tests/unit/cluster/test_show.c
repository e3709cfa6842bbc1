/* test_show: what commands of a cluster show: tables, JSON, how a job goes on. */
#include "cluster/follow.h"
#include "cluster/json.h"
#include "cluster/table.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *text_of(struct mr_page *page) {
    static char text[4096];
    memcpy(text, page->text.data, page->text.len);
    text[page->text.len] = '\0';
    return text;
}

Test(table, columns_are_as_wide_as_they_must_be) {
    static const char *const columns[] = {"NODE", "NAME", "ADDRESS", NULL};
    static const char *const one[] = {"1", "caf\xc3\xa9", "here:1"};
    static const char *const two[] = {"10", NULL, "a\x1b[2Jb"};
    struct mr_table table = {.columns = columns};
    struct mr_error err = {0};
    struct mr_page page = {.err = &err};
    cr_assert_eq(mr_table_add(&table, one, &err), 0);
    cr_assert_eq(mr_table_add(&table, two, &err), 0);
    mr_table_print(&table, &page);
    cr_assert_str_eq(text_of(&page), "NODE  NAME  ADDRESS\n"
                                     "1     caf\xc3\xa9  here:1\n"
                                     "10    -     a?[2Jb\n");
    mr_table_clear(&table);
    cr_assert_eq(table.count, 0u);
    mr_table_fini(&table);
    mr_page_fini(&page);
}

Test(json, members_and_items) {
    struct mr_error err = {0};
    struct mr_page page = {.err = &err};
    mr_json_open(&page, NULL, '[');
    mr_json_open(&page, NULL, '{');
    mr_json_number(&page, "job", 3);
    mr_json_text(&page, "why", "a \"b\"\\\n\x01 caf\xc3\xa9");
    mr_json_text(&page, "odd", "caf\xe9");
    mr_json_text(&page, "none", NULL);
    mr_json_bytes(&page, "log", (struct mr_bytes){"a\0b", 3});
    mr_json_seconds(&page, "seconds", 1500000);
    mr_json_close(&page, '{');
    mr_json_open(&page, NULL, '{');
    mr_json_close(&page, '{');
    mr_json_close(&page, '[');
    cr_assert_str_eq(text_of(&page),
                     "[{\"job\": 3, \"why\": \"a \\\"b\\\"\\\\\\u000a\\u0001 caf\xc3\xa9\", "
                     "\"odd\": \"caf\\u00e9\", \"none\": null, \"log\": \"a\\u0000b\", "
                     "\"seconds\": 1.500000}, {}]");
    mr_page_fini(&page);
}

/* Shows a few things to a file, and reads it back. */
Test(follow, lines_where_nothing_can_be_drawn) {
    char path[] = "/tmp/millrace-follow-XXXXXX";
    char text[2048] = "";
    struct mr_wire_row_job_line job = {.state = "running",
                                       .rounds = 1,
                                       .map_tasks = 10,
                                       .maps_done = 1,
                                       .reduce_tasks = 2,
                                       .bytes_total = 1000};
    struct mr_wire_progress progress = {.jobs = &job, .jobs_count = 1, .nodes = 3};
    struct mr_follow follow;
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    mr_follow_init(&follow, fd);
    mr_follow_show(&follow, &progress);
    job.seconds_us = 100000; /* too early for another line */
    job.maps_done = 2;
    mr_follow_show(&follow, &progress);
    progress.news = "map-3 is done again: node mapper-2\x1b is lost";
    mr_follow_show(&follow, &progress);
    progress.news = NULL;
    job.why = "no mapper is there";
    mr_follow_show(&follow, &progress);
    mr_follow_show(&follow, &progress); /* said once */
    job.why = NULL;
    job.seconds_us = 5000000;
    job.maps_done = 9;
    mr_follow_show(&follow, &progress);
    mr_follow_clear(&follow);
    cr_assert_gt(pread(fd, text, sizeof text - 1, 0), 0);
    cr_assert_str_eq(text, "running: map 1/10, reduce 0/2, 0 MB/s, 3 nodes\n"
                           "map-3 is done again: node mapper-2  is lost\n"
                           "no mapper is there\n"
                           "running: map 9/10, reduce 0/2, 0 MB/s, 3 nodes\n");
    close(fd);
    unlink(path);
}
