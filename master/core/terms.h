/* terms: what the scheduler and its shells speak of: attempts, workers, events, effects, states.
 *
 * The tables below are the vocabulary: names, documentation and encodings are made from them. */
#ifndef MR_CORE_TERMS_H
#define MR_CORE_TERMS_H

#include <mr/job.h>
#include <mr/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MR_CORE_NONE UINT32_MAX
#define MR_CORE_NODES_MAX 65536u
#define MR_CORE_SLOTS_MAX 4096u          /* of a node */
#define MR_CORE_SLOTS_ALL_MAX (1u << 20) /* of all nodes */
#define MR_CORE_JOBS_MAX 1024u           /* that have not ended */
#define MR_CORE_TASKS_MAX (1u << 22)
#define MR_CORE_HOSTS_OF_TASK 3u
#define MR_CORE_HISTORY 256u /* ended jobs that are remembered */

/* Identifies one try at one task. Job numbers are the shell's, ascending from 1, never used again.
 */
struct mr_core_attempt {
    uint32_t job;
    uint32_t round;
    enum mr_phase phase;
    uint32_t task;
    uint32_t attempt; /* from 1 */
};

/* A worker as it lives from one start to the next: a restart is another incarnation, and what the
 * one before says is void. Numbers are the shell's, below MR_CORE_NODES_MAX. */
struct mr_core_worker {
    uint32_t node;
    uint64_t incarnation; /* from 1 */
};

enum mr_core_role { MR_CORE_MAPS = 1, MR_CORE_REDUCES = 2, MR_CORE_DOES_BOTH = 3 };

/* The tasks of a round. `hosts`: MR_CORE_HOSTS_OF_TASK host numbers a map task, MR_CORE_NONE where
 * there are fewer: where its input lies; or NULL. Copied. */
struct mr_core_shape {
    uint32_t map_tasks;
    uint32_t reduce_tasks; /* at least 1 */
    const uint32_t *hosts;
};

/* What can happen: X(name, words, is durable, fields that count, what it says). */
#define MR_CORE_EVENT_TABLE(X)                                                                     \
    X(SUBMIT, "submit", true, "job shape max_attempts weight is_early is_strict",                  \
      "a job of at least one round; the first round's tasks")                                      \
    X(CANCEL, "cancel", true, "job status",                                                        \
      "the job is no longer wanted; too late once published")                                      \
    X(ROUND_CLOSED, "round closed", true, "job round has_next shape",                              \
      "the round's result is durable; the next round's tasks, or there is none")                   \
    X(ROUND_FAILED, "round failed", true, "job round status", "the round can't be closed")         \
    X(NODE_UP, "node up", true, "worker host roles slots held",                                    \
      "a worker came, or came back; the map outputs it still holds")                               \
    X(NODE_LOST, "node lost", true, "worker", "a worker is gone, with all it ran and held")        \
    X(NODE_DRAIN, "node drain", true, "worker", "a worker shall get nothing new")                  \
    X(NODE_BACK, "node back", true, "worker",                                                      \
      "a worker that was set aside, or drains, gets tasks again")                                  \
    X(ATTEMPT_DONE, "attempt done", true, "worker attempt digest",                                 \
      "an attempt asks to be the task's winner")                                                   \
    X(ATTEMPT_FAILED, "attempt failed", true, "worker attempt status is_fatal is_uncounted",       \
      "an attempt ended without a result")                                                         \
    X(OUTPUT_LOST, "output lost", true, "worker attempt lost_task lost_attempt",                   \
      "a reduce attempt ended since it can't read a map's output")                                 \
    X(BACKUP, "backup", true, "attempt", "a task is slow: a second attempt beside this one")       \
    X(PUBLISHED, "published", true, "job", "the output is in place")                               \
    X(PUBLISH_FAILED, "publish failed", true, "job status", "the output can't be put in place")    \
    X(PART_LOST, "part lost", true, "attempt", "a committed part is gone or wrong")                \
    X(TICK, "tick", false, "", "time has passed")                                                  \
    X(HEARD, "heard", false, "worker", "a worker acknowledged the last renewal of its lease")      \
    X(PROGRESS, "progress", false, "worker attempt permille", "how far a running attempt is")      \
    X(ROUND_AGAIN, "round again", true, "job round shape",                                         \
      "what an earlier round made is lost: the job goes on with this later round instead")

enum mr_core_event_kind {
#define MR_CORE_EVENT_ROW(name, words, durable, fields, doc) MR_CORE_##name,
    MR_CORE_EVENT_TABLE(MR_CORE_EVENT_ROW)
#undef MR_CORE_EVENT_ROW
        MR_CORE_EVENT_KINDS
};

struct mr_core_event {
    enum mr_core_event_kind kind;
    uint32_t job;
    uint32_t round;
    struct mr_core_attempt attempt; /* it holds job and round itself */
    struct mr_core_worker worker;
    struct mr_core_shape shape;
    uint32_t max_attempts; /* failures of a task that end the job; at least 1 */
    uint32_t weight;       /* of the job's share of slots; 0: 1 */
    uint32_t host;         /* of the node; MR_CORE_NONE: unknown */
    uint32_t slots;
    enum mr_core_role roles;
    const struct mr_core_attempt *held; /* map attempts whose output a returning worker offers */
    uint32_t held_count;
    uint32_t lost_task;
    uint32_t lost_attempt;
    uint32_t permille;
    uint64_t digest; /* of the attempt's output: equal for equal records */
    int status;      /* negative: why */
    bool has_next;
    bool is_early;     /* reduce tasks may start while maps run, on nodes that don't map */
    bool is_strict;    /* a map task that gives another digest than before fails the job */
    bool is_fatal;     /* another attempt can't help */
    bool is_uncounted; /* not one of max_attempts: the search for a poison record */
};

