/* progress: one line in a terminal that tells how far long work is, drawn again in place.
 *
 *     count map  ████████████▌             43 %  812 MB/s  3 s left
 *
 * The caller reports where the work is as often as it likes; the line is drawn at most ten times a
 * second, and not at all in the first fifth of a second, so that short work leaves no flicker. The
 * rate is smoothed over about three seconds, and the time left follows from it: both belong to one
 * label (a phase) and start over with the next. Drawing never fails: a terminal that went away is
 * nobody's error. */
#ifndef MR_TERM_PROGRESS_H
#define MR_TERM_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MR_PROGRESS_LABEL_MAX 64
#define MR_PROGRESS_LINE_MAX 1024

/* Where the work is. */
struct mr_progress_view {
    const char *label; /* cut at MR_PROGRESS_LABEL_MAX */
    uint64_t done;     /* bytes */
    uint64_t total;    /* 0: unknown */
    double seconds;    /* since the start of the work: the clock of all drawing */
};

/* What a line shows. */
struct mr_progress_line {
    const char *label;
    uint64_t done;
    uint64_t total;
    double rate;      /* bytes a second; 0: not known yet */
    unsigned columns; /* the terminal's width; the line leaves the last one free */
    bool utf8;
    bool color;
};

/* In the caller's storage; nothing to release. One thread. */
struct mr_progress {
    int fd;
    bool utf8;
    bool color;
    unsigned drawn_columns; /* of the line that stands there; 0: none */
    double drawn_seconds;
    char label[MR_PROGRESS_LABEL_MAX];
    double sample_seconds; /* when the rate was last brought up to date, and the bytes then */
    uint64_t sample_done;
    double rate;
};

/* Starts with no line drawn, on the terminal `fd` (see mr_terminal_is_rich). */
void mr_progress_init(struct mr_progress *progress, int fd);

/* Reports where the work is; draws where it is time to. */
void mr_progress_show(struct mr_progress *progress, const struct mr_progress_view *view);

/* Wipes the line, where one stands: before anything else is written, and at the end. */
void mr_progress_clear(struct mr_progress *progress);

/* Writes the text of a line into `out` (MR_PROGRESS_LINE_MAX bytes, terminated), without line end;
 * returns the columns it takes, which are fewer than `columns`. What does not fit is left out:
 * first the bar, then from the right. */
unsigned mr_progress_format(const struct mr_progress_line *line, char *out);

#endif
