/* test_progress: the line's text for every width, and what reaches the descriptor it is drawn on.
 */
#include "lib/term/progress.h"

#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct mr_progress_line half = {
    .label = "count map", .done = 500000000, .total = 1000000000, .rate = 250e6, .columns = 60};

static unsigned columns_of(const char *text) {
    unsigned columns = 0;
    for (; *text; text++) {
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return columns;
}

Test(progress, a_plain_line) {
    char text[MR_PROGRESS_LINE_MAX];
    unsigned columns = mr_progress_format(&half, text);
    cr_assert_str_eq(text, "count map  #########----------   50 %  250 MB/s  2.0 s left");
    cr_assert_eq(columns, (unsigned)strlen(text));
}

Test(progress, a_bar_of_eighths) {
    struct mr_progress_line line = half;
    line.utf8 = true;
    line.done = 520000000;
    char text[MR_PROGRESS_LINE_MAX];
    unsigned columns = mr_progress_format(&line, text);
    cr_assert_not_null(strstr(text, "  █████████▉         "), "%s", text);
    cr_assert_eq(columns, columns_of(text));
}

Test(progress, colour_takes_no_columns) {
    struct mr_progress_line line = half;
    char plain[MR_PROGRESS_LINE_MAX];
    char text[MR_PROGRESS_LINE_MAX];
    unsigned columns = mr_progress_format(&line, plain);
    cr_assert_null(strchr(plain, '\033'));
    line.color = true;
    cr_assert_eq(mr_progress_format(&line, text), columns);
    cr_assert_not_null(strstr(text, "\033[36m"));
    cr_assert_not_null(strstr(text, "\033[0m"));
}

Test(progress, never_wider_than_the_terminal) {
    for (unsigned columns = 0; columns < 400; columns++) {
        for (unsigned kind = 0; kind < 4; kind++) {
            struct mr_progress_line line = half;
            line.columns = columns;
            line.utf8 = kind & 1;
            line.total = kind & 2 ? 0 : line.total;
            char text[MR_PROGRESS_LINE_MAX];
            unsigned width = mr_progress_format(&line, text);
            cr_assert_eq(width, columns_of(text), "columns %u: %s", columns, text);
            cr_assert(width < columns || width == 0, "columns %u: %s", columns, text);
        }
    }
}

Test(progress, narrow_lines_keep_what_matters) {
    struct mr_progress_line line = half;
    char text[MR_PROGRESS_LINE_MAX];
    line.columns = 30;
    mr_progress_format(&line, text);
    cr_assert_str_eq(text, "count map   50 %  250 MB/s");
    line.columns = 9;
    mr_progress_format(&line, text);
    cr_assert_str_eq(text, "   50 %");
}

Test(progress, an_unknown_total) {
    struct mr_progress_line line = half;
    char text[MR_PROGRESS_LINE_MAX];
    line.total = 0;
    mr_progress_format(&line, text);
    cr_assert_str_eq(text, "count map  500 MB  250 MB/s");
}

Test(progress, more_done_than_there_was) {
    struct mr_progress_line line = half;
    char text[MR_PROGRESS_LINE_MAX];
    line.done = 3 * line.total;
    mr_progress_format(&line, text);
    cr_assert_not_null(strstr(text, "100 %"));
    cr_assert_null(strstr(text, "left"));
}

Test(progress, control_characters_stay_out) {
    struct mr_progress_line line = half;
    char text[MR_PROGRESS_LINE_MAX];
    line.label = "a\033[2Jb\n";
    mr_progress_format(&line, text);
    cr_assert_eq(strncmp(text, "a?[2Jb?", 7), 0, "%s", text);
}

/* A progress line drawn into a file, as on a plain terminal of 60 columns. */
struct drawing {
    struct mr_progress progress;
    char text[4096];
};

static void begin(struct drawing *drawing) {
    setenv("COLUMNS", "60", 1);
    setenv("LC_ALL", "C", 1);
    char path[] = "/tmp/millrace-progress-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    unlink(path);
    mr_progress_init(&drawing->progress, fd);
}

static void show(struct drawing *drawing, const char *label, uint64_t done, double seconds) {
    struct mr_progress_view view = {
        .label = label, .done = done, .total = 1000000000, .seconds = seconds};
    mr_progress_show(&drawing->progress, &view);
}

/* What was written since the last call. */
static const char *drawn(struct drawing *drawing) {
    int fd = drawing->progress.fd;
    off_t end = lseek(fd, 0, SEEK_CUR);
    cr_assert_lt((size_t)end, sizeof drawing->text);
    ssize_t got = pread(fd, drawing->text, sizeof drawing->text - 1, 0);
    cr_assert_eq(got, end);
    drawing->text[got] = '\0';
    cr_assert_eq(ftruncate(fd, 0), 0);
    lseek(fd, 0, SEEK_SET);
    return drawing->text;
}

Test(progress, short_work_draws_nothing) {
    struct drawing drawing;
    begin(&drawing);
    show(&drawing, "map", 0, 0);
    show(&drawing, "map", 900, 0.19);
    mr_progress_clear(&drawing.progress);
    cr_assert_str_eq(drawn(&drawing), "");
    close(drawing.progress.fd);
}

Test(progress, at_most_ten_lines_a_second) {
    struct drawing drawing;
    begin(&drawing);
    for (unsigned i = 0; i <= 1000; i++) {
        show(&drawing, "map", i * 1000000, i / 1000.0);
    }
    unsigned lines = 0;
    for (const char *at = drawn(&drawing); *at; at++) {
        lines += *at == '\r';
    }
    cr_assert(lines >= 7 && lines <= 9, "%u lines from 0.2 s to 1 s", lines);
    close(drawing.progress.fd);
}

Test(progress, the_rate_and_the_time_left) {
    struct drawing drawing;
    begin(&drawing);
    for (unsigned i = 0; i <= 40; i++) {
        show(&drawing, "map", i * 10000000, i * 0.1);
    }
    const char *text = drawn(&drawing);
    const char *last = strrchr(text, '\r');
    cr_assert_not_null(strstr(last, "40 %  100 MB/s  6.0 s left"), "%s", last);
    show(&drawing, "reduce", 0,
         4.2); /* a new label begins without a rate, and hides the longer line */
    last = drawn(&drawing);
    cr_assert_null(strstr(last, "MB/s"));
    cr_assert_not_null(strstr(last, "0 %   "), "%s", last);
    close(drawing.progress.fd);
}

Test(progress, clearing_leaves_an_empty_line) {
    struct drawing drawing;
    begin(&drawing);
    show(&drawing, "map", 0, 1);
    unsigned columns = columns_of(drawn(&drawing)) - 1; /* without the '\r' */
    mr_progress_clear(&drawing.progress);
    const char *text = drawn(&drawing);
    cr_assert_eq(strlen(text), (size_t)columns + 2);
    cr_assert_eq(strspn(text + 1, " "), (size_t)columns);
    mr_progress_clear(&drawing.progress);
    cr_assert_str_eq(drawn(&drawing), "");
    close(drawing.progress.fd);
}
