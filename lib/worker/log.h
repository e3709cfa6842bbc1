/* log: what an attempt writes to standard output and error: its end in memory, and a file of it.
 *
 * Of one thread. The file is made with the first byte: an attempt that succeeds in silence leaves
 * none. */
#ifndef MR_WORKER_LOG_H
#define MR_WORKER_LOG_H

#include <mr/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MR_LOG_FILE_MAX ((uint64_t)1 << 20) /* bytes of an attempt that are kept in its file */
#define MR_LOG_TAIL 512                     /* bytes of its end that are kept in memory */

struct mr_log {
    int pipe_fd;      /* the end to read from, which does not block; -1: all was read */
    const char *path; /* borrowed; NULL: no file */
    int file_fd;      /* -1: not made */
    bool has_no_file; /* it could not be made */
    bool echoes;      /* to standard error too */
    uint64_t bytes;   /* of the attempt */
    char tail[2 * MR_LOG_TAIL];
    size_t tail_len;
};
#define MR_LOG_NONE ((struct mr_log){.pipe_fd = -1, .file_fd = -1})

/* An attempt begins: what it logs goes to a file of this name (NULL: none), which stays borrowed
 * until mr_log_end. */
void mr_log_begin(struct mr_log *log, const char *path);
/* The attempt is over: what it wrote is taken in, its file is whole; one that failed has a file, be
 * it empty. What could not be written is missing there. */
void mr_log_end(struct mr_log *log, bool has_failed);
/* Takes in what is there; the pipe is closed where nobody writes to it any more. */
void mr_log_take(struct mr_log *log);
/* Appends the last line to a sentence, where there is one. */
void mr_log_add(const struct mr_log *log, struct mr_error *err);
/* Closes what is open. */
void mr_log_close(struct mr_log *log);

#endif
