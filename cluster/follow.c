/* follow: shows how a job goes on: two bars on a terminal, lines elsewhere.
 *
 *     map 12/40     ████████▌                 31 %  812 MB/s  3 s left
 *     reduce 0/8                               0 %, 3 nodes
 *
 * What is done again, and why, and what a job waits for, is a line of its own above the bars. */
#include "cluster/follow.h"

#include "lib/term/progress.h"
#include "lib/term/terminal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REDRAW_SECONDS 0.1
#define LINE_SECONDS 2.0 /* between two lines where nothing is drawn in place */
#define SMOOTH_SECONDS 3.0

void mr_follow_init(struct mr_follow *follow, int fd) {
    *follow = (struct mr_follow){.fd = fd,
                                 .draws = mr_terminal_is_rich(fd),
                                 .utf8 = mr_terminal_is_utf8(),
                                 .color = mr_terminal_has_color(fd),
                                 .drawn_seconds = -LINE_SECONDS};
}

static void put(const struct mr_follow *follow, const char *text) {
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t done = write(follow->fd, text, len);
        if (done <= 0) {
            return; /* a terminal that went away is nobody's error */
        }
        text += done;
        len -= (size_t)done;
    }
}

void mr_follow_clear(struct mr_follow *follow) {
    for (; follow->lines > 0; follow->lines--) {
        put(follow, follow->lines > 1 ? "\r\033[2K\033[1A" : "\r\033[2K");
    }
}

/* Text of the cluster's, without what could move the cursor. */
static void put_clean(const struct mr_follow *follow, const char *text) {
    char line[MR_WIRE_TEXT_MAX + 2];
    snprintf(line, sizeof line - 1, "%s", text);
    for (char *at = line; *at; at++) {
        *at = (unsigned char)*at < ' ' || *at == 0x7f ? ' ' : *at;
    }
    size_t len = strlen(line);
    line[len] = '\n';
    line[len + 1] = '\0';
    put(follow, line);
}

static void say(struct mr_follow *follow, const char *text) {
    mr_follow_clear(follow);
    put_clean(follow, text);
}

/* Says what a job waits for, once. */
static void say_why(struct mr_follow *follow, const struct mr_wire_row_job_line *job) {
    const char *why = job->why ? job->why : "";
    if (strcmp(why, follow->said) != 0) {
        snprintf(follow->said, sizeof follow->said, "%s", why);
        if (*why) {
            say(follow, why);
        }
    }
}

static void sample(struct mr_follow *follow, const struct mr_wire_row_job_line *job) {
    double now = (double)job->seconds_us / 1e6;
    double passed = now - follow->sampled_seconds;
    if (job->round != follow->round || job->bytes_done < follow->sampled_bytes) {
        follow->rate = 0;
        follow->round = job->round;
    } else if (passed < REDRAW_SECONDS / 2) {
        return;
    } else {
        double rate = (double)(job->bytes_done - follow->sampled_bytes) / passed;
        double weight = follow->rate > 0 ? passed / (passed + SMOOTH_SECONDS) : 1;
        follow->rate += (rate - follow->rate) * weight;
    }
    follow->sampled_seconds = now;
    follow->sampled_bytes = job->bytes_done;
}

/* Which pass and round, where there are several. */
static void name_place(const struct mr_wire_row_job_line *job, char *out, size_t size) {
    size_t len = 0;
    out[0] = '\0';
    if (job->pass) {
        len = (size_t)snprintf(out, size, "pass %" PRIu64 " ", job->pass);
    }
    if (job->rounds > 1 && len < size) {
        snprintf(out + len, size - len, "round %" PRIu64 "/%" PRIu64 " ", job->round + 1,
                 job->rounds);
    }
}

static void draw(struct mr_follow *follow, const struct mr_wire_progress *progress) {
    const struct mr_wire_row_job_line *job = progress->jobs;
    char place[48];
    char maps[MR_PROGRESS_LABEL_MAX + 64];
    char reduces[MR_PROGRESS_LABEL_MAX + 64];
    char text[2][MR_PROGRESS_LINE_MAX];
    char both[2 * MR_PROGRESS_LINE_MAX + 16];
    bool has_bytes = job->round == 0 && job->bytes_total > 0;
    name_place(job, place, sizeof place);
    snprintf(maps, sizeof maps, "%smap %" PRIu64 "/%" PRIu64, place, job->maps_done,
             job->map_tasks);
    snprintf(reduces, sizeof reduces, "reduce %" PRIu64 "/%" PRIu64 " on %" PRIu64 " node%s",
             job->reduces_done, job->reduce_tasks, progress->nodes,
             progress->nodes == 1 ? "" : "s");
    struct mr_progress_line line = {.label = maps,
                                    .done = has_bytes ? job->bytes_done : job->maps_done,
                                    .total = has_bytes ? job->bytes_total : job->map_tasks,
                                    .rate = has_bytes ? follow->rate : 0,
                                    .columns = mr_terminal_columns(follow->fd),
                                    .utf8 = follow->utf8,
                                    .color = follow->color};
    (void)mr_progress_format(&line, text[0]);
    line.label = reduces;
    line.done = job->reduces_done;
    line.total = job->reduce_tasks;
    line.rate = 0;
    (void)mr_progress_format(&line, text[1]);
    mr_follow_clear(follow);
    snprintf(both, sizeof both, "%s\n%s", text[0], text[1]);
    put(follow, both);
    follow->lines = 2;
}

static void print_line(struct mr_follow *follow, const struct mr_wire_progress *progress) {
    const struct mr_wire_row_job_line *job = progress->jobs;
    char place[48];
    char line[512];
    name_place(job, place, sizeof place);
    snprintf(line, sizeof line,
             "%s: %smap %" PRIu64 "/%" PRIu64 ", reduce %" PRIu64 "/%" PRIu64
             ", %.0f MB/s, %" PRIu64 " node%s",
             job->state ? job->state : "?", place, job->maps_done, job->map_tasks,
             job->reduces_done, job->reduce_tasks, follow->rate / 1e6, progress->nodes,
             progress->nodes == 1 ? "" : "s");
    put_clean(follow, line);
}

void mr_follow_show(struct mr_follow *follow, const struct mr_wire_progress *progress) {
    const struct mr_wire_row_job_line *job = progress->jobs;
    double now = (double)job->seconds_us / 1e6;
    sample(follow, job);
    if (progress->news) {
        say(follow, progress->news);
    }
    say_why(follow, job);
    double pause = follow->draws ? REDRAW_SECONDS : LINE_SECONDS;
    bool is_early = now >= follow->drawn_seconds && now < follow->drawn_seconds + pause;
    if (is_early && (!follow->draws || follow->lines > 0)) {
        return;
    }
    follow->drawn_seconds = now;
    if (follow->draws) {
        draw(follow, progress);
    } else {
        print_line(follow, progress);
    }
}
