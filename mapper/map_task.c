/* map_task: maps one split, by any number of threads at once. */
#include "mapper/map_task.h"

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/lines.h"
#include <stdlib.h>

#define LONG_BLOCKS 2 /* pairs of so many blocks are mapped by one thread at a time */

struct mr_map_task {
    struct mr_map_task_source source;
    struct mr_reader *reader;
    atomic_uint_fast64_t records; /* read, for progress */
    atomic_bool is_used_up;
    atomic_bool is_claimed; /* pairs: by the one thread that maps them */
};

static bool is_replayed(const struct mr_map_task *task) {
    return task->source.replay && task->source.replay->is_whole;
}

int mr_map_task_open(const struct mr_map_task_source *source, struct mr_map_task **task,
                     struct mr_error *err) {
    struct mr_map_task *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "starting a map task");
    }
    made->source = *source;
    if (source->input && !is_replayed(made) &&
        mr_reader_open(source->input, source->split, &source->reader, &made->reader, err)) {
        free(made);
        return err->code;
    }
    *task = made;
    return MR_OK;
}

void mr_map_task_close(struct mr_map_task *task) {
    if (task && task->reader) {
        mr_reader_close(task->reader);
    }
    free(task);
}

bool mr_map_task_has_more(const struct mr_map_task *task) {
    return task->reader && !atomic_load(&task->is_used_up);
}

uint64_t mr_map_task_consumed(const struct mr_map_task *task) {
    return task->reader ? mr_reader_consumed(task->reader) : 0;
}

uint64_t mr_map_task_records(const struct mr_map_task *task) {
    return atomic_load_explicit(&task->records, memory_order_relaxed);
}

static bool is_stopped(struct mr_context *context, const atomic_bool *stop) {
    return stop && atomic_load_explicit(stop, memory_order_relaxed) &&
           mr_error_set(&context->err, MR_ERR_INTERRUPTED, "interrupted");
}

/* Calls map for each line of a block. */
static int map_lines(struct mr_context *context, struct mr_bytes block, const atomic_bool *stop,
                     uint64_t *mapped) {
    const char *at = block.data;
    const char *end = at + block.len;
    while (at < end && !is_stopped(context, stop)) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *record_end = newline ? newline : end;
        context->where->record = (uint64_t)(at - block.data);
        struct mr_bytes record = {at, (size_t)(record_end - at)};
        int status = context->round->map(&context->ctx, context->state, record);
        if (status || context->err.code) {
            return mr_context_failed(context, "map", status);
        }
        ++*mapped;
        at = record_end + 1;
    }
    return MR_OK;
}

static uint64_t count_records(struct mr_bytes block) {
    return mr_lines_count(block.data, block.len) + (block.len && block.data[block.len - 1] != '\n');
}

static int map_block(struct mr_context *context, struct mr_bytes block, const atomic_bool *stop,
                     struct mr_map_counts *counts) {
    uint64_t read = count_records(block);
    uint64_t mapped = 0;
    int status;
    if (context->round->map_block) {
        status = context->round->map_block(&context->ctx, context->state, block, &mapped);
        if (status || context->err.code) {
            mr_context_failed(context, "map_block", status);
        }
    } else {
        (void)!map_lines(context, block, stop, &mapped);
    }
    if (!context->err.code && mapped != read) {
        return mr_fail(&context->ctx, "map_block consumed %llu of %llu records",
                       (unsigned long long)mapped, (unsigned long long)read);
    }
    counts->records_read += read;
    counts->records_mapped += mapped;
    counts->bytes += block.len;
    return context->err.code;
}

/* Whether a skip begins in the block; *next is the first that does, or lies behind it. */
static bool has_skip(const struct mr_map_care *care, const struct mr_block *block, size_t *next) {
    for (*next = 0; *next < care->skip_count && care->skips[*next] < block->offset;) {
        ++*next;
    }
    return *next < care->skip_count && care->skips[*next] < block->offset + block->bytes.len;
}

/* Maps a block one record at a time, and sets aside those that are to be skipped. */
static int map_carefully(const struct mr_map_care *care, struct mr_context *context,
                         const struct mr_block *block, size_t skip, struct mr_map_counts *counts) {
    const char *at = block->bytes.data;
    const char *end = at + block->bytes.len;
    while (at < end && !context->err.code) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        struct mr_bytes record = {at, (size_t)((newline ? newline + 1 : end) - at)};
        context->where->offset = block->offset + (uint64_t)(at - block->bytes.data);
        context->where->record = 0;
        if (skip < care->skip_count && care->skips[skip] == context->where->offset) {
            skip++;
            counts->records_read++;
            counts->records_skipped++;
            counts->bytes += record.len;
            (void)!care->skipped(care->arg, context->where->offset, record, &context->err);
        } else {
            context->where->is_exact = true;
            (void)!map_block(context, record, NULL, counts);
        }
        at += record.len;
    }
    return context->err.code;
}

/* Maps a block as its task's care asks. */
static int map_with_care(const struct mr_map_care *care, struct mr_context *context,
                         const struct mr_block *block, const atomic_bool *stop,
                         struct mr_map_counts *counts) {
    size_t skip = 0;
    if (care && (has_skip(care, block, &skip) || care->block == block->offset)) {
        return map_carefully(care, context, block, skip, counts);
    }
    context->where->offset = block->offset;
    context->where->record = 0;
    context->where->is_exact = !context->round->map_block;
    return map_block(context, block->bytes, stop, counts);
}

