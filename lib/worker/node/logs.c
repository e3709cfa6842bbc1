/* logs: what attempts on this worker wrote to standard output and error, for whoever asks. */
#include "lib/worker/node/logs.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/output/tree.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_BYTES_MAX ((size_t)2 << 20) /* more than is ever kept */
#define ANY UINT32_MAX

/* The attempt whose log is wanted, and the latest that was found to fit. */
struct search {
    unsigned phase;
    unsigned round; /* ANY: the last that there is */
    unsigned task;
    unsigned attempt; /* 0: the last */
    unsigned found_round;
    unsigned found_attempt; /* 0: none */
};

static int visit(void *arg, const char *name, struct mr_error *err) {
    struct search *search = arg;
    unsigned phase;
    unsigned round;
    unsigned task;
    unsigned attempt;
    (void)err;
    bool is_it = sscanf(name, "log-%u-%u-%u-%u", &phase, &round, &task, &attempt) == 4 &&
                 phase == search->phase && task == search->task &&
                 (search->round == ANY || round == search->round) &&
                 (search->attempt == 0 || attempt == search->attempt);
    bool is_later = round > search->found_round ||
                    (round == search->found_round && attempt > search->found_attempt);
    if (is_it && (search->found_attempt == 0 || is_later)) {
        search->found_round = round;
        search->found_attempt = attempt;
    }
    return 0;
}

static struct mr_dossier *find_job(const struct mr_docket *docket, const char *text) {
    char *end = NULL;
    if (!text || !*text) {
        return NULL;
    }
    struct mr_dossier *job = mr_docket_find_id(docket, text);
    unsigned long number = strtoul(text, &end, 10);
    return job || *end || number > UINT32_MAX ? job : mr_docket_find(docket, (uint32_t)number);
}

static void find(const struct mr_dossier *job, struct search *search) {
    struct mr_error ignored = {0};
    int fd = open(job->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) {
        (void)!mr_tree_each(fd, visit, search, &ignored);
        (void)close(fd); /* only read from */
    }
}

/* Reads what is kept; how many bytes. */
static size_t read_log(const struct mr_dossier *job, const struct search *search, char *bytes) {
    char path[MR_DOSSIER_DIR_MAX + 80];
    struct mr_error ignored = {0};
    size_t got = 0;
    snprintf(path, sizeof path, "%s/log-%u-%u-%u-%u", job->dir, search->phase, search->found_round,
             search->task, search->found_attempt);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
        (void)!mr_file_read(fd, 0, bytes, LOG_BYTES_MAX, path, &got, &ignored);
        (void)close(fd); /* only read from */
    }
    return got;
}

void mr_logs_answer(const struct mr_docket *docket, struct mr_link *link, const char *node,
                    const struct mr_wire_ask_log *message) {
    const struct mr_dossier *job = find_job(docket, message->job);
    struct search search = {.phase = (unsigned)message->phase,
                            .round = (unsigned)message->round,
                            .task = (unsigned)message->task,
                            .attempt = (unsigned)message->attempt};
    char *bytes = malloc(LOG_BYTES_MAX);
    size_t len = 0;
    size_t at = 0;
    if (job) {
        find(job, &search);
        len = bytes && search.found_attempt ? read_log(job, &search, bytes) : 0;
    }
    do {
        size_t piece = len - at < MR_WIRE_PIECE_MAX ? len - at : MR_WIRE_PIECE_MAX;
        struct mr_wire_log log = {.job = job ? job->number : 0,
                                  .round = search.found_attempt ? search.found_round : search.round,
                                  .phase = search.phase < 3 ? search.phase : 0,
                                  .task = search.task,
                                  .attempt =
                                      search.found_attempt ? search.found_attempt : search.attempt,
                                  .node = node,
                                  .total = len,
                                  .bytes = {bytes ? bytes + at : NULL, piece},
                                  .follows = at + piece < len};
        if (!mr_link_send(link, MR_WIRE_LOG, &log)) {
            break;
        }
        at += piece;
    } while (at < len);
    free(bytes);
}
