/* job: the interface between the engine and a job: its table, and the context of its callbacks.
 *
 * A job is a table (`struct mr_job`) of parameters and rounds. A round is one pass of map, shuffle
 * and reduce. Map callbacks see records and emit (key, value) pairs; the engine combines pairs of
 * equal keys as they are emitted, sorts them, brings those of one partition together, and hands
 * each group of equal keys, in key order, to reduce, whose emits are the output.
 *
 *     static int count(struct mr_ctx *ctx, void *state, struct mr_bytes line) {
 *         return mr_emit_u64(ctx, line, 1);
 *     }
 *     static const struct mr_round rounds[] = {
 *         {.name = "count", .map = count, .value = MR_SUM_U64},
 *     };
 *     MR_PLUGIN = {.abi = MR_JOB_ABI, .name = "lines", .summary = "count equal lines",
 *                  .rounds = rounds, .round_count = 1};
 *
 * A job may loop (training, clustering, anything that converges): its list of rounds is a pass, and
 * passes follow one another until the job's `round_done`, which sees what the last reduce of a pass
 * emitted, says that it is done. What one pass learns for the next is the loop's state: bytes that
 * round_done sets and every callback of the next pass reads by mr_loop_state.
 *
 * Built with nothing but these headers:
 *
 *     cc -shared -fPIC $(pkg-config --cflags millrace) job.c -o libjob.so
 *
 * The answer must not depend on the machine, so a job must not either: what a callback emits may
 * depend on its record, the parameters, side inputs and the loop's state alone. Its private state
 * is per thread and may serve as scratch space, never as a way from one record to another.
 *
 * Every callback returns 0 or a negative status; a failure ends the job with the sentence given to
 * mr_fail, or with the engine's own. A failed emit is remembered: a callback may return its status
 * at once, or go on and return 0; the job fails all the same. Callbacks run on the engine's
 * threads, several at once, each thread with a context and state of its own; none may keep a
 * pointer from one call to the next unless it is said to live longer. */
#ifndef MR_JOB_H
#define MR_JOB_H

#include <mr/bytes.h>
#include <mr/status.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

/* Grows with every change that breaks a plugin built against an earlier header. */
#define MR_JOB_ABI 2u

/* How values of equal keys are folded as they are emitted. Folding is exact, so neither order nor
 * grouping of the additions shows in the result. */
enum mr_value {
    MR_VALUES,   /* bytes, not folded: reduce sees each value, in input order */
    MR_SUM_U64,  /* a sum beyond 2^64-1 fails the job */
    MR_MIN_U64,  /* */
    MR_MAX_U64,  /* */
    MR_SUM_I64,  /* kept in 128 bits until the end; a final sum outside of 64 bits fails the job */
    MR_MIN_I64,  /* */
    MR_MAX_I64,  /* */
    MR_SUM_F64,  /* the exact sum, rounded once (to nearest, ties to even) when all is summed */
    MR_MIN_F64,  /* -0 < +0; a NaN fails the job, naming its record */
    MR_MAX_F64,  /* likewise */
    MR_FIRST,    /* bytes: the value that stands first in the input */
    MR_COMBINED, /* bytes, folded by the round's `combine` */
    MR_VALUE_KINDS
};

enum mr_phase { MR_PHASE_MAP, MR_PHASE_REDUCE, MR_PHASE_LOOP /* start and round_done */ };

struct mr_values;  /* the values of one group */
struct mr_results; /* what a pass of a loop emitted */

/* What a callback is handed. The functions are called through the inline wrappers below, so that a
 * plugin links against nothing; later versions append to this struct and never reorder it. */
