/* core: decides what runs where. A pure state machine: no clock, no files, no threads.
 *
 * A shell feeds it events and performs the effects it answers with. Three shells stand on it: the
 * embedded engine (master/local), the simulator (tests/sim), and later the network daemon. It sees
 * jobs, rounds, tasks, attempts and nodes, never records.
 *
 * A job runs rounds one after the other; how many need not be known. A round is a map phase and a
 * reduce phase; a task has attempts, of which one wins. A map task's winner leaves its output on
 * its node, from where reduce tasks read it; a reduce task's winner is a committed part.
 *
 * The durable state after an event is a function of the state before it and the event alone:
 * replaying the durable events rebuilds it, whatever the time was. What the time decides (a lease
 * that ended, a slow task) comes out of a volatile event as the effect PROPOSE: a durable event
 * that the shell journals and applies like others. */
#ifndef MR_CORE_CORE_H
#define MR_CORE_CORE_H

#include "master/core/terms.h"

struct mr_core; /* opaque */

MR_MUST_USE int mr_core_create(const struct mr_core_options *options, struct mr_core **core,
                               struct mr_error *err);
void mr_core_destroy(struct mr_core *core);
/* Other options (NULL: the defaults), which touch nothing durable. */
void mr_core_configure(struct mr_core *core, const struct mr_core_options *options);

/* Applies one event. Whatever comes from a worker has an answer: a result of an attempt that is not
 * expected changes nothing and is answered (ANSWER, not accepted), as is a repeated one (with the
 * same answer); news that are stale change nothing. An event that no shell may send (a
 * round closed that is not done, a malformed field) changes nothing and returns MR_ERR_INTERNAL
 * with its reason; running out of memory (MR_ERR_NOMEM) changes nothing either. `now_ms` touches
 * volatile state alone. */
MR_MUST_USE int mr_core_apply(struct mr_core *core, const struct mr_core_event *event,
                              uint64_t now_ms, struct mr_core_effects *effects,
                              struct mr_error *err);

/* Lists again every effect that the state still waits for, in a fixed order, as if no effect had
 * ever been performed: START of each attempt that runs, STOP of each that shall end, ROUND_DONE and
 * PUBLISH of jobs that wait for them. A shell that lost effects (a crash after the journal's
 * commit) performs these. */
MR_MUST_USE int mr_core_outstanding(struct mr_core *core, struct mr_core_effects *effects,
                                    struct mr_error *err);

/* Saves the durable state as bytes (malloc'ed, the caller's), and makes a core of them, also of
 * hostile ones (MR_ERR_INPUT). Equal states give equal bytes. */
MR_MUST_USE int mr_core_save(const struct mr_core *core, char **bytes, size_t *len,
                             struct mr_error *err);
MR_MUST_USE int mr_core_load(const struct mr_core_options *options, const char *bytes, size_t len,
                             struct mr_core **core, struct mr_error *err);

/* XXH3-64 of what mr_core_save gives; 0 and an error where there is no memory for it. */
MR_MUST_USE int mr_core_hash(const struct mr_core *core, uint64_t *hash, struct mr_error *err);

/* ---- looking in; everything below changes nothing ------------------------------------------- */

struct mr_core_job_view {
    enum mr_core_job_state state;
    uint32_t round;
    uint32_t map_tasks;
    uint32_t maps_open; /* without a winner */
    uint32_t reduce_tasks;
    uint32_t reduces_open;
    uint32_t running; /* attempts, those that are being stopped included */
    uint32_t ready;   /* tasks that could start */
    int status;       /* of a job that is stopping or finished */
};
struct mr_core_job_view mr_core_job(const struct mr_core *core, uint32_t job);

struct mr_core_node_view {
    enum mr_core_node_state state;
    uint64_t incarnation;
    enum mr_core_role roles;
    uint32_t slots;
    uint32_t busy; /* slots that run an attempt */
    uint32_t held; /* winning map outputs of rounds not closed yet */
};
struct mr_core_node_view mr_core_node(const struct mr_core *core, uint32_t node);

/* The attempt that won a task of the job's current round, and the worker that made it; attempt 0:
 * none has. */
struct mr_core_winner {
    uint32_t attempt;
    struct mr_core_worker worker;
    uint64_t digest;
};
struct mr_core_winner mr_core_winner(const struct mr_core *core, uint32_t job, enum mr_phase phase,
                                     uint32_t task);

#endif