/* What the shell is to do: X(name, words, fields that count, what it says). */
#define MR_CORE_EFFECT_TABLE(X)                                                                    \
    X(START, "start", "worker attempt", "run the attempt; harmless where it runs already")         \
    X(STOP, "stop", "worker attempt", "end the attempt; its end is awaited")                       \
    X(ANSWER, "answer", "worker attempt is_accepted",                                              \
      "the attempt won its task, or it came too late and nothing of it counts")                    \
    X(MAPS_DONE, "maps done", "job round", "every map task of the round has its winner")           \
    X(ROUND_DONE, "round done", "job round",                                                       \
      "every reduce task has its winner: make the result durable, then close the round")           \
    X(PUBLISH, "publish", "job", "make the output appear; harmless where it did")                  \
    X(DISCARD, "discard", "worker attempt", "what this attempt left is not needed")                \
    X(DISCARD_ROUND, "discard round", "job round", "no map output of this round is needed")        \
    X(TELL, "tell", "news job worker attempt status", "something that a person may want to know")  \
    X(FINISHED, "finished", "job status attempt",                                                  \
      "the job ended with this status (0: done), first caused by this attempt (attempt 0: none)")  \
    X(PROPOSE, "propose", "proposed worker attempt",                                               \
      "journal and apply this event: mr_core_proposal")                                            \
    X(WAKE_AT, "wake at", "time_ms", "tick again at this time, at the latest")

enum mr_core_effect_kind {
#define MR_CORE_EFFECT_ROW(name, words, fields, doc) MR_CORE_##name,
    MR_CORE_EFFECT_TABLE(MR_CORE_EFFECT_ROW)
#undef MR_CORE_EFFECT_ROW
        MR_CORE_EFFECT_KINDS
};

/* What TELL tells of: X(name, words). */
#define MR_CORE_NEWS_TABLE(X)                                                                      \
    X(RETRYING, "a task failed and runs again")                                                    \
    X(NODE_ASIDE, "a node failed repeatedly and is set aside")                                     \
    X(NODE_DRAINED, "a draining node runs nothing and holds nothing that is needed")               \
    X(OUTPUT_AGAIN, "a map output was lost and is made again")                                     \
    X(PART_AGAIN, "a committed part was lost and is made again")                                   \
    X(NOT_DETERMINISTIC, "a map task gave other records than before")

enum mr_core_news {
#define MR_CORE_NEWS_ROW(name, words) MR_CORE_TELL_##name,
    MR_CORE_NEWS_TABLE(MR_CORE_NEWS_ROW)
#undef MR_CORE_NEWS_ROW
        MR_CORE_NEWS_KINDS
};

struct mr_core_effect {
    enum mr_core_effect_kind kind;
    uint32_t job;
    uint32_t round;
    struct mr_core_worker worker;
    struct mr_core_attempt attempt;
    enum mr_core_news news;
    int status;
    bool is_accepted;
    uint64_t time_ms;
    enum mr_core_event_kind proposed;
};

/* Effects of one event, in order; owned by the core and valid until the next apply. */
struct mr_core_effects {
    const struct mr_core_effect *items;
    size_t count;
};

/* The event that a PROPOSE effect wants. */
static inline struct mr_core_event mr_core_proposal(const struct mr_core_effect *effect) {
    return (struct mr_core_event){
        .kind = effect->proposed, .worker = effect->worker, .attempt = effect->attempt};
}

enum mr_core_job_state {
    MR_CORE_JOB_UNKNOWN, /* never submitted, or ended long ago */
    MR_CORE_JOB_RUNNING,
    MR_CORE_JOB_CLOSING,    /* waits for ROUND_CLOSED */
    MR_CORE_JOB_PUBLISHING, /* waits for PUBLISHED */
    MR_CORE_JOB_STOPPING,   /* waits for its last attempts to end */
    MR_CORE_JOB_FINISHED,
    MR_CORE_JOB_STATES
};

enum mr_core_node_state {
    MR_CORE_NODE_GONE,
    MR_CORE_NODE_READY,
    MR_CORE_NODE_DRAINING,
    MR_CORE_NODE_SET_ASIDE,
    MR_CORE_NODE_STATES
};

/* Times are of a clock that never goes back. Zero means the default. */
struct mr_core_options {
    uint64_t lease_ms; /* a worker not heard for so long is lost: 10,000 */
    uint64_t tick_ms;  /* how often ticks come at least: 1,000 */
    uint64_t aside_ms; /* how long a failing node gets nothing: 60,000 */
};

/* The words of the tables. */
const char *mr_terms_event_name(enum mr_core_event_kind kind);
const char *mr_terms_effect_name(enum mr_core_effect_kind kind);
const char *mr_terms_news_words(enum mr_core_news news);
/* Whether an event changes what replaying must rebuild, so that a shell journals it. */
bool mr_terms_event_is_durable(enum mr_core_event_kind kind);

#endif
