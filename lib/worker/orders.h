/* orders: what an engine and its task process tell one another, in structs and as messages.
 *
 * A process is given one job, then tasks one at a time. It answers each with COUNTER and SKIPPED
 * frames, DONE or FAILED, and END. Bulk data lies in files of the scratch directory, whose names
 * follow from what they are (mr_orders_path), so that an order only says which attempts won. */
#ifndef MR_WORKER_ORDERS_H
#define MR_WORKER_ORDERS_H

#include "lib/input/splits.h"
#include "lib/worker/channel.h"
#include <mr/run.h>

#define MR_ORDERS_ID_LEN 32 /* of a job: hex digits */
#define MR_ORDERS_PATH_MAX 4096

/* What a process may use: as the plan has it, for one thread. */
#define MR_ORDERS_MEMORY_TABLE(X)                                                                  \
    X(block_bytes)                                                                                 \
    X(collector_bytes)                                                                             \
    X(pool_limit)                                                                                  \
    X(merge_bytes)                                                                                 \
    X(range_bytes)                                                                                 \
    X(buffered_max)                                                                                \
    X(fan_in)                                                                                      \
    X(record_bytes_max)                                                                            \
    X(state_max)

struct mr_orders_memory {
#define MR_ORDERS_ROW(name) uint64_t name;
    MR_ORDERS_MEMORY_TABLE(MR_ORDERS_ROW)
};

struct mr_orders_job {
    const char *id;
    const char *job; /* as mr_run_find_job takes it */
    struct mr_run_param *params;
    size_t param_count;
    uint64_t files_xxh3; /* of all file parameters' contents: mr_orders_files */
    uint32_t rounds;     /* as planned: the process must plan as many */
    bool verbose;
    const char *scratch; /* an absolute path */
    struct mr_orders_memory memory;
};

/* A task. The texts and numbers that it points to are borrowed. */
struct mr_orders_task {
    enum mr_phase phase;
    uint32_t round;
    uint32_t task;
    uint32_t attempt;
    uint32_t partitions;
    bool is_last;       /* a reduce task of it writes a part */
    const char *output; /* where that part goes: a directory, an absolute path; else NULL */
    struct mr_input input;
    struct mr_split split;   /* of a map task of the first round */
    const uint32_t *winners; /* other tasks: the attempts whose output they read, of the */
    size_t winner_count;     /* round's map tasks; of a later map task: its pairs' */
    uint64_t pass;           /* of a loop, from 1; MR_PHASE_LOOP: that ended, 0: start is called */
    uint64_t state_len;      /* of the loop's state; its bytes lie in the file named by */
    uint64_t state_xxh3[2];  /* its XXH3-128, the high half first (mr_orders_state_path) */
    uint64_t care_block;     /* the block of the input that begins there is mapped one */
    const uint64_t *skips;   /* record at a time; records that are set aside begin here */
    size_t skip_count;
};

/* A task's account. */
#define MR_ORDERS_RESULT_TABLE(X)                                                                  \
    X(records_read)                                                                                \
    X(records_mapped)                                                                              \
    X(records_skipped)                                                                             \
    X(bytes_read)                                                                                  \
    X(read_us)                                                                                     \
    X(emitted)                                                                                     \
    X(combined)                                                                                    \
    X(spilled)                                                                                     \
    X(pairs_reduced)                                                                               \
    X(groups)                                                                                      \
    X(groups_with_output)                                                                          \
    X(groups_without_output)                                                                       \
    X(records_out)                                                                                 \
    X(bytes_out)                                                                                   \
    X(wait_us)                                                                                     \
    X(busy_us)                                                                                     \
    X(output_records)                                                                              \
    X(output_bytes)                                                                                \
    X(output_xxh3) /* a part's; a map output's digest */                                           \
    X(again)       /* of a turn: another pass follows */                                           \
    X(sets_state)  /* of a turn: its file has one */