/* The next block of the split: 1, 0 at its end, or the context's error. */
static int next_block(struct mr_map_task *task, struct mr_context *context, struct mr_block *block,
                      struct mr_map_counts *counts) {
    struct mr_replay *replay = task->source.replay;
    double start = mr_clock_seconds();
    int more = mr_reader_next(task->reader, block, &context->err);
    counts->read_seconds += mr_clock_seconds() - start;
    if (replay && more > 0 && mr_replay_keep(replay, block, &context->err)) {
        more = context->err.code;
    } else if (replay && more == 0) {
        mr_replay_end(replay);
    }
    return more;
}

/* Maps a block, and counts its records for who watches. */
static int map_counted(struct mr_map_task *task, struct mr_context *context,
                       const struct mr_block *block, const atomic_bool *stop,
                       struct mr_map_counts *counts) {
    uint64_t before = counts->records_read;
    int status = map_with_care(task->source.care, context, block, stop, counts);
    atomic_fetch_add_explicit(&task->records, counts->records_read - before, memory_order_relaxed);
    return status;
}

static int map_split(struct mr_map_task *task, struct mr_context *context, struct mr_block *block,
                     const atomic_bool *stop, struct mr_map_counts *counts) {
    for (;;) {
        if (is_stopped(context, stop)) {
            return context->err.code;
        }
        int more = next_block(task, context, block, counts);
        if (more <= 0) {
            atomic_store(&task->is_used_up, true);
            return context->err.code;
        }
        int status = map_counted(task, context, block, stop, counts);
        if (status) {
            atomic_store(&task->is_used_up, true);
            return context->err.code;
        }
    }
}

/* Maps the blocks that an earlier pass kept. */
static int map_replay(struct mr_map_task *task, struct mr_context *context, const atomic_bool *stop,
                      struct mr_map_counts *counts) {
    const struct mr_replay *replay = task->source.replay;
    for (size_t i = 0; i < replay->count && !is_stopped(context, stop); i++) {
        if (map_counted(task, context, &replay->blocks[i], stop, counts)) {
            break;
        }
    }
    return context->err.code;
}

static int map_pair(struct mr_collector *collector, struct mr_context *context,
                    const struct mr_cursor *cursor) {
    if (!context->round->map_pair) {
        return mr_collector_emit_pair(collector, cursor->key, cursor->value);
    }
    int status =
        context->round->map_pair(&context->ctx, context->state, cursor->key, cursor->value);
    if (status || context->err.code) {
        return mr_context_failed(context, "map_pair", status);
    }
    return MR_OK;
}

static int map_pairs(struct mr_map_task *task, struct mr_collector *collector,
                     const atomic_bool *stop, struct mr_map_counts *counts) {
    struct mr_context *context = mr_collector_context(collector);
    struct mr_key_range all = {0};
    struct mr_cursor cursor = {0};
    if (mr_cursor_open(&cursor, task->source.pairs, task->source.pairs_partition, &all,
                       &context->err)) {
        return context->err.code;
    }
    while (!mr_cursor_step(&cursor, &context->err) && !cursor.at_end) {
        if (is_stopped(context, stop)) {
            break;
        }
        context->where->record = counts->records_read++;
        atomic_fetch_add_explicit(&task->records, 1, memory_order_relaxed);
        if (map_pair(collector, context, &cursor)) {
            break;
        }
        counts->records_mapped++;
        counts->bytes += cursor.key.len + cursor.value.len;
    }
    mr_cursor_close(&cursor);
    return context->err.code;
}

/* The same; where they are long, by one thread at a time. */
static int map_pairs_in_turn(struct mr_map_task *task, struct mr_collector *collector,
                             const atomic_bool *stop, struct mr_map_counts *counts) {
    const struct mr_map_task_source *source = &task->source;
    bool are_long = source->pairs->block_max > LONG_BLOCKS * source->reader.block_bytes;
    pthread_mutex_t *large = are_long ? source->reader.large : NULL;
    if (large) {
        pthread_mutex_lock(large);
    }
    int status = map_pairs(task, collector, stop, counts);
    if (large) {
        pthread_mutex_unlock(large);
    }
    return status;
}

int mr_map_task_work(struct mr_map_task *task, struct mr_collector *collector,
                     struct mr_block *block, const atomic_bool *stop,
                     struct mr_map_counts *counts) {
    struct mr_context *context = mr_collector_context(collector);
    mr_collector_set_split(collector, task->source.task);
    context->where->task = task->source.task;
    context->where->input = task->source.input ? task->source.input->path : NULL;
    mr_context_where = context->where;
    int status = MR_OK;
    if (task->reader) {
        status = map_split(task, context, block, stop, counts);
    } else if (is_replayed(task)) {
        status = map_replay(task, context, stop, counts);
    } else if (!atomic_exchange(&task->is_claimed, true)) {
        status = map_pairs_in_turn(task, collector, stop, counts);
    }
    mr_context_where = NULL;
    return status;
}
