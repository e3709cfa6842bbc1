/* watch: waits for the end of a job, or for the parts of its output, and tells how it goes on. */
#ifndef MR_CLIENT_WATCH_H
#define MR_CLIENT_WATCH_H

#include "lib/client/client.h"

/* How a job ended. */
struct mr_watch_end {
    int status; /* 0, or the job's */
    char why[MR_WIRE_TEXT_MAX];
    char log[MR_WIRE_TEXT_MAX]; /* the last lines of the failed attempt's; empty: none */
    uint32_t job;
    char id[MR_WIRE_ID_MAX];
    char label[MR_WIRE_TEXT_MAX];
    double seconds;
    uint64_t records; /* of the input; of a job that is done, as are these: */
    uint64_t skipped; /* records set aside */
    uint64_t input_bytes;
    uint32_t failed;             /* attempts */
    struct mr_hash_128 manifest; /* a blob; 0, 0: none */
};

/* Set what is set here, zero the rest; release with mr_watch_fini. */
struct mr_watch {
    const char *job; /* a number, or what its id begins with */
    bool collects;   /* asks for the parts, whose coming ends the watch too */
    void (*progress)(void *arg, const struct mr_wire_progress *progress); /* may be NULL */
    /* As those of a call; may be NULL. */
    int (*interrupted)(struct mr_client *client, int signal_number, void *arg,
                       struct mr_error *err);
    int (*expired)(struct mr_client *client, void *arg, struct mr_error *err);
    void *arg;
    /* Asks instead of FOLLOW and COLLECT; may be NULL. */
    int (*begin)(struct mr_client *client, void *arg, struct mr_error *err);
    void *begin_arg;

    /* Filled in. */
    bool has_parts; /* they have come: it has not ended */
    struct mr_wire_row_part *parts;
    size_t part_count;
    struct mr_hash_128 manifest; /* blobs; 0, 0: none */
    struct mr_hash_128 aside;
    struct mr_hash_128 lines;
    char id[MR_WIRE_ID_MAX]; /* as far as known */
    struct mr_watch_end end;
};

/* Watches until the job has ended (well or not: 0, see `end`), or its parts are there. No such job:
 * the master's refusal. */
MR_MUST_USE int mr_watch_run(struct mr_watch *watch, struct mr_client *client,
                             struct mr_error *err);
void mr_watch_fini(struct mr_watch *watch);

#endif
