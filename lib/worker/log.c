/* log: what an attempt writes to standard output and error: its end in memory, and a file of it. */
#include "lib/worker/log.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES 4096
#define READS_MAX 16 /* who floods it waits, we don't */

void mr_log_begin(struct mr_log *log, const char *path) {
    log->path = path;
    log->has_no_file = false;
    log->bytes = 0;
    log->tail_len = 0;
}

/* A log that can't be kept is no reason to fail. */
static void make_file(struct mr_log *log) {
    if (log->path && log->file_fd < 0 && !log->has_no_file) {
        log->file_fd = open(log->path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        log->has_no_file = log->file_fd < 0;
    }
}

void mr_log_end(struct mr_log *log, bool has_failed) {
    if (log->pipe_fd >= 0) {
        mr_log_take(log);
    }
    if (has_failed) {
        make_file(log);
    }
    if (log->file_fd >= 0 && log->bytes > MR_LOG_FILE_MAX) {
        (void)!dprintf(log->file_fd, "\n[%" PRIu64 " bytes in all: the rest was dropped]\n",
                       log->bytes);
    }
    if (log->file_fd >= 0) {
        (void)close(log->file_fd);
        log->file_fd = -1;
    }
    log->path = NULL;
}

void mr_log_close(struct mr_log *log) {
    mr_log_end(log, false);
    if (log->pipe_fd >= 0) {
        (void)close(log->pipe_fd); /* only read from */
        log->pipe_fd = -1;
    }
}

/* Keeps the end of what was written. */
static void keep_tail(struct mr_log *log, const char *text, size_t len) {
    if (len > MR_LOG_TAIL) {
        text += len - MR_LOG_TAIL;
        len = MR_LOG_TAIL;
    }
    if (log->tail_len + len > sizeof log->tail) {
        size_t kept = MR_LOG_TAIL;
        memmove(log->tail, log->tail + log->tail_len - kept, kept);
        log->tail_len = kept;
    }
    memcpy(log->tail + log->tail_len, text, len);
    log->tail_len += len;
}

static void keep_file(struct mr_log *log, const char *text, size_t len) {
    struct mr_error ignored = {0};
    make_file(log);
    if (log->file_fd >= 0) { /* a full disk: it is shorter */
        (void)!mr_file_write(log->file_fd, text, len, "a log", &ignored);
    }
}

static void keep(struct mr_log *log, const char *text, size_t len) {
    struct mr_error ignored = {0};
    bool has_room = log->bytes < MR_LOG_FILE_MAX;
    log->bytes += (uint64_t)len;
    keep_tail(log, text, len);
    if (has_room) {
        keep_file(log, text, len);
    }
    if (has_room && log->echoes) {
        (void)!mr_file_write(STDERR_FILENO, text, len, "standard error", &ignored);
    }
}

void mr_log_take(struct mr_log *log) {
    char text[READ_BYTES];
    ssize_t got = sizeof text;
    for (unsigned i = 0; i < READS_MAX && got == (ssize_t)sizeof text; i++) {
        got = read(log->pipe_fd, text, sizeof text);
        if (got > 0) {
            keep(log, text, (size_t)got);
        }
    }
    if (got == 0) {
        (void)close(log->pipe_fd);
        log->pipe_fd = -1;
    }
}

void mr_log_add(const struct mr_log *log, struct mr_error *err) {
    char line[MR_LOG_TAIL + 1];
    size_t end = log->tail_len;
    while (end > 0 && log->tail[end - 1] == '\n') {
        end--;
    }
    size_t begin = end;
    while (begin > 0 && log->tail[begin - 1] != '\n' && end - begin < 300) {
        begin--;
    }
    if (begin == end) {
        return;
    }
    memcpy(line, log->tail + begin, end - begin);
    line[end - begin] = '\0';
    mr_error_add(err, "; its log (%" PRIu64 " bytes) ends: %s", log->bytes, line);
}