struct mr_ctx {
    int (*emit)(struct mr_ctx *ctx, struct mr_bytes key, struct mr_bytes value);
    int (*emit_u64)(struct mr_ctx *ctx, const char *key, size_t len, uint64_t value);
    int (*emit_i64)(struct mr_ctx *ctx, struct mr_bytes key, int64_t value);
    int (*emit_f64)(struct mr_ctx *ctx, struct mr_bytes key, double value);
    void (*at)(struct mr_ctx *ctx, uint64_t offset);
    int (*next)(struct mr_ctx *ctx, struct mr_values *values, struct mr_bytes *value);
    struct mr_bytes (*values_key)(const struct mr_values *values);
    int (*set)(struct mr_ctx *ctx, struct mr_bytes value);
    const char *(*param)(const struct mr_ctx *ctx, const char *name);
    uint64_t (*param_u64)(const struct mr_ctx *ctx, const char *name);
    int (*side_input)(struct mr_ctx *ctx, const char *param, struct mr_bytes *content);
    int (*counter_add)(struct mr_ctx *ctx, const char *name, uint64_t amount);
    void (*log)(struct mr_ctx *ctx, const char *format, va_list args);
    int (*fail)(struct mr_ctx *ctx, const char *format, va_list args);
    enum mr_phase phase;
    uint32_t round;      /* from 0 */
    uint32_t partition;  /* of the reduce task; 0 while mapping */
    uint32_t partitions; /* of the round */
    int (*emit_u64_spans)(struct mr_ctx *ctx, const char *text, const uint32_t *bounds,
                          size_t count, uint64_t value);
    int (*next_result)(struct mr_ctx *ctx, struct mr_results *results, struct mr_bytes *key,
                       struct mr_bytes *value);
    int (*set_loop_state)(struct mr_ctx *ctx, struct mr_bytes state);
    struct mr_bytes loop_state; /* by mr_loop_state */
    uint64_t pass;              /* of a loop, from 0; in round_done: the one that just ended */
};

/* Emits a pair. Key and value are copied before the call returns.
 * In map: for MR_VALUES, MR_FIRST and MR_COMBINED rounds. In reduce of the last round, and in a
 * loop's start and round_done: writes the line KEY TAB VALUE (KEY alone where the value's data is
 * NULL); the bytes are written as they are, tabs and line ends included. In reduce of an earlier
 * round: a pair for the next round; in reduce of the last round of a job that loops: a result of
 * the pass (without data: an empty value). Returns 0, or the (sticky) status of the first failure.
 */
MR_MUST_USE static inline int mr_emit(struct mr_ctx *ctx, struct mr_bytes key,
                                      struct mr_bytes value) {
    return ctx->emit(ctx, key, value);
}

/* Emits a typed pair: in map for rounds of that type; in reduce and round_done as its decimal
 * digits (f64: the shortest that read back to the same number), but in reduce of the last round of
 * a job that loops as the number itself, for mr_next_result_u64 and its like. Otherwise as mr_emit.
 */
MR_MUST_USE static inline int mr_emit_u64(struct mr_ctx *ctx, struct mr_bytes key, uint64_t value) {
    return ctx->emit_u64(ctx, key.data, key.len, value);
}
MR_MUST_USE static inline int mr_emit_i64(struct mr_ctx *ctx, struct mr_bytes key, int64_t value) {
    return ctx->emit_i64(ctx, key, value);
}
MR_MUST_USE static inline int mr_emit_f64(struct mr_ctx *ctx, struct mr_bytes key, double value) {
    return ctx->emit_f64(ctx, key, value);
}

/* Inside map_block: says that what follows concerns the record that starts `offset` bytes into the
 * block, so that errors and crashes name it. Values emitted after it take that record's place in
 * the input order; so offsets must not go back within a block: that fails the job. */
static inline void mr_at(struct mr_ctx *ctx, uint64_t offset) {
    ctx->at(ctx, offset);
}

/* Emits `count` keys, all with one value, as that many calls of mr_emit_u64 would; faster where
 * there are many. Key i is text[bounds[2 * i]] up to before text[bounds[2 * i + 1]]; none begins
 * or ends before the one before it does. */
MR_MUST_USE static inline int mr_emit_u64_spans(struct mr_ctx *ctx, const char *text,
                                                const uint32_t *bounds, size_t count,
                                                uint64_t value) {
    return ctx->emit_u64_spans(ctx, text, bounds, count, value);
}

