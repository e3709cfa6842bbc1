/* run_store: keeps the sorted runs of a round, in memory while they fit, else on disk. */
#include "lib/record/run_store.h"

#include "lib/base/error.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SPILL_FROM_EIGHTHS 5 /* of the limit: others go on meanwhile, up to it */

#define LONG_RUNS_MAX 64        /* of a level, of records that fill a merge's buffers alone */
#define STOP_CHECK_RECORDS 1024 /* a power of two */

struct mr_run_store {
    struct mr_run_store_options options;
    pthread_mutex_t lock;       /* of `runs` and `stats` */
    pthread_mutex_t spill_lock; /* one thread spills at a time */
    struct mr_run **runs;
    size_t count;
    size_t capacity;
    struct mr_run_store_stats stats;
};

int mr_run_store_create(const struct mr_run_store_options *options, struct mr_run_store **store,
                        struct mr_error *err) {
    struct mr_run_store *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "making the run store");
    }
    made->options = *options;
    pthread_mutex_init(&made->lock, NULL);
    pthread_mutex_init(&made->spill_lock, NULL);
    *store = made;
    return MR_OK;
}

void mr_run_store_destroy(struct mr_run_store *store) {
    if (!store) {
        return;
    }
    mr_run_store_clear(store);
    free(store->runs);
    pthread_mutex_destroy(&store->lock);
    pthread_mutex_destroy(&store->spill_lock);
    free(store);
}

void mr_run_store_clear(struct mr_run_store *store) {
    for (size_t i = 0; i < store->count; i++) {
        mr_run_destroy(store->runs[i]);
    }
    store->count = 0;
    store->stats = (struct mr_run_store_stats){0};
}

static int append_run(struct mr_run_store *store, struct mr_run *run, struct mr_error *err) {
    int status = MR_OK;
    pthread_mutex_lock(&store->lock);
    if (store->count == store->capacity) {
        size_t capacity = store->capacity ? store->capacity * 2 : 16;
        struct mr_run **runs = realloc(store->runs, capacity * sizeof(struct mr_run *));
        if (runs) {
            store->runs = runs;
            store->capacity = capacity;
        } else {
            status = mr_error_nomem(err, "keeping a sorted run");
        }
    }
    if (!status) {
        store->runs[store->count++] = run;
    }
    pthread_mutex_unlock(&store->lock);
    if (status) {
        mr_run_destroy(run);
    }
    return status;
}

/* What a merge of runs into one needs. */
struct rewrite {
    struct mr_run_writer *writer;
    struct mr_fold fold;
    struct mr_buffer key;
    struct mr_prefix prefix;
    uint64_t combined;
    const struct mr_run_store_options *options;
    bool has_key;
};

static bool is_stopped(const struct mr_run_store_options *options, struct mr_error *err) {
    const atomic_bool *stop = options->stop;
    if (options->beats) {
        ++*options->beats;
    }
    return stop && atomic_load_explicit(stop, memory_order_relaxed) &&
           mr_error_set(err, MR_ERR_INTERRUPTED, "interrupted");
}

static int flush_key(struct rewrite *rewrite, uint32_t partition, struct mr_error *err) {
    struct mr_bytes value;
    if (!rewrite->has_key) {
        return MR_OK;
    }
    rewrite->has_key = false;
    if (mr_fold_result(&rewrite->fold, &value, err)) {
        return err->code;
    }
    struct mr_bytes key = {rewrite->key.data, rewrite->key.len};
    return mr_run_writer_add(rewrite->writer, partition, rewrite->prefix, key, value, err);
}

static int fold_record(struct rewrite *rewrite, uint32_t partition, const struct mr_cursor *record,
                       struct mr_error *err) {
    struct mr_bytes key = {rewrite->key.data, rewrite->key.len};
    if (rewrite->has_key && mr_merge_same_key(rewrite->prefix, key, record->prefix, record->key)) {
        rewrite->combined++;
        return mr_fold_add(&rewrite->fold, key, record->value, err);
    }
    if (flush_key(rewrite, partition, err)) {
        return err->code;
    }
    rewrite->key.len = 0;
    if (mr_buffer_append(&rewrite->key, record->key.data, record->key.len, err)) {
        return err->code;
    }
    rewrite->prefix = record->prefix;
    rewrite->has_key = true;
    return mr_fold_begin(&rewrite->fold, record->value, err);
}

