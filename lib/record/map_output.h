/* map_output: a map attempt's output as one immutable file that says whose it is.
 *
 * What a map task in a process of its own leaves for the reduce tasks, and what a reduce task hands
 * to the next round: the blocks of one run, behind a header that names job, round, task and
 * attempt, with the index and a trailer behind them. docs/run-format.md has the layout.
 *
 * The file is written once, front to back, under its final name, by somebody whose word that it is
 * complete is needed too: a file without a trailer, or with a wrong one, is refused. Every byte is
 * covered by a checksum: those of header, index and trailer are checked when it is opened, a
 * block's when it is read. Reading gives runs, so that merge and reduce don't know the difference.
 *
 * Two attempts at one task are compared by their digest: XXH3-64 of the stream of records, each
 * partition's behind its number. Blocks are cut by what the records are, nothing else, so that it
 * is a function of them. */
#ifndef MR_RECORD_MAP_OUTPUT_H
#define MR_RECORD_MAP_OUTPUT_H

#include "lib/record/run.h"
#include <mr/job.h>

#define MR_MAP_OUTPUT_JOB_BYTES 16
#define MR_MAP_OUTPUT_ALL UINT32_MAX /* partitions */

enum mr_map_output_order {
    MR_MAP_OUTPUT_BY_KEY = 1,
    MR_MAP_OUTPUT_BY_ARRIVAL = 2, /* pairs for the next round */
};

/* Whose output a file is. */
struct mr_map_output_identity {
    unsigned char job[MR_MAP_OUTPUT_JOB_BYTES];
    uint32_t round;
    uint32_t task;
    uint32_t attempt;
    uint32_t partitions; /* of the round; 1 by arrival */
    enum mr_map_output_order order;
    enum mr_value value;
};

/* In the caller's storage; records are added to `run`. */
struct mr_map_output_writer {
    struct mr_run_writer run;
    struct mr_map_output_identity identity;
    struct mr_run_digest digest;
};

struct mr_map_output_summary {
    uint64_t records;
    uint64_t bytes; /* of the file */
    uint64_t digest;
};

/* Makes `path` (it may not exist). `dir`, for errors, is borrowed. */
MR_MUST_USE int mr_map_output_create(struct mr_map_output_writer *writer, struct mr_pool *pool,
                                     const char *dir, const char *path,
                                     const struct mr_map_output_identity *identity,
                                     struct mr_error *err);
/* Writes index and trailer, and closes. Not synced: who loses it makes it again. */
MR_MUST_USE int mr_map_output_finish(struct mr_map_output_writer *writer,
                                     struct mr_map_output_summary *summary, struct mr_error *err);
/* Gives up, leaving the file; harmless on a finished or zeroed writer. */
void mr_map_output_abandon(struct mr_map_output_writer *writer);

struct mr_map_output; /* an open file and its index; opaque */

/* Opens a file and checks all but its blocks. One that is not `identity`'s, or not whole:
 * MR_ERR_IO, saying what differs. */
MR_MUST_USE int mr_map_output_open(const char *path, const struct mr_map_output_identity *identity,
                                   struct mr_map_output **output, struct mr_error *err);
/* The same for a descriptor, which is taken over, also on failure. `name` is for errors. */
MR_MUST_USE int mr_map_output_open_file(int fd, const char *name,
                                        const struct mr_map_output_identity *identity,
                                        struct mr_map_output **output, struct mr_error *err);
/* Harmless on NULL. */
void mr_map_output_close(struct mr_map_output *output);

/* A partition of the file, or all of it, as a run of its own, which the caller destroys. Reading
 * takes buffers from `pool`. */
MR_MUST_USE int mr_map_output_run(const struct mr_map_output *output, uint32_t partition,
                                  struct mr_pool *pool, struct mr_run **run, struct mr_error *err);

struct mr_map_output_summary mr_map_output_summary(const struct mr_map_output *output);

/* Whose output a file says that it is: reads its header. MR_ERR_IO: it is none. */
MR_MUST_USE int mr_map_output_identify(const char *path, struct mr_map_output_identity *identity,
                                       struct mr_error *err);

/* For who moves files: where a partition's blocks lie (*begin = *end: it has none), and where the
 * index begins, behind the last block. The header is before the first block: bytes 0 to
 * MR_MAP_OUTPUT_HEADER. A file of the same size with header, wanted partitions, index and trailer
 * in place, and holes elsewhere, opens like the whole one and gives these partitions. */
#define MR_MAP_OUTPUT_HEADER ((uint64_t)64)
void mr_map_output_extent(const struct mr_map_output *output, uint32_t partition, uint64_t *begin,
                          uint64_t *end);
uint64_t mr_map_output_index(const struct mr_map_output *output);
/* Reads all blocks of a partition and compares their checksums; MR_ERR_IO: one is wrong. */
MR_MUST_USE int mr_map_output_check(const struct mr_map_output *output, uint32_t partition,
                                    struct mr_error *err);

#endif
