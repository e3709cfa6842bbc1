/* follow: shows how a job goes on: two bars on a terminal, lines elsewhere. */
#ifndef MR_CLUSTER_FOLLOW_H
#define MR_CLUSTER_FOLLOW_H

#include "lib/net/wire.h"

#include <stdbool.h>

/* In the caller's storage; begin with mr_follow_init, end with mr_follow_clear. */
struct mr_follow {
    int fd;
    bool draws; /* in place */
    bool utf8;
    bool color;
    unsigned lines; /* that stand there */
    double drawn_seconds;
    char said[MR_WIRE_TEXT_MAX]; /* the last of what is said once */
    double rate;                 /* bytes a second */
    double sampled_seconds;
    uint64_t sampled_bytes;
    uint64_t round; /* to which the rate belongs */
};

void mr_follow_init(struct mr_follow *follow, int fd);
void mr_follow_show(struct mr_follow *follow, const struct mr_wire_progress *progress);
/* Wipes what stands there: before anything else is written. */
void mr_follow_clear(struct mr_follow *follow);

#endif