static int rewrite_partition(struct rewrite *rewrite, struct mr_run *const *runs, size_t count,
                             uint32_t partition, const struct mr_record_rules *rules,
                             struct mr_error *err) {
    struct mr_merge merge;
    struct mr_key_range all = {0};
    const struct mr_cursor *record;
    if (mr_merge_open(&merge, runs, count, partition, &all, &rules->order, err)) {
        return err->code;
    }
    for (uint64_t records = 0; mr_merge_next(&merge, &record, err) > 0; records++) {
        if (records % STOP_CHECK_RECORDS == 0 && is_stopped(rewrite->options, err)) {
            break;
        }
        int status = rules->kind == MR_VALUES
                         ? mr_run_writer_add(rewrite->writer, partition, record->prefix,
                                             record->key, record->value, err)
                         : fold_record(rewrite, partition, record, err);
        if (status) {
            break;
        }
    }
    if (!err->code) {
        (void)!flush_key(rewrite, partition, err);
    }
    mr_merge_close(&merge);
    return err->code;
}

/* Merges runs into a writer, partition by partition; the runs are left as they are. */
static int merge_into(struct mr_run_store *store, struct mr_run *const *runs, size_t count,
                      const struct mr_record_rules *rules, struct mr_run_writer *writer,
                      struct mr_error *err) {
    struct rewrite rewrite = {
        .writer = writer,
        .fold = {.kind = rules->kind, .combine = rules->combine, .arg = rules->arg},
        .options = &store->options};
    for (uint32_t p = rules->partition_begin; p < rules->partitions && !err->code; p++) {
        (void)!rewrite_partition(&rewrite, runs, count, p, rules, err);
    }
    pthread_mutex_lock(&store->lock);
    store->stats.combined += rewrite.combined;
    pthread_mutex_unlock(&store->lock);
    mr_fold_fini(&rewrite.fold);
    mr_buffer_fini(&rewrite.key);
    return err->code;
}

/* Merges runs into one on disk; the runs are left as they are. */
static int merge_to_disk(struct mr_run_store *store, struct mr_run *const *runs, size_t count,
                         const struct mr_record_rules *rules, struct mr_run **merged,
                         struct mr_error *err) {
    struct mr_run_writer writer;
    if (!mr_run_writer_open(&writer, store->options.pool, store->options.tmp, err) &&
        !merge_into(store, runs, count, rules, &writer, err) &&
        !mr_run_writer_finish(&writer, merged, err)) {
        pthread_mutex_lock(&store->lock);
        store->stats.bytes_spilled += (*merged)->bytes;
        pthread_mutex_unlock(&store->lock);
    }
    mr_run_writer_abandon(&writer);
    return err->code;
}

int mr_run_store_merge(struct mr_run_store *store, struct mr_run_writer *writer,
                       const struct mr_record_rules *rules, struct mr_error *err) {
    return merge_into(store, store->runs, store->count, rules, writer, err);
}

/* What reading a run takes; those in memory take nothing more. */
static size_t buffer_bytes(const struct mr_run *run) {
    if (run->fd < 0) {
        return 0;
    }
    return run->block_max > MR_RUN_BLOCK_BYTES ? run->block_max : MR_POOL_CHUNK_BYTES;
}

/* Buffers that one merge may have; long records fill them with a few runs. */
static size_t buffer_bytes_max(const struct mr_run_store *store) {
    return store->options.fan_in * MR_POOL_CHUNK_BYTES;
}

/* Takes those runs out of the store that are in memory (level 0), or on disk and of this level: as
 * many as buffers allow, but two at least. The caller owns the array and the runs. */
static int take_runs(struct mr_run_store *store, unsigned level, struct mr_run ***taken,
                     size_t *count, struct mr_error *err) {
    size_t kept = 0;
    size_t bytes = 0;
    *count = 0;
    pthread_mutex_lock(&store->lock);
    *taken = malloc((store->count + 1) * sizeof(struct mr_run *));
    for (size_t i = 0; *taken && i < store->count; i++) {
        struct mr_run *run = store->runs[i];
        size_t need = buffer_bytes(run);
        if (run->level == level && (*count < 2 || bytes + need <= buffer_bytes_max(store))) {
            bytes += need;
            (*taken)[(*count)++] = run;
        } else {
            store->runs[kept++] = run;
        }
    }
    store->count = *taken ? kept : store->count;
    pthread_mutex_unlock(&store->lock);
    return *taken ? MR_OK : mr_error_nomem(err, "choosing runs to merge");
}

/* Merges runs of a level into one of the next. */
static int merge_level(struct mr_run_store *store, unsigned level,
                       const struct mr_record_rules *rules, struct mr_error *err) {
    struct mr_run **runs;
    size_t count;
    struct mr_run *merged = NULL;
    if (take_runs(store, level, &runs, &count, err)) {
        return err->code;
    }
    if (count && !merge_to_disk(store, runs, count, rules, &merged, err)) {
        merged->level = level + 1;
        (void)!append_run(store, merged, err);
    }
    for (size_t i = 0; i < count; i++) {
        mr_run_destroy(runs[i]);
    }
    free(runs);
    return err->code;
}