/* Steps to the group's next value: 1 and the value, valid until the next step; 0 at the end; or a
 * negative status. In rounds that fold there is one value for each key; numbers come as decimal
 * text (reduce_u64 and its like get them as they are). A group may be larger than memory. Returning
 * from reduce with values unread is fine. */
MR_MUST_USE static inline int mr_next(struct mr_ctx *ctx, struct mr_values *values,
                                      struct mr_bytes *value) {
    return ctx->next(ctx, values, value);
}

/* The full key of the value last stepped to: differs within a group where `group` joins several
 * keys. Valid until the next step. */
static inline struct mr_bytes mr_values_key(struct mr_ctx *ctx, const struct mr_values *values) {
    return ctx->values_key(values);
}

/* Inside combine: gives the folded value, which is copied. */
MR_MUST_USE static inline int mr_set(struct mr_ctx *ctx, struct mr_bytes value) {
    return ctx->set(ctx, value);
}

/* The value of a declared parameter, its default where the user gave none: as text (NULL for a
 * parameter without either), or as a number (flags: 0 or 1). Valid as long as the job. A name that
 * is not declared, or a number asked of a parameter that is none, fails the job. */
static inline const char *mr_param(const struct mr_ctx *ctx, const char *name) {
    return ctx->param(ctx, name);
}
static inline uint64_t mr_param_u64(const struct mr_ctx *ctx, const char *name) {
    return ctx->param_u64(ctx, name);
}

/* The content of the file that an MR_PARAM_FILE parameter names; len 0 where it was not given. Read
 * once, before the job starts; shared by all tasks and valid as long as the job. The plan sets five
 * times its size aside: what a job makes of it, four times as large at most, should be made once
 * and shared by its threads. */
MR_MUST_USE static inline int mr_side_input(struct mr_ctx *ctx, const char *param,
                                            struct mr_bytes *content) {
    return ctx->side_input(ctx, param, content);
}

/* The loop's state, as start or the round_done of the pass before set it; shared by all tasks of
 * the pass and valid as long as the phase. In round_done: the state that the pass read, valid until
 * the callback returns. Empty in a job that doesn't loop. Not aligned: copy numbers out of it. */
static inline struct mr_bytes mr_loop_state(const struct mr_ctx *ctx) {
    return ctx->loop_state;
}

/* In start and round_done: sets the state that the next pass reads, copied before the call returns;
 * without a call it stays as it is. A state of more than 1/32 of --memory (and never more than 1
 * GiB) fails the job. */
MR_MUST_USE static inline int mr_set_loop_state(struct mr_ctx *ctx, struct mr_bytes state) {
    return ctx->set_loop_state(ctx, state);
}

/* In round_done: steps to the next pair that the last reduce of the pass emitted, in the order of
 * partitions and, within one, of emits, which is key order: 1, and key and value, valid until the
 * next step; 0 at the end; or a negative status. May be larger than memory; returning with results
 * unread is fine. */
MR_MUST_USE static inline int mr_next_result(struct mr_ctx *ctx, struct mr_results *results,
                                             struct mr_bytes *key, struct mr_bytes *value) {
    return ctx->next_result(ctx, results, key, value);
}

/* Adds to a counter of the job's own, made at its first use and shown in the manifest. Counters
 * must be as independent of the machine as the output is. `name` must be a string that lives as
 * long as the plugin. */
MR_MUST_USE static inline int mr_counter_add(struct mr_ctx *ctx, const char *name,
                                             uint64_t amount) {
    return ctx->counter_add(ctx, name, amount);
}

/* Writes a line to the job's log (standard error, with --verbose). */
__attribute__((format(printf, 2, 3))) static inline void mr_log(struct mr_ctx *ctx,
                                                                const char *format, ...) {
    va_list args;
    va_start(args, format);
    ctx->log(ctx, format, args);
    va_end(args);
}

/* Fails the job with this sentence, to which the engine adds the record's place. Returns the status
 * to return. The first failure wins. */
