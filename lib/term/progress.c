/* progress: one line in a terminal that tells how far long work is, drawn again in place. */
#include "lib/term/progress.h"

#include "lib/term/terminal.h"
#include "lib/term/units.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FIRST_SECONDS 0.2  /* before the first line */
#define REDRAW_SECONDS 0.1 /* between two lines */
#define SMOOTH_SECONDS 3.0 /* the rate's memory */
#define BAR_COLUMNS_MIN 8
#define BAR_COLUMNS_MAX 40
#define COLUMNS_MAX 240 /* of a line: its UTF-8 and colours fit MR_PROGRESS_LINE_MAX */

void mr_progress_init(struct mr_progress *progress, int fd) {
    memset(progress, 0, sizeof *progress);
    progress->fd = fd;
    progress->utf8 = mr_terminal_is_utf8();
    progress->color = mr_terminal_has_color(fd);
}

static void write_text(const struct mr_progress *progress, const char *text, size_t len) {
    while (len > 0) {
        ssize_t done = write(progress->fd, text, len);
        if (done <= 0) {
            return;
        }
        text += done;
        len -= (size_t)done;
    }
}

static void sample(struct mr_progress *progress, const struct mr_progress_view *view) {
    char label[MR_PROGRESS_LABEL_MAX];
    snprintf(label, sizeof label, "%s", view->label);
    if (strcmp(label, progress->label) != 0 || view->done < progress->sample_done) {
        memcpy(progress->label, label, sizeof label);
        progress->rate = 0;
    } else {
        double passed = view->seconds - progress->sample_seconds;
        if (passed < REDRAW_SECONDS / 2) {
            return;
        }
        double now = (double)(view->done - progress->sample_done) / passed;
        double weight = progress->rate > 0 ? passed / (passed + SMOOTH_SECONDS) : 1;
        progress->rate += (now - progress->rate) * weight;
    }
    progress->sample_seconds = view->seconds;
    progress->sample_done = view->done;
}

void mr_progress_show(struct mr_progress *progress, const struct mr_progress_view *view) {
    sample(progress, view);
    bool early = progress->drawn_columns ? view->seconds < progress->drawn_seconds + REDRAW_SECONDS
                                         : view->seconds < FIRST_SECONDS;
    if (early) {
        return;
    }
    struct mr_progress_line line = {.label = progress->label,
                                    .done = view->done,
                                    .total = view->total,
                                    .rate = progress->rate,
                                    .columns = mr_terminal_columns(progress->fd),
                                    .utf8 = progress->utf8,
                                    .color = progress->color};
    char text[MR_PROGRESS_LINE_MAX + COLUMNS_MAX + 2];
    text[0] = '\r';
    unsigned columns = mr_progress_format(&line, text + 1);
    size_t len = strlen(text);
    unsigned stale = progress->drawn_columns < line.columns ? progress->drawn_columns : 0;
    for (unsigned i = columns; i < stale; i++) {
        text[len++] = ' ';
    }
    write_text(progress, text, len);
    progress->drawn_columns = columns;
    progress->drawn_seconds = view->seconds;
}

void mr_progress_clear(struct mr_progress *progress) {
    if (!progress->drawn_columns) {
        return;
    }
    char text[COLUMNS_MAX + 2];
    unsigned columns = mr_terminal_columns(progress->fd);
    columns = progress->drawn_columns < columns ? progress->drawn_columns : columns - 1;
    int len = snprintf(text, sizeof text, "\r%*s\r", (int)columns, "");
    write_text(progress, text, (size_t)len);
    progress->drawn_columns = 0;
}

/* A line's text as it grows, and the columns it takes. */
struct sink {
    char *out;
    size_t len;
    unsigned columns;
};

__attribute__((format(printf, 2, 3))) static void put(struct sink *sink, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int len = vsnprintf(sink->out + sink->len, MR_PROGRESS_LINE_MAX - sink->len, format, args);
    va_end(args);
    size_t room = MR_PROGRESS_LINE_MAX - 1 - sink->len;
    sink->len += len > 0 && (size_t)len < room ? (size_t)len : len > 0 ? room : 0;
}

/* Puts the text where it fits in full; control characters of a label never reach the terminal. */
static bool put_words(struct sink *sink, unsigned limit, const char *words) {
    unsigned columns = 0;
    for (const char *at = words; *at; at++) {
        columns += ((unsigned char)*at & 0xc0) != 0x80;
    }
    if (sink->columns + columns > limit) {
        return false;
    }
    for (const char *at = words; *at; at++) {
        put(sink, "%c", (unsigned char)*at < ' ' || *at == 0x7f ? '?' : *at);
    }
    sink->columns += columns;
    return true;
}

static void put_bar(struct sink *sink, const struct mr_progress_line *line, double part,
                    unsigned width) {
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    unsigned steps = (unsigned)(part * width * 8);
    unsigned full = steps / 8;
    unsigned rest = line->utf8 ? steps % 8 : 0;
    put(sink, "  %s", line->color ? "\033[36m" : "");
    for (unsigned i = 0; i < full; i++) {
        put(sink, "%s", line->utf8 ? "█" : "#");
    }
    put(sink, "%s%s", eighths[rest], line->color ? "\033[0m" : "");
    for (unsigned i = full + (rest > 0); i < width; i++) {
        put(sink, "%s", line->utf8 ? " " : "-");
    }
    sink->columns += 2 + width;
}

/* What stands behind the bar, each piece with its gap. */
struct tail {
    char share[MR_UNITS_TEXT_MAX + 8];
    char rate[MR_UNITS_TEXT_MAX + 8];
    char left[MR_UNITS_TEXT_MAX + 8];
};

static void format_tail(const struct mr_progress_line *line, double part, struct tail *tail) {
    char unit[MR_UNITS_TEXT_MAX];
    memset(tail, 0, sizeof *tail);
    if (line->total) {
        snprintf(tail->share, sizeof tail->share, "  %3u %%", (unsigned)(part * 100));
    } else {
        mr_units_bytes(unit, sizeof unit, line->done);
        snprintf(tail->share, sizeof tail->share, "  %s", unit);
    }
    if (line->rate > 0) {
        mr_units_rate(unit, sizeof unit, (uint64_t)line->rate, 1);
        snprintf(tail->rate, sizeof tail->rate, "  %s", unit);
    }
    if (line->rate > 0 && line->total > line->done) {
        mr_units_seconds(unit, sizeof unit, (double)(line->total - line->done) / line->rate);
        snprintf(tail->left, sizeof tail->left, "  %s left", unit);
    }
}

unsigned mr_progress_format(const struct mr_progress_line *line, char *out) {
    struct sink sink = {.out = out};
    unsigned limit = line->columns > 1 ? line->columns - 1 : 0;
    limit = limit < COLUMNS_MAX ? limit : COLUMNS_MAX;
    double part = line->total ? (double)line->done / (double)line->total : 0;
    part = part < 1 ? part : 1;

    struct tail tail;
    format_tail(line, part, &tail);
    out[0] = '\0';
    put_words(&sink, limit, line->label);
    size_t rest = strlen(tail.share) + strlen(tail.rate) + strlen(tail.left) + 2;
    if (line->total && sink.columns + rest + BAR_COLUMNS_MIN <= limit) {
        unsigned room = limit - sink.columns - (unsigned)rest;
        put_bar(&sink, line, part, room < BAR_COLUMNS_MAX ? room : BAR_COLUMNS_MAX);
    }
    if (put_words(&sink, limit, tail.share) && put_words(&sink, limit, tail.rate)) {
        put_words(&sink, limit, tail.left);
    }
    return sink.columns;
}