static size_t count_level(struct mr_run_store *store, unsigned level) {
    size_t count = 0;
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < store->count; i++) {
        count += store->runs[i]->level == level;
    }
    pthread_mutex_unlock(&store->lock);
    return count;
}

/* Whether so many runs of a level have gathered that one merge can just take them. Merging long
 * records takes much memory while others map: it is put off as long as files may be open. */
static bool is_level_full(struct mr_run_store *store, unsigned level) {
    size_t count = 0;
    size_t bytes = 0;
    size_t longest = 0;
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < store->count; i++) {
        if (store->runs[i]->level == level) {
            size_t need = buffer_bytes(store->runs[i]);
            count++;
            bytes += need;
            longest = need > longest ? need : longest;
        }
    }
    pthread_mutex_unlock(&store->lock);
    if (longest > buffer_bytes_max(store)) {
        return count >= LONG_RUNS_MAX;
    }
    return count > 1 && (count >= store->options.fan_in || bytes >= buffer_bytes_max(store));
}

static int spill(struct mr_run_store *store, const struct mr_record_rules *rules,
                 struct mr_error *err) {
    if (merge_level(store, 0, rules, err)) {
        return err->code;
    }
    for (unsigned level = 1; is_level_full(store, level); level++) {
        if (merge_level(store, level, rules, err)) {
            return err->code;
        }
    }
    return MR_OK;
}

static bool is_over(const struct mr_run_store *store, size_t bytes) {
    return mr_pool_bytes(store->options.pool) > bytes;
}

/* With the spill lock held. */
static void spill_if_over(struct mr_run_store *store, size_t bytes,
                          const struct mr_record_rules *rules, struct mr_error *err) {
    bool has_some = is_over(store, bytes) && count_level(store, 0) > 0;
    if (has_some || is_level_full(store, 1)) {
        (void)!spill(store, rules, err);
    }
}

int mr_run_store_put(struct mr_run_store *store, struct mr_run *run,
                     const struct mr_record_rules *rules, struct mr_error *err) {
    size_t limit = store->options.limit_bytes;
    size_t early = limit / 8 * SPILL_FROM_EIGHTHS;
    if (run->records == 0) {
        mr_run_destroy(run);
        return MR_OK;
    }
    run->level = run->fd >= 0 ? 1 : 0;
    if (append_run(store, run, err) || !(is_over(store, early) || is_level_full(store, 1))) {
        return err->code;
    }
    if (pthread_mutex_trylock(&store->spill_lock) == 0) {
        spill_if_over(store, early, rules, err);
    } else if (is_over(store, limit)) { /* somebody spills, but there is no room meanwhile */
        pthread_mutex_lock(&store->spill_lock);
        spill_if_over(store, limit, rules, err);
    } else {
        return MR_OK;
    }
    pthread_mutex_unlock(&store->spill_lock);
    return err->code;
}

int mr_run_store_adopt(struct mr_run_store *store, struct mr_run *run, struct mr_error *err) {
    if (run->records == 0) {
        mr_run_destroy(run);
        return MR_OK;
    }
    run->level = 1;
    return append_run(store, run, err);
}

/* What merging the runs on disk takes for buffers. */
struct disk_runs {
    size_t bytes;
    size_t count;
    unsigned lowest_level;
};

static struct disk_runs survey_disk_runs(const struct mr_run_store *store) {
    struct disk_runs disk = {0};
    for (size_t i = 0; i < store->count; i++) {
        const struct mr_run *run = store->runs[i];
        if (run->fd >= 0) {
            disk.bytes += buffer_bytes(run);
            disk.lowest_level =
                !disk.count || run->level < disk.lowest_level ? run->level : disk.lowest_level;
            disk.count++;
        }
    }
    return disk;
}

static size_t longest_block(const struct mr_run_store *store) {
    size_t longest = 0;
    for (size_t i = 0; i < store->count; i++) {
        longest = store->runs[i]->block_max > longest ? store->runs[i]->block_max : longest;
    }
    return longest;
}