__attribute__((format(printf, 2, 3))) static inline int mr_fail(struct mr_ctx *ctx,
                                                                const char *format, ...) {
    va_list args;
    va_start(args, format);
    int status = ctx->fail(ctx, format, args);
    va_end(args);
    return status;
}

/* mr_next_result for numbers: the very bits that mr_emit_u64, _i64 or _f64 (or a round without a
 * reduce) emitted. A result of another length fails the job; that it was emitted as this type is
 * the job's to know. 0 where there is none. */
MR_MUST_USE static inline int mr_next_result_number(struct mr_ctx *ctx, struct mr_results *results,
                                                    struct mr_bytes *key, void *number) {
    struct mr_bytes value;
    int more = ctx->next_result(ctx, results, key, &value);
    memset(number, 0, sizeof(uint64_t));
    if (more > 0 && value.len != sizeof(uint64_t)) {
        return mr_fail(ctx, "the result \"%.*s\" is no number: it has %zu bytes",
                       key->len < 60 ? (int)key->len : 60, key->data ? key->data : "", value.len);
    }
    if (more > 0) {
        memcpy(number, value.data, sizeof(uint64_t));
    }
    return more;
}
MR_MUST_USE static inline int mr_next_result_u64(struct mr_ctx *ctx, struct mr_results *results,
                                                 struct mr_bytes *key, uint64_t *number) {
    return mr_next_result_number(ctx, results, key, number);
}
MR_MUST_USE static inline int mr_next_result_i64(struct mr_ctx *ctx, struct mr_results *results,
                                                 struct mr_bytes *key, int64_t *number) {
    return mr_next_result_number(ctx, results, key, number);
}
MR_MUST_USE static inline int mr_next_result_f64(struct mr_ctx *ctx, struct mr_results *results,
                                                 struct mr_bytes *key, double *number) {
    return mr_next_result_number(ctx, results, key, number);
}

enum mr_param_kind {
    MR_PARAM_FLAG,   /* --fold */
    MR_PARAM_U64,    /* --top 20, from `least` */
    MR_PARAM_CHOICE, /* --words letters: one of `choices`, separated by '|' */
    MR_PARAM_TEXT,   /* any text */
    MR_PARAM_FILE,   /* a file, read before the job starts: a side input */
};

/* One parameter, given on the command line as --name. The list ends with a row whose name is NULL.
 */
struct mr_param {
    const char *name;
    enum mr_param_kind kind;
    const char *fallback; /* the default as text; NULL: none (flags: off) */
    const char *choices;
    uint64_t least;      /* of MR_PARAM_U64 */
    const char *metavar; /* N, FILE: in the help */
    const char *help;    /* one line */
};

/* One pass of map, shuffle and reduce. NULL means the documented default. The first round maps
 * input records by `map` or `map_block`; later rounds map the pairs that the round before emitted
 * by `map_pair`. */
struct mr_round {
    const char *name;
    enum mr_value value;
    uint32_t partitions; /* 0: from the size of the input (or --partitions, in the last round) */

    /* A record, without its line end. Valid during the call. */
    int (*map)(struct mr_ctx *ctx, void *state, struct mr_bytes record);

    /* A block of whole records, each with its '\n' (the last of a file may lack it). Stores how
     * many records it consumed: all of them, or the job fails. At least 64 readable bytes lie
     * before and behind the block. Faster than `map` on short records; takes its place. */
    int (*map_block)(struct mr_ctx *ctx, void *state, struct mr_bytes block, uint64_t *records);

    /* A pair of the round before. NULL: emitted as it is (MR_VALUES, MR_FIRST, MR_COMBINED rounds).
     */
    int (*map_pair)(struct mr_ctx *ctx, void *state, struct mr_bytes key, struct mr_bytes value);

    /* Folds `value` into `into`, both of the same key, and gives the result by mr_set. Must be
     * associative and commutative, to the byte. MR_COMBINED rounds only. */
    int (*combine)(struct mr_ctx *ctx, void *state, struct mr_bytes key, struct mr_bytes into,
                   struct mr_bytes value);

