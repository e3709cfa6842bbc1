/* books: adds up what a round did, and checks that nothing was lost. */
#include "master/local/common/books.h"

#include "lib/base/error.h"
#include <stdlib.h>

void mr_books_take_counters(struct mr_books *books, const struct mr_counters *counters) {
    for (size_t i = 0; i < counters->count; i++) {
        (void)!mr_context_counters_add(&books->counters, counters->items[i].name,
                                       counters->items[i].value, &books->err);
    }
}

void mr_books_take_store(struct mr_books *books, struct mr_run_store *store, uint32_t partitions) {
    struct mr_run_store_stats stats = mr_run_store_stats(store);
    books->combined += stats.combined;
    books->bytes_spilled = stats.bytes_spilled;
    books->shuffled = mr_run_store_records(store);
    for (uint32_t p = 0; p < partitions; p++) {
        books->run_bytes += mr_run_store_bytes(store, p);
    }
}

void mr_books_add(struct mr_books *books, struct mr_books *worker, struct mr_error *err) {
    books->map.records_read += worker->map.records_read;
    books->map.records_mapped += worker->map.records_mapped;
    books->map.records_skipped += worker->map.records_skipped;
    books->map.bytes += worker->map.bytes;
    books->map.read_seconds += worker->map.read_seconds;
    books->reduce.pairs_reduced += worker->reduce.pairs_reduced;
    books->reduce.groups += worker->reduce.groups;
    books->reduce.groups_with_output += worker->reduce.groups_with_output;
    books->reduce.groups_without_output += worker->reduce.groups_without_output;
    books->reduce.records_out += worker->reduce.records_out;
    books->reduce.bytes_out += worker->reduce.bytes_out;
    books->reduce.wait_seconds += worker->reduce.wait_seconds;
    books->emitted += worker->emitted;
    books->combined += worker->combined;
    books->map_seconds += worker->map_seconds;
    books->reduce_seconds += worker->reduce_seconds;
    mr_books_take_counters(books, &worker->counters);
    *err = worker->err.code ? worker->err : books->err;
    mr_books_fini(worker);
}

void mr_books_fini(struct mr_books *books) {
    free(books->counters.items);
    *books = (struct mr_books){0};
}

/* One line of the account. */
static int check_line(const char *job, const char *left_name, uint64_t left, const char *right_name,
                      uint64_t right, struct mr_error *err) {
    if (left == right) {
        return MR_OK;
    }
    return mr_error_set(err, MR_ERR_INTERNAL,
                        "%s: the books don't balance: %llu %s, but %llu %s; nothing was written",
                        job, (unsigned long long)left, left_name, (unsigned long long)right,
                        right_name);
}

int mr_books_check(const struct mr_books *books, const char *job, struct mr_error *err) {
    const struct mr_reduce_counts *reduce = &books->reduce;
    if (check_line(job, "records read", books->map.records_read, "records mapped or skipped",
                   books->map.records_mapped + books->map.records_skipped, err) ||
        check_line(job, "pairs emitted", books->emitted, "pairs combined or shuffled",
                   books->combined + books->shuffled, err) ||
        check_line(job, "pairs shuffled", books->shuffled, "pairs reduced", reduce->pairs_reduced,
                   err) ||
        check_line(job, "groups", reduce->groups, "groups with and without output",
                   reduce->groups_with_output + reduce->groups_without_output, err)) {
        return err->code;
    }
    return MR_OK;
}

static void add_phase(struct mr_run_phase *phase, struct mr_run_phase more) {
    phase->seconds += more.seconds;
    phase->thread_seconds += more.thread_seconds;
    phase->wait_seconds += more.wait_seconds;
    phase->bytes += more.bytes;
}

void mr_books_report(const struct mr_books *books, struct mr_run_round *round) {
    const struct mr_run_books more = {
        .records_read = books->map.records_read,
        .records_mapped = books->map.records_mapped,
        .records_skipped = books->map.records_skipped,
        .pairs_emitted = books->emitted,
        .pairs_combined = books->combined,
        .pairs_shuffled = books->shuffled,
        .pairs_reduced = books->reduce.pairs_reduced,
        .groups = books->reduce.groups,
        .groups_with_output = books->reduce.groups_with_output,
        .groups_without_output = books->reduce.groups_without_output,
        .records_out = books->reduce.records_out,
        .bytes_spilled = books->bytes_spilled,
    };
#define ADD_COUNTER(name, kind) round->books.name += more.name;
    MR_RUN_COUNTER_TABLE(ADD_COUNTER)
#undef ADD_COUNTER
    add_phase(&round->map, (struct mr_run_phase){.seconds = books->seconds_map,
                                                 .thread_seconds = books->map_seconds,
                                                 .wait_seconds = books->map.read_seconds,
                                                 .bytes = books->map.bytes});
    add_phase(&round->reduce, (struct mr_run_phase){.seconds = books->seconds_reduce,
                                                    .thread_seconds = books->reduce_seconds,
                                                    .wait_seconds = books->reduce.wait_seconds,
                                                    .bytes = books->reduce.bytes_out});
}

static int compare_counters(const void *left, const void *right) {
    const struct mr_run_counter *a = left;
    const struct mr_run_counter *b = right;
    return strcmp(a->name, b->name);
}

int mr_books_merge_counters(const struct mr_counters *counters, struct mr_run_result *result,
                            struct mr_error *err) {
    struct mr_counters all = {result->counters, result->counter_count};
    for (size_t i = 0; i < counters->count && !err->code; i++) {
        (void)!mr_context_counters_add(&all, counters->items[i].name, counters->items[i].value,
                                       err);
    }
    result->counters = all.items;
    result->counter_count = all.count;
    if (all.count) {
        qsort(all.items, all.count, sizeof *all.items, compare_counters);
    }
    return err->code;
}

void mr_books_of_account(const struct mr_account *sum, struct mr_books *books) {
    *books = (struct mr_books){.map = {.records_read = sum->records_read,
                                       .records_mapped = sum->records_mapped,
                                       .records_skipped = sum->records_skipped,
                                       .bytes = sum->bytes_read,
                                       .read_seconds = (double)sum->read_us / 1e6},
                               .reduce = {.pairs_reduced = sum->pairs_reduced,
                                          .groups = sum->groups,
                                          .groups_with_output = sum->groups_with_output,
                                          .groups_without_output = sum->groups_without_output,
                                          .records_out = sum->records_out,
                                          .bytes_out = sum->bytes_out,
                                          .wait_seconds = (double)sum->wait_us / 1e6},
                               .emitted = sum->emitted,
                               .combined = sum->combined + sum->merged,
                               .shuffled = sum->output_records - sum->merged,
                               .run_bytes = sum->output_bytes,
                               .bytes_spilled = sum->spilled,
                               .map_seconds = (double)sum->map_us / 1e6,
                               .reduce_seconds = (double)sum->reduce_us / 1e6,
                               .counters = sum->counters};
}