static int compare_runs(const void *left, const void *right) {
    const struct mr_run *a = *(struct mr_run *const *)left;
    const struct mr_run *b = *(struct mr_run *const *)right;
    return (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

int mr_run_store_settle(struct mr_run_store *store, size_t buffer_bytes,
                        const struct mr_record_rules *rules, struct mr_error *err) {
    /* Where long records leave no room for them, runs in memory go to disk. */
    bool is_tight =
        longest_block(store) > MR_RUN_BLOCK_BYTES && mr_run_store_is_tight(store, buffer_bytes);
    if (is_tight && count_level(store, 0) && merge_level(store, 0, rules, err)) {
        return err->code;
    }
    struct disk_runs disk = survey_disk_runs(store);
    while (disk.bytes > buffer_bytes && disk.count > 1) {
        if (count_level(store, disk.lowest_level) > 1) {
            if (merge_level(store, disk.lowest_level, rules, err)) {
                return err->code;
            }
        } else { /* alone on its level: joins the next */
            for (size_t i = 0; i < store->count; i++) {
                store->runs[i]->level += store->runs[i]->level == disk.lowest_level;
            }
        }
        disk = survey_disk_runs(store);
    }
    if (store->count) {
        qsort(store->runs, store->count, sizeof(struct mr_run *), compare_runs);
    }
    return MR_OK;
}

struct mr_run *const *mr_run_store_runs(const struct mr_run_store *store, size_t *count) {
    *count = store->count;
    return store->runs;
}

const char *mr_run_store_tmp(const struct mr_run_store *store) {
    return store->options.tmp;
}

bool mr_run_store_is_tight(const struct mr_run_store *store, size_t buffer_bytes) {
    /* A key is held once more while its group is reduced, and once as output. */
    return survey_disk_runs(store).bytes + 2 * longest_block(store) > buffer_bytes;
}

uint64_t mr_run_store_bytes(const struct mr_run_store *store, uint32_t partition) {
    uint64_t bytes = 0;
    struct mr_key_range all = {0};
    for (size_t i = 0; i < store->count; i++) {
        size_t begin;
        size_t end;
        mr_cursor_blocks(store->runs[i], partition, &all, &begin, &end);
        for (; begin < end; begin++) {
            bytes += store->runs[i]->blocks[begin].full_len;
        }
    }
    return bytes;
}

uint64_t mr_run_store_records(const struct mr_run_store *store) {
    uint64_t records = 0;
    for (size_t i = 0; i < store->count; i++) {
        records += store->runs[i]->records;
    }
    return records;
}

struct cut {
    struct mr_prefix first;
    uint32_t len;
};

static int compare_cuts(const void *left, const void *right) {
    const struct cut *a = left;
    const struct cut *b = right;
    return mr_prefix_less(b->first, a->first) - mr_prefix_less(a->first, b->first);
}

/* The first keys of all blocks of a partition, in order. */
static int collect_cuts(const struct mr_run_store *store, uint32_t partition, struct cut **cuts,
                        size_t *count, struct mr_error *err) {
    struct mr_key_range all = {0};
    size_t total = 0;
    *count = 0;
    for (size_t i = 0; i < store->count; i++) {
        total += store->runs[i]->block_count;
    }
    *cuts = malloc((total + 1) * sizeof **cuts);
    if (!*cuts) {
        return mr_error_nomem(err, "cutting a partition into key ranges");
    }
    for (size_t i = 0; i < store->count; i++) {
        const struct mr_run *run = store->runs[i];
        size_t begin;
        size_t end;
        mr_cursor_blocks(run, partition, &all, &begin, &end);
        for (; begin < end; begin++) {
            (*cuts)[(*count)++] =
                (struct cut){run->blocks[begin].first, run->blocks[begin].full_len};
        }
    }
    if (*count) {
        qsort(*cuts, *count, sizeof **cuts, compare_cuts);
    }
    return MR_OK;
}

int mr_run_store_ranges(const struct mr_run_store *store, uint32_t partition, uint64_t bytes,
                        struct mr_key_range **ranges, size_t *count, struct mr_error *err) {
    struct cut *cuts = NULL;
    size_t cut_count;
    if (collect_cuts(store, partition, &cuts, &cut_count, err)) {
        return err->code;
    }
    *ranges = calloc(cut_count + 1, sizeof **ranges);
    *count = 0;
    if (!*ranges) {
        free(cuts);
        return mr_error_nomem(err, "cutting a partition into key ranges");
    }
    struct mr_key_range range = {0};
    uint64_t gathered = 0;
    for (size_t i = 0; i < cut_count; i++) {
        bool is_new = !range.bounded_below || mr_prefix_less(range.from, cuts[i].first);
        if (gathered >= bytes && is_new) {
            range.bounded_above = true;
            range.to = cuts[i].first;
            (*ranges)[(*count)++] = range;
            range = (struct mr_key_range){.bounded_below = true, .from = cuts[i].first};
            gathered = 0;
        }
        gathered += cuts[i].len;
    }
    (*ranges)[(*count)++] = range;
    free(cuts);
    return MR_OK;
}

struct mr_run_store_stats mr_run_store_stats(struct mr_run_store *store) {
    pthread_mutex_lock(&store->lock);
    struct mr_run_store_stats stats = store->stats;
    pthread_mutex_unlock(&store->lock);
    return stats;
}