    /* Stores the partition of a key, below `partitions`. NULL: XXH3-64 of the key, modulo
     * `partitions`. */
    int (*partition)(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint32_t partitions,
                     uint32_t *partition);

    /* Stores <0, 0, >0 as `a` sorts before, with or after `b`. Keys it calls equal stand in byte
     * order. NULL: byte order. */
    int (*compare)(struct mr_ctx *ctx, void *state, struct mr_bytes a, struct mr_bytes b,
                   int *order);

    /* Stores whether two keys, neighbours in sorted order, belong to one group. NULL: the same
     * bytes. */
    int (*group)(struct mr_ctx *ctx, void *state, struct mr_bytes a, struct mr_bytes b, bool *same);

    /* A group: its first key in sorted order, and its values. Valid during the call. NULL: the line
     * KEY TAB VALUE for each value. */
    int (*reduce)(struct mr_ctx *ctx, void *state, struct mr_bytes key, struct mr_values *values);

    /* The same for rounds with a number for a value, which it gets already folded: no iterator.
     * Where both are set, this one is called. */
    int (*reduce_u64)(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint64_t value);
    int (*reduce_i64)(struct mr_ctx *ctx, void *state, struct mr_bytes key, int64_t value);
    int (*reduce_f64)(struct mr_ctx *ctx, void *state, struct mr_bytes key, double value);

    /* After the last group of a partition; may emit. A round that has it reduces each partition
     * from start to end with one state; without it, a partition may be cut in key ranges that run
     * at once. */
    int (*reduce_end)(struct mr_ctx *ctx, void *state);
};

/* A job. In a plugin, the object `mr_plugin_job` exported by MR_PLUGIN. */
struct mr_job {
    uint32_t abi; /* MR_JOB_ABI */
    const char *name;
    const char *summary;           /* one line */
    const char *const *examples;   /* command lines, ended by NULL; or NULL */
    const struct mr_param *params; /* ended by a row without a name; or NULL */
    const struct mr_round *rounds;
    uint32_t round_count;

    /* Checks the parameters together (mr_fail on what does not fit), and chooses the rounds that
     * run: both are preset to the job's own, and may be pointed to another list, which lives as
     * long as the plugin. NULL: the job's own. Called once, before any work; phase and round mean
     * nothing yet. */
    int (*plan)(struct mr_ctx *ctx, const struct mr_round **rounds, uint32_t *count);

    /* Makes a thread's state for one phase of one round of one pass (reduce with `reduce_end`: for
     * one partition): the place to unpack the loop's state. May set *state to NULL. One that
     * returns a failure has released what it made: teardown does not follow. */
    int (*setup)(struct mr_ctx *ctx, void **state);
    void (*teardown)(void *state);

    /* Makes the job a loop: called after each pass over the rounds, with the results of its last
     * reduce. May set the state of the next pass (mr_set_loop_state) and emit lines; the lines that
     * start and the calls of round_done emit, in this order, are the job's output, in one part.
     * *again is preset to false: the loop ends where it isn't set, and how many passes there may be
     * at most is the job's to decide (a parameter, usually). Gets no state of setup's: a loop that
     * stopped goes on from the bytes of its state alone, so there is nowhere else to remember
     * anything. One call at a time. Inputs are read once a pass: standard input and FIFOs, which
     * can't be read again, are refused. */
    int (*round_done)(struct mr_ctx *ctx, struct mr_results *results, bool *again);

    /* Before the first pass of a loop: sets its first state, from parameters and side inputs. NULL:
     * an empty one. */
    int (*start)(struct mr_ctx *ctx);

    /* Facts that the output depends on besides parameters (a library's data version), kept in the
     * manifest's result: "name=value" strings, ended by NULL; or NULL. Called with the job's
     * parameters. */
    const char *const *(*facts)(struct mr_ctx *ctx);
};

/* Exports a plugin's job, at file scope: MR_PLUGIN = {.abi = MR_JOB_ABI, .name = "...", ...}; */
#define MR_PLUGIN const struct mr_job mr_plugin_job
__attribute__((visibility("default"))) extern const struct mr_job mr_plugin_job;

#endif
