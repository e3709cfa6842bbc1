/* fleet_tasks: the tasks of a fleet's round: what they read, who won, what failed, and why. */
#ifndef MR_LOCAL_FLEET_TASKS_H
#define MR_LOCAL_FLEET_TASKS_H

#include "lib/worker/hand.h"
#include "master/core/core.h"
#include "master/local/aside.h"
#include "master/local/books.h"
#include "master/local/stage.h"

/* What is known of a map task's records that its code does not get over: where it failed last, how
 * often in a row, and what is set aside. */
struct mr_fleet_care {
    uint64_t block; /* to be mapped one record at a time; UINT64_MAX: none */
    uint64_t last;
    unsigned times;
    uint64_t *skips;
    size_t skip_count;
};

/* The tasks of one round. Behind the fleet's lock; orders are made without it, from what does not
 * change while they run. */
struct mr_fleet_tasks {
    const struct mr_stage_source *source;
    uint32_t round;
    uint32_t maps;
    uint32_t partitions;
    bool is_last;
    uint32_t *pair_winners;      /* of the round before; NULL in the first */
    uint32_t *map_winners;       /* 0: none yet */
    uint32_t *reduce_winners;    /* likewise */
    struct mr_fleet_care *cares; /* of the first round's map tasks; else NULL */
    uint32_t skips;              /* in all tasks */
    uint64_t bytes_mapped;
    uint32_t reduces_done;
    struct mr_aside aside;
};

/* Opens a round; what the one before left becomes its input. Records that were set aside stay. */
MR_MUST_USE int mr_fleet_tasks_open(struct mr_fleet_tasks *tasks,
                                    const struct mr_stage_source *source, uint32_t round,
                                    struct mr_error *err);
void mr_fleet_tasks_close(struct mr_fleet_tasks *tasks);

/* What a process is to do for an attempt. It views the tasks. */
void mr_fleet_tasks_order(const struct mr_fleet_tasks *tasks, const struct mr_core_attempt *attempt,
                          struct mr_orders_task *order);

/* An attempt has won: notes it, and adds its account to the books. */
MR_MUST_USE int mr_fleet_tasks_accept(struct mr_fleet_tasks *tasks,
                                      const struct mr_core_attempt *attempt,
                                      struct mr_hand_outcome *outcome, struct mr_books *books,
                                      struct mr_error *err);

/* An attempt has failed: what that means for the next ones. May set outcome->is_fatal. True: it
 * does not count. */
bool mr_fleet_tasks_judge(struct mr_fleet_tasks *tasks, const struct mr_core_attempt *attempt,
                          struct mr_hand_outcome *outcome);

/* Attempts that wait for a slot: never more than there are slots. Zero-initialise. */
struct mr_fleet_queue {
    struct mr_fleet_waiting *items;
    size_t begin;
    size_t end;
    size_t capacity;
};
MR_MUST_USE int mr_fleet_tasks_reserve(struct mr_fleet_queue *queue, size_t slots,
                                       struct mr_error *err);
/* Can't fail: the core counts on it that what it starts is run. */
void mr_fleet_tasks_push(struct mr_fleet_queue *queue, const struct mr_core_attempt *attempt);
/* False: none waits. *is_wanted: it was not stopped meanwhile. */
bool mr_fleet_tasks_pop(struct mr_fleet_queue *queue, struct mr_core_attempt *attempt,
                        bool *is_wanted);
void mr_fleet_tasks_unwant(struct mr_fleet_queue *queue, const struct mr_core_attempt *attempt);

bool mr_fleet_tasks_same(const struct mr_core_attempt *a, const struct mr_core_attempt *b);

/* Why attempts failed: what there is memory for. Zero-initialise. */
struct mr_fleet_failures {
    struct mr_fleet_failure *first;
};
void mr_fleet_tasks_note(struct mr_fleet_failures *failures, const struct mr_core_attempt *attempt,
                         const struct mr_error *err);
/* Why this one did; NULL: not known. */
const struct mr_error *mr_fleet_tasks_blame(const struct mr_fleet_failures *failures,
                                            const struct mr_core_attempt *attempt);
/* How many attempts at its task did. */
size_t mr_fleet_tasks_count(const struct mr_fleet_failures *failures,
                            const struct mr_core_attempt *attempt);

/* Frees both. */
void mr_fleet_tasks_forget(struct mr_fleet_failures *failures, struct mr_fleet_queue *queue);

#endif
