/* spec: a job as it was submitted: all that master and workers need to know to have it done.
 *
 * The client plans it, since planning asks the job's own code and looks at the input, which no
 * daemon does. It travels and is stored as a blob, named by its hash, so that it never changes. */
#ifndef MR_WORKER_SPEC_H
#define MR_WORKER_SPEC_H

#include "lib/base/buffer.h"
#include "lib/net/layout.h"
#include "lib/worker/orders.h"

#define MR_SPEC_BYTES_MAX ((size_t)256 << 20)

#define MR_SPEC_PARAM_FIELDS(S, N, T, B, R)                                                        \
    T(S, name, 256, "")                                                                            \
    T(S, value, 1 << 20, "as it was written; NULL: a flag")                                        \
    N(S, is_file, 1, "the value is a file's path, whose content is a blob:")                       \
    N(S, file_high, UINT64_MAX, "")                                                                \
    N(S, file_low, UINT64_MAX, "")

#define MR_SPEC_ROUND_FIELDS(S, N, T, B, R)                                                        \
    T(S, name, 256, "")                                                                            \
    N(S, partitions, UINT32_MAX, "")

#define MR_SPEC_INPUT_FIELDS(S, N, T, B, R)                                                        \
    T(S, path, MR_ORDERS_PATH_MAX, "absolute")                                                     \
    N(S, kind, 3, "enum mr_input_kind; no stream")                                                 \
    N(S, size, UINT64_MAX, "")                                                                     \
    N(S, mtime_seconds, UINT64_MAX, "")                                                            \
    N(S, mtime_nanoseconds, 999999999, "")                                                         \
    N(S, inode, UINT64_MAX, "")

#define MR_SPEC_SPLIT_FIELDS(S, N, T, B, R)                                                        \
    N(S, input, UINT32_MAX, "its number in the list")                                              \
    N(S, begin, UINT64_MAX, "")                                                                    \
    N(S, end, UINT64_MAX, "")

/* X(row name, NAME of its fields) */
#define MR_SPEC_ROW_TABLE(X)                                                                       \
    X(param, PARAM)                                                                                \
    X(round, ROUND)                                                                                \
    X(input, INPUT)                                                                                \
    X(split, SPLIT)

#define MR_SPEC_FIELDS(S, N, T, B, R)                                                              \
    T(S, version, 64, "of the Millrace that planned it")                                           \
    T(S, job, 256, "a built-in job's name, or what the plugin's file is called")                   \
    N(S, plugin_high, UINT64_MAX, "a blob; 0, 0: the job is built in")                             \
    N(S, plugin_low, UINT64_MAX, "")                                                               \
    R(S, params, param, 4096, "")                                                                  \
    N(S, files_xxh3, UINT64_MAX, "of all file parameters' contents")                               \
    T(S, label, 2048, "the command, for people")                                                   \
    R(S, rounds, round, 4096, "of a pass")                                                         \
    N(S, loops, 1, "the rounds are done again and again")                                          \
    R(S, inputs, input, 1 << 20, "")                                                               \
    R(S, splits, split, 1 << 22, "the map tasks of the first round")                               \
    N(S, block_bytes, UINT64_MAX, "what a task process may use: struct mr_orders_memory")          \
    N(S, collector_bytes, UINT64_MAX, "")                                                          \
    N(S, pool_limit, UINT64_MAX, "")                                                               \
    N(S, merge_bytes, UINT64_MAX, "")                                                              \
    N(S, range_bytes, UINT64_MAX, "")                                                              \
    N(S, buffered_max, UINT64_MAX, "")                                                             \
    N(S, fan_in, UINT64_MAX, "")                                                                   \
    N(S, record_bytes_max, UINT64_MAX, "")                                                         \
    N(S, state_max, UINT64_MAX, "")                                                                \
    N(S, task_memory, UINT64_MAX, "of a task and what it starts; 0: any")                          \
    N(S, task_timeout_ms, UINT32_MAX, "without a record")                                          \
    N(S, max_attempts, 1000, "at a task")                                                          \
    N(S, skip_bad_records, UINT32_MAX, "that may be set aside")                                    \
    N(S, weight, 1000, "of the job's share of slots")                                              \
    N(S, is_strict, 1, "a map task that gives other records when it is done again fails the job")  \
    N(S, is_verbose, 1, "")                                                                        \
    N(S, codec, 1, "of what workers fetch: enum mr_wire codec: 0 none, 1 lz4")                     \
    T(S, output, MR_ORDERS_PATH_MAX, "absolute: a directory to make; NULL: the client collects")   \
    N(S, overwrite, 1, "")                                                                         \
    N(S, started_seconds, UINT64_MAX, "wall clock, for the manifest")                              \
    N(S, started_nanoseconds, 999999999, "")                                                       \
    B(S, manifest, (uint64_t)64 << 20, "what is known of it by now: mr_manifest_describe")

#define MR_SPEC_N(S, name, max, doc) uint64_t name;
#define MR_SPEC_T(S, name, max, doc) const char *name;
#define MR_SPEC_B(S, name, max, doc) struct mr_bytes name;
#define MR_SPEC_R(S, name, row, max, doc)                                                          \
    const struct mr_spec_##row *name;                                                              \
    size_t name##_count;
#define MR_SPEC_ROW_STRUCT(row, NAME)                                                              \
    struct mr_spec_##row {                                                                         \
        MR_SPEC_##NAME##_FIELDS(, MR_SPEC_N, MR_SPEC_T, MR_SPEC_B, MR_SPEC_R)                      \
    };
MR_SPEC_ROW_TABLE(MR_SPEC_ROW_STRUCT)
struct mr_spec {
    MR_SPEC_FIELDS(, MR_SPEC_N, MR_SPEC_T, MR_SPEC_B, MR_SPEC_R)
};
#undef MR_SPEC_N
#undef MR_SPEC_T
#undef MR_SPEC_B
#undef MR_SPEC_R
#undef MR_SPEC_ROW_STRUCT

/* Appends the spec's bytes. */
MR_MUST_USE int mr_spec_encode(const struct mr_spec *spec, struct mr_buffer *bytes,
                               struct mr_error *err);
/* Reads and checks it: every split lies in an input that is there, and so on. It points into
 * `held` and `bytes`; release with mr_layout_release in any case. MR_ERR_IO: malformed. */
MR_MUST_USE int mr_spec_decode(struct mr_bytes bytes, struct mr_spec *spec,
                               struct mr_layout_held *held, struct mr_error *err);

#endif