struct mr_orders_result {
    MR_ORDERS_RESULT_TABLE(MR_ORDERS_ROW)
};

/* A record that was set aside. */
struct mr_orders_skipped {
    uint64_t offset;
    uint64_t len;
    struct mr_bytes record; /* its first bytes, where it is long */
};
#define MR_ORDERS_SKIPPED_SHOWN ((size_t)64 << 10)

/* A file, left by another attempt, that a task could not read to its end: of a reduce task a map
 * output, else pairs. */
struct mr_orders_lost {
    bool is_known;
    uint32_t task; /* whose file it is */
    uint32_t attempt;
};

/* Send. */
MR_MUST_USE int mr_orders_send_job(struct mr_channel *channel, const struct mr_orders_job *job,
                                   struct mr_error *err);
MR_MUST_USE int mr_orders_send_task(struct mr_channel *channel, const struct mr_orders_task *task,
                                    struct mr_error *err);
MR_MUST_USE int mr_orders_send_result(struct mr_channel *channel,
                                      const struct mr_orders_result *result, struct mr_error *err);
MR_MUST_USE int mr_orders_send_counter(struct mr_channel *channel, const char *name, uint64_t value,
                                       struct mr_error *err);
MR_MUST_USE int mr_orders_send_skipped(struct mr_channel *channel,
                                       const struct mr_orders_skipped *skipped,
                                       struct mr_error *err);
MR_MUST_USE int mr_orders_send_failure(struct mr_channel *channel, const struct mr_error *failure,
                                       const struct mr_orders_lost *lost, struct mr_error *err);

/* A body read into a struct, whose texts live as long as `held`, which mr_orders_release frees. */
struct mr_orders_held {
    void *reader;
    void *rows;
};
MR_MUST_USE int mr_orders_read_job(struct mr_bytes body, struct mr_orders_job *job,
                                   struct mr_orders_held *held, struct mr_error *err);
MR_MUST_USE int mr_orders_read_task(struct mr_bytes body, struct mr_orders_task *task,
                                    struct mr_orders_held *held, struct mr_error *err);
MR_MUST_USE int mr_orders_read_counter(struct mr_bytes body, const char **name, uint64_t *value,
                                       struct mr_orders_held *held, struct mr_error *err);
MR_MUST_USE int mr_orders_read_skipped(struct mr_bytes body, struct mr_orders_skipped *skipped,
                                       struct mr_orders_held *held, struct mr_error *err);
MR_MUST_USE int mr_orders_read_result(struct mr_bytes body, struct mr_orders_result *result,
                                      struct mr_error *err);
/* Stores the failure in *failure, and the file that it is about; err is for a body that is
 * malformed. */
MR_MUST_USE int mr_orders_read_failure(struct mr_bytes body, struct mr_error *failure,
                                       struct mr_orders_lost *lost, struct mr_error *err);
void mr_orders_release(struct mr_orders_held *held);

/* The file of an attempt: a map output, (reduce) the pairs for the next round or for round_done, or
 * the lines of a turn. */
MR_MUST_USE int mr_orders_path(const char *scratch, const struct mr_orders_task *task,
                               char path[MR_ORDERS_PATH_MAX], struct mr_error *err);

/* The file of a loop's state, which the engine writes; and the one in which an attempt at a turn
 * leaves the state it sets. */
MR_MUST_USE int mr_orders_state_path(const char *scratch, const struct mr_orders_task *task,
                                     char path[MR_ORDERS_PATH_MAX], struct mr_error *err);
MR_MUST_USE int mr_orders_next_path(const char *scratch, const struct mr_orders_task *task,
                                    char path[MR_ORDERS_PATH_MAX], struct mr_error *err);

/* A job's id as the bytes that a map output holds. */
void mr_orders_id_bytes(const char *id, unsigned char bytes[MR_ORDERS_ID_LEN / 2]);

#endif
