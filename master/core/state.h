/* state: what the scheduler knows, and the small steps that every room of it takes.
 *
 * Private to master/core. Durable unless said otherwise: a field marked volatile (v) is not saved,
 * and nothing durable may depend on it.
 *
 * Lists are indices into arrays, ended by MR_CORE_NONE. All attempts are chained in the order in
 * which they started, which is also their order in the lists of their node and of their job: so a
 * core that was saved and loaded goes on exactly as the first would have. */
#ifndef MR_CORE_STATE_H
#define MR_CORE_STATE_H

#include "master/core/terms.h"

#define NONE MR_CORE_NONE
#define PHASES 2

/* Durations of the latest tasks that are done, for the median. */
#define MR_STATE_DURATIONS 32

/* A task that failed, uncounted, so often is counted from then on, so that no job goes on forever;
 * and a map output that was reported lost so often, by workers that live, ends the job. */
#define MR_STATE_UNCOUNTED_MAX 4096
#define MR_STATE_REPORTED_MAX 64

struct mr_state_task {
    uint32_t attempts;      /* started so far: the number of the latest */
    uint32_t winner;        /* the attempt that is done, 0: none */
    uint32_t node;          /* of the winner; else of the latest failure, or NONE */
    uint32_t running;       /* the first of its running attempts, or NONE: derived */
    uint32_t next;          /* in the queue of tasks that run again */
    uint32_t first_attempt; /* that failed, 0: none */
    uint64_t incarnation;   /* of the winner's worker */
    uint64_t digest;        /* of the latest winner */
    int first_cause;        /* the status of first_attempt */
    uint16_t failures;
    uint16_t uncounted;
    uint8_t reports;  /* that the winner's output can't be read */
    uint8_t reported; /* how often that cost a winner its place */
    bool has_digest;
    bool is_queued; /* to run again */
};

/* Which map tasks read from a host: tasks[begin[i]] .. tasks[begin[i + 1] - 1] from ids[i], where
 * `at[i]` is the first that may not have started. */
struct mr_state_hosts {
    uint32_t *ids; /* ascending */
    uint32_t *begin;
    uint32_t *at;
    uint32_t *tasks;
    uint32_t count;
};

struct mr_state_phase {
    struct mr_state_task *tasks;
    uint32_t count;
    uint32_t open;  /* tasks without a winner */
    uint32_t ready; /* tasks that could start: neither won nor running */
    uint32_t fresh; /* tasks before it have started once */
    uint32_t again; /* queue of tasks that run again: its head and tail, or NONE */
    uint32_t again_last;
    uint32_t backups;                         /* attempts that run beside another: derived */
    uint32_t durations;                       /* v: how many were noted */
    uint64_t duration_ms[MR_STATE_DURATIONS]; /* v */
};

/* Who waits for slots of which kind: jobs with maps, with reduces, and with reduces that may start
 * before the maps are done. */
enum mr_state_line { MR_STATE_LINE_MAP, MR_STATE_LINE_REDUCE, MR_STATE_LINE_EARLY, MR_STATE_LINES };

struct mr_state_job {
    uint32_t number;
    enum mr_core_job_state state;
    uint32_t round;
    uint32_t max_attempts;
    uint32_t weight;
    bool is_early;
    bool is_strict;
    struct mr_state_phase phases[PHASES];
    uint32_t
        busy[PHASES]; /* its attempts, of earlier rounds too, those being stopped too: derived */
    uint32_t *task_hosts; /* of the map tasks, as in the shape; or NULL */
    struct mr_state_hosts hosts;
    uint32_t attempts; /* first and last of its attempts: derived */
    uint32_t attempts_last;
    int status;                       /* how it ends */
    struct mr_core_attempt cause;     /* attempt 0: none */
    uint32_t line_at[MR_STATE_LINES]; /* its place in the lines, or NONE: derived */
    uint32_t slow_at;                 /* v: where the search for slow attempts goes on */
};

