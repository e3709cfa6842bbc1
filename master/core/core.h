/* core: decides what runs where. A pure state machine: no clock, no files, no threads.
 *
 * A shell feeds it events and performs the effects it answers with; the embedded engine
 * (master/local) is the first such shell. The state after an event depends on the state before it
 * and the event alone, so that replaying the events rebuilds the state. It sees tasks, never
 * records.
 *
 * One job at a time so far. A job is a list of rounds; a round is a map phase of `map_tasks` tasks
 * and then a reduce phase of `reduce_tasks`. A task has attempts; the first one that is done wins,
 * later ones are discarded. The number of map tasks of a round after the first is known when the
 * round before it is done. */
#ifndef MR_CORE_CORE_H
#define MR_CORE_CORE_H

#include <mr/job.h>
#include <mr/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mr_core; /* opaque */

/* Identifies one try at one task; an event that names another attempt than the running one is
 * refused. */
struct mr_core_attempt {
    uint32_t round;
    enum mr_phase phase;
    uint32_t task;
    uint32_t attempt; /* from 1 */
};

enum mr_core_event_kind {
    MR_CORE_SUBMIT, /* rounds, max_attempts; then a ROUND_OPEN for round 0 follows from the shell */
    MR_CORE_ROUND_OPEN,     /* map_tasks, reduce_tasks: the shell knows the current round's shape */
    MR_CORE_NODE_UP,        /* slots: the node (one so far) offers this many; in any state, once */
    MR_CORE_ATTEMPT_DONE,   /* attempt */
    MR_CORE_ATTEMPT_FAILED, /* attempt, status (negative), fatal: whether another attempt can't help
                             */
    MR_CORE_PUBLISHED,      /* the output is in place */
    MR_CORE_PUBLISH_FAILED, /* status */
    MR_CORE_CANCEL,         /* status: why; too late from PUBLISH on, and then without effect */
};

struct mr_core_event {
    enum mr_core_event_kind kind;
    struct mr_core_attempt attempt;
    uint32_t rounds;
    uint32_t max_attempts;
    uint32_t map_tasks;
    uint32_t reduce_tasks;
    uint32_t slots;
    int status;
    bool fatal;
};

enum mr_core_effect_kind {
    MR_CORE_START,     /* attempt, on slot */
    MR_CORE_STOP,      /* attempt, on slot: no longer wanted; its DONE or FAILED is still awaited */
    MR_CORE_MAPS_DONE, /* every map task of the round has its winner: seal what the slots still hold
                        */
    MR_CORE_ROUND_DONE, /* every reduce task has its winner: open the next round, if any */
    MR_CORE_PUBLISH,    /* make the output appear */
    MR_CORE_FINISHED,   /* the job ended with this status (0: done); nothing follows */
};

struct mr_core_effect {
    enum mr_core_effect_kind kind;
    struct mr_core_attempt attempt;
    uint32_t slot;
    uint32_t round;
    int status;
};

/* A task that used up max_attempts ends the job with the status of its first failure, a fatal
 * failure with its own. Then, as after CANCEL, every running attempt is stopped, and FINISHED comes
 * when the last has ended, either way. */

/* Effects of one event, in order; owned by the core and valid until the next apply. */
struct mr_core_effects {
    const struct mr_core_effect *items;
    size_t count;
};

MR_MUST_USE int mr_core_create(struct mr_core **core, struct mr_error *err);
void mr_core_destroy(struct mr_core *core);

/* Applies one event. An event that does not fit the state (a stale attempt, a second submit)
 * changes nothing and returns MR_ERR_INTERNAL with its reason; MR_ERR_NOMEM changes nothing either.
 */
MR_MUST_USE int mr_core_apply(struct mr_core *core, const struct mr_core_event *event,
                              struct mr_core_effects *effects, struct mr_error *err);

/* The attempt that won a task of the last applied round's phase; 0 where none has. */
uint32_t mr_core_winner(const struct mr_core *core, enum mr_phase phase, uint32_t task);

#endif
