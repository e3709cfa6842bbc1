/* inside: what the rooms of the master share. */
#include "master/shell/inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

void mr_inside_fail(struct mr_master *master, const struct mr_error *err) {
    if (!master->is_closing) {
        master->why = *err;
        master->close(master);
    }
}

void mr_inside_closed(struct mr_master *master) {
    if (master->is_closing && master->open_handles == 0 && !master->listener &&
        !master->sessions.first) {
        master->destroy(master);
    }
}

void mr_inside_log(const char *format, ...) {
    char line[MR_ERROR_TEXT_MAX + 64];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *at = line; *at; at++) { /* peers' words: no line of the log is theirs to make */
        *at = (unsigned char)*at < ' ' || *at == 0x7f ? '?' : *at;
    }
    fprintf(stderr, "millrace master: %s\n", line);
}

bool mr_inside_check(struct mr_master *master, const struct mr_error *err) {
    if (err->code) {
        mr_inside_fail(master, err);
    }
    return !err->code;
}

bool mr_inside_apply(struct mr_master *master, const struct mr_core_event *event, bool *accepted) {
    struct mr_error err = {0};
    if (mr_pen_apply(&master->pen, event, accepted, &err) == MR_ERR_INTERNAL) {
        mr_inside_log("%s", err.text);
    }
    return !err.code;
}

void mr_inside_withdraw(struct mr_master *master, struct mr_jobs_row *job) {
    job->publishes = false;
    for (struct mr_session *at = master->sessions.first; at; at = at->after) {
        at->has_parts = at->has_parts && at->collects != job->number;
    }
}

uint64_t mr_inside_wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