struct mr_state_attempt {
    uint32_t job; /* number */
    uint32_t round;
    enum mr_phase phase;
    uint32_t task;
    uint32_t number;
    uint32_t node;
    bool is_stopping; /* its task does not want it any more */
    bool is_backup;
    uint32_t sibling;                /* the next running attempt of the task */
    uint32_t older, newer;           /* in the order of starting; free ones: `newer` alone */
    uint32_t node_older, node_newer; /* of its node */
    uint32_t job_older, job_newer;   /* of its job */
    uint64_t started_ms;             /* v */
    uint32_t permille;               /* v */
};

struct mr_state_node {
    enum mr_core_node_state state;
    enum mr_core_role roles;
    uint64_t incarnation; /* of the latest, also when it is gone; 0: never seen */
    uint32_t host;
    uint32_t slots;
    uint32_t failures; /* since the last attempt that was done */
    uint32_t busy;     /* derived */
    uint32_t held;     /* winners' map outputs: derived */
    uint32_t attempts; /* first and last of its attempts: derived */
    uint32_t attempts_last;
    uint32_t before, after; /* in the list of nodes with a free slot */
    bool is_listed;
    uint64_t heard_ms; /* v, 0: not yet */
    uint64_t aside_ms; /* v, 0: not known */
};

struct mr_state_ended {
    uint32_t job;
    int status;
};

struct mr_core {
    struct mr_core_options options;
    struct mr_state_job **jobs; /* that have not ended, by number */
    uint32_t job_count;
    uint32_t last_job; /* the highest number so far */
    struct mr_state_ended history[MR_CORE_HISTORY];
    uint64_t ended; /* jobs, in all */

    struct mr_state_node *nodes;
    uint32_t node_count; /* numbers below it are known */
    uint32_t node_capacity;
    uint32_t node_first[MR_CORE_DOES_BOTH + 1]; /* nodes with a free slot, by roles */
    uint32_t node_last[MR_CORE_DOES_BOTH + 1];
    uint32_t up;    /* nodes that are not gone: derived */
    uint32_t aside; /* nodes that are set aside: derived */
    uint32_t draining;
    uint64_t slots; /* of the nodes that are not gone: derived */

    struct mr_state_attempt *attempts;
    uint32_t attempt_capacity;
    uint32_t attempt_free;
    uint32_t attempt_oldest, attempt_newest;
    uint32_t attempt_count;

    struct mr_state_job **lines[MR_STATE_LINES]; /* heaps: the job with the smallest share first */
    uint32_t line_count[MR_STATE_LINES];

    uint64_t now_ms;       /* v: of the event at hand */
    uint64_t last_tick_ms; /* v */

    struct mr_core_effect *effects;
    size_t effect_count;
    size_t effect_capacity;
};

/* The job of this number that has not ended, or NULL. */
struct mr_state_job *mr_state_find_job(const struct mr_core *core, uint32_t number);

/* The node where this worker lives; NULL where it is gone, or another incarnation. */
struct mr_state_node *mr_state_find_worker(const struct mr_core *core,
                                           struct mr_core_worker worker);

/* The only writers of a job's and a node's state. */
void mr_state_set_job_state(struct mr_state_job *job, enum mr_core_job_state state);
void mr_state_set_node_state(struct mr_core *core, struct mr_state_node *node,
                             enum mr_core_node_state state);

/* Makes room for `count` effects of the event at hand. */
MR_MUST_USE int mr_state_reserve_effects(struct mr_core *core, uint64_t count,
                                         struct mr_error *err);
/* Adds an effect about a job; within what was reserved. */
struct mr_core_effect *mr_state_add_effect(struct mr_core *core, enum mr_core_effect_kind kind,
                                           const struct mr_state_job *job);
/* Adds one about an attempt that runs on `worker`. */
struct mr_core_effect *mr_state_add_attempt_effect(struct mr_core *core,
                                                   enum mr_core_effect_kind kind,
                                                   struct mr_core_worker worker,
                                                   const struct mr_core_attempt *attempt);

static inline struct mr_core_worker mr_state_worker(const struct mr_core *core, uint32_t node) {
    return (struct mr_core_worker){node, core->nodes[node].incarnation};
}

static inline struct mr_core_attempt mr_state_attempt_id(const struct mr_state_attempt *attempt) {
    return (struct mr_core_attempt){attempt->job, attempt->round, attempt->phase, attempt->task,
                                    attempt->number};
}

#endif
