/* commit: the output's file system: attempts' directories, and the publisher's steps. */
#ifndef MR_SIM_COMMIT_H
#define MR_SIM_COMMIT_H

#include "tests/sim/sim.h"

/* A part as an attempt wrote it. */
struct commit_file {
    struct mr_core_attempt attempt;
    uint64_t content;
    const uint64_t *read; /* the map outputs it was made of */
    uint32_t count;
    bool is_there;
    struct commit_file *next;
};

void commit_begin(struct sim *sim);

/* What a reduce attempt does: writes its part in a directory of its own. `read` lives on. */
void commit_write(struct sim *sim, const struct mr_core_attempt *attempt, uint64_t content,
                  const uint64_t *read, uint32_t count);
const struct commit_file *commit_find(const struct sim *sim, const struct mr_core_attempt *attempt);
/* Removes an attempt's directory. What was moved into the output already stays there. */
void commit_remove(struct sim *sim, const struct mr_core_attempt *attempt);

/* What the round before this one made. */
uint64_t commit_side(const struct sim *sim, uint32_t job, uint32_t round);
bool commit_is_visible(const struct sim *sim, uint32_t job);

/* The shell's answers to ROUND_DONE and PUBLISH: something that goes on step by step, and must not
 * mind being asked for twice, or dying between two steps. */
void commit_ask_close(struct sim *sim, uint32_t job, uint32_t round);
void commit_ask_publish(struct sim *sim, uint32_t job);
void commit_close(struct sim *sim, const struct sim_item *item);
void commit_publish_step(struct sim *sim, const struct sim_item *item);

/* A fault: the winner's part of a task is gone, or other bytes. */
void commit_harm(struct sim *sim, uint32_t job, uint32_t task, bool is_damaged);

#endif
