/* key_sort: sorts references to keys.
 *
 * Radix sort, most significant byte first, over the 16 bytes in the reference ("the window"). A
 * bucket is a run of references whose keys agree before some byte of the window. It is split by the
 * first byte in which they differ, which skips what they have in common; the parts go from the
 * array to the scratch space or back, and so does everything below them. Behind the 16 bytes stands
 * a 17th digit: how much of the window the key fills, or that it goes on. It puts "a" before "a\0",
 * which the zero padding can't.
 *
 * Keys that agree in all 17 digits either end, and are equal, or go on. Then the window is moved:
 * to the end of what all of them have in common, found by comparing each with the first, and the
 * window's bytes are read anew. So a long common prefix is read once, not 16 bytes at a time. The
 * first such move remembers hi and lo, the same in the whole bucket, and puts them back at the end.
 *
 * Small buckets are sorted by insertion, comparing windows, then the bytes behind them.
 *
 * Bounds. Of a bucket's parts the largest is gone on with in the same loop; the others, each at
 * most half of it, are recursed into: 32 levels at most. Keys can be made of which each split takes
 * off only a few ("a", "aa", "aaa", ...), so that n of them take n splits of n references. A loop
 * that has split SPLITS_MAX times hands over to a merge sort that compares the keys.
 *
 * A stop is looked at every STOP_CHECK_REFS references of a large bucket. Behind it nothing is
 * compared any more, for a scatter that was left leaves what are no references. */
#include "lib/record/key_sort.h"

#include <endian.h>
#include <stdbool.h>

#define PREFIX MR_KEY_SORT_PREFIX
#define DIGIT_VALUES 256
#define DIGIT_LENGTH PREFIX        /* the 17th */
#define LENGTH_BEYOND (PREFIX + 1) /* its value where the key goes on behind the window */
#define SMALL 48                   /* references that are sorted by insertion */
#define SPLITS_MAX 128
#define STOP_CHECK_MERGED 4096              /* comparing keys takes longer */
#define STOP_CHECK_REFS ((uint32_t)1 << 18) /* a few milliseconds' work; a power of two */

/* References to be sorted at `home`. They agree in the `start` bytes before the window and in the
 * window's digits before `digit`. */
struct bucket {
    struct mr_key_ref *home;
    struct mr_key_ref *other;
    uint32_t count;
    bool away; /* they stand at `other` */
    unsigned digit;
    size_t start;
    const struct mr_key_source *source;
};

typedef int (*compare_function)(const void *arg, const struct mr_key_ref *a,
                                const struct mr_key_ref *b, int *order);

static void sort_bucket(struct bucket bucket);

void mr_key_sort_prefix(struct mr_key_ref *ref, const char *key, size_t len) {
    uint64_t window[2] = {0, 0};
    if (len >= PREFIX) {
        memcpy(window, key, PREFIX);
    } else if (len > 0) {
        memcpy(window, key, len);
    }
    ref->hi = be64toh(window[0]);
    ref->lo = be64toh(window[1]);
}

void mr_key_sort(struct mr_key_ref *refs, size_t count, struct mr_key_ref *scratch,
                 const struct mr_key_source *source) {
    sort_bucket((struct bucket){
        .home = refs, .other = scratch, .count = (uint32_t)count, .source = source});
}

static bool is_stopped(const struct mr_key_source *source) {
    return source && source->stop && atomic_load_explicit(source->stop, memory_order_relaxed);
}

/* Whether to go on from reference i; looks at the stop now and then. */
static inline bool goes_on(const struct bucket *bucket, uint32_t i) {
    return i < bucket->count && ((i + 1) % STOP_CHECK_REFS || !is_stopped(bucket->source));
}

static struct mr_key_ref *bucket_refs(const struct bucket *bucket) {
    return bucket->away ? bucket->other : bucket->home;
}

static void bring_home(struct bucket *bucket) {
    if (bucket->away) {
        memcpy(bucket->home, bucket->other, bucket->count * sizeof *bucket->home);
        bucket->away = false;
    }
}

static const char *key_of(const struct mr_key_source *source, const struct mr_key_ref *ref) {
    return source->key(source->arg, ref->index);
}

/* --- comparing --- */

/* The order of two keys whose windows are the same bytes. Never 0: then the index decides. */
static int compare_behind(const struct bucket *bucket, const struct mr_key_ref *a,
                          const struct mr_key_ref *b) {
    size_t end = bucket->start + PREFIX;
    uint32_t shorter = a->len < b->len ? a->len : b->len;
    if (shorter > end) {
        int order =
            memcmp(key_of(bucket->source, a) + end, key_of(bucket->source, b) + end, shorter - end);
        if (order) {
            return order;
        }
    }
    if (a->len != b->len) {
        return a->len < b->len ? -1 : 1;
    }
    return a->index < b->index ? -1 : 1;
}

static unsigned __int128 window_of(const struct mr_key_ref *ref) {
    return (unsigned __int128)ref->hi << 64 | ref->lo;
}

static bool is_before(const struct bucket *bucket, const struct mr_key_ref *a,
                      const struct mr_key_ref *b) {
    unsigned __int128 a_window = window_of(a);
    unsigned __int128 b_window = window_of(b);
    return a_window < b_window || (a_window == b_window && compare_behind(bucket, a, b) < 0);
}

/* Sorts by insertion what stands at `from` into `home`, which may be the same. */
static void sort_small(const struct bucket *bucket, const struct mr_key_ref *from,
                       struct mr_key_ref *home, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct mr_key_ref ref = from[i];
        uint32_t at = i;
        for (; at > 0 && is_before(bucket, &ref, &home[at - 1]); at--) {
            home[at] = home[at - 1];
        }
        home[at] = ref;
    }
}

/* --- splitting --- */

static unsigned length_digit(const struct bucket *bucket, const struct mr_key_ref *ref) {
    size_t inside = ref->len - bucket->start;
    return inside <= PREFIX ? (unsigned)inside : LENGTH_BEYOND;
}

/* Where in a reference the byte of a digit stands. */
static size_t digit_offset(unsigned digit) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    digit ^= 7;
#endif
    return offsetof(struct mr_key_ref, hi) + digit;
}

/* Counts the bucket's digits; returns that of its first reference. */
static unsigned count_digits(const struct bucket *bucket, uint32_t counts[DIGIT_VALUES]) {
    const struct mr_key_ref *refs = bucket_refs(bucket);
    memset(counts, 0, DIGIT_VALUES * sizeof *counts);
    if (bucket->digit == DIGIT_LENGTH) {
        for (uint32_t i = 0; i < bucket->count; i++) {
            counts[length_digit(bucket, &refs[i])]++;
        }
        return length_digit(bucket, &refs[0]);
    }
    const uint8_t *bytes = (const uint8_t *)refs + digit_offset(bucket->digit);
    for (uint32_t i = 0; i < bucket->count; i++) {
        counts[bytes[i * sizeof *refs]]++;
    }
    return bytes[0];
}

/* The first digit in which the bucket's windows differ, the 17th where their bytes don't. */
static unsigned first_difference(const struct bucket *bucket) {
    const struct mr_key_ref *refs = bucket_refs(bucket);
    uint64_t hi = 0;
    uint64_t lo = 0;
    for (uint32_t i = 1; i < bucket->count; i++) {
        hi |= refs[i].hi ^ refs[0].hi;
        lo |= refs[i].lo ^ refs[0].lo;
    }
    if (hi) {
        return (unsigned)__builtin_clzll(hi) / 8;
    }
    return lo ? 8 + (unsigned)__builtin_clzll(lo) / 8 : DIGIT_LENGTH;
}

/* Counts by the next digit in which the bucket differs; false where it differs in none. */
static bool find_split(struct bucket *bucket, uint32_t counts[DIGIT_VALUES]) {
    unsigned first = count_digits(bucket, counts);
    if (counts[first] == bucket->count && bucket->digit < DIGIT_LENGTH) {
        bucket->digit = first_difference(bucket);
        first = count_digits(bucket, counts);
    }
    return counts[first] < bucket->count;
}

/* Moves the references to the other side, by digit; turns the counts into the ends of the parts. */
static void scatter(struct bucket *bucket, uint32_t counts[DIGIT_VALUES]) {
    const struct mr_key_ref *from = bucket_refs(bucket);
    struct mr_key_ref *to = bucket->away ? bucket->home : bucket->other;
    uint32_t begin = 0;
    for (unsigned digit = 0; digit < DIGIT_VALUES; digit++) {
        uint32_t count = counts[digit];
        counts[digit] = begin;
        begin += count;
    }
    if (bucket->digit == DIGIT_LENGTH) {
        for (uint32_t i = 0; goes_on(bucket, i); i++) {
            to[counts[length_digit(bucket, &from[i])]++] = from[i];
        }
    } else {
        const uint8_t *bytes = (const uint8_t *)from + digit_offset(bucket->digit);
        for (uint32_t i = 0; goes_on(bucket, i); i++) {
            to[counts[bytes[i * sizeof *from]]++] = from[i];
        }
    }
    bucket->away = !bucket->away;
}

/* Splits the bucket, sorts all parts but the largest, and stores that in *bucket. */
static void split(struct bucket *bucket, uint32_t counts[DIGIT_VALUES]) {
    scatter(bucket, counts);
    const struct bucket whole = *bucket;
    const struct mr_key_ref *from = bucket_refs(&whole);
    bucket->count = 0;
    if (whole.count >= STOP_CHECK_REFS && is_stopped(whole.source)) {
        return;
    }
    uint32_t begin = 0;
    for (unsigned digit = 0; digit < DIGIT_VALUES; begin = counts[digit++]) {
        uint32_t count = counts[digit] - begin;
        if (count <= SMALL) {
            sort_small(&whole, from + begin, whole.home + begin, count);
            continue;
        }
        struct bucket part = whole;
        part.home += begin;
        part.other += begin;
        part.count = count;
        part.digit += part.digit < DIGIT_LENGTH;
        if (count >
            bucket->count) { /* the largest so far; its forerunner is at most half of the whole */
            struct bucket forerunner = *bucket;
            *bucket = part;
            part = forerunner;
        }
        sort_bucket(part);
    }
}

/* --- moving the window --- */

/* How many bytes two keys have in common, where the first `from` are and only `end` are looked at.
 */
static size_t common_bytes(const char *a, const char *b, size_t from, size_t end) {
    size_t at = from;
    for (; at + 8 <= end; at += 8) {
        uint64_t words[2];
        memcpy(&words[0], a + at, 8);
        memcpy(&words[1], b + at, 8);
        if (words[0] != words[1]) {
            break;
        }
    }
    while (at < end && a[at] == b[at]) {
        at++;
    }
    return at;
}

/* Moves the window of a bucket, whose keys all go on behind it, to where they first differ or one
 * ends. */
static void move_window(struct bucket *bucket) {
    struct mr_key_ref *refs = bucket_refs(bucket);
    const char *first = key_of(bucket->source, &refs[0]);
    size_t common = refs[0].len;
    for (uint32_t i = 1; goes_on(bucket, i); i++) {
        size_t end = refs[i].len < common ? refs[i].len : common;
        const char *key = key_of(bucket->source, &refs[i]);
        common = common_bytes(first, key, bucket->start + PREFIX, end);
    }
    bucket->start = common;
    bucket->digit = 0;
    for (uint32_t i = 0; goes_on(bucket, i); i++) {
        const char *key = key_of(bucket->source, &refs[i]);
        mr_key_sort_prefix(&refs[i], key + common, refs[i].len - common);
    }
}

/* Sorts a bucket whose keys have the first 16 bytes in common, and leaves those in hi and lo. */
static void sort_moved(struct bucket *bucket) {
    const struct mr_key_ref first = bucket_refs(bucket)[0];
    move_window(bucket);
    sort_bucket(*bucket);
    for (uint32_t i = 0; i < bucket->count; i++) {
        bucket->home[i].hi = first.hi;
        bucket->home[i].lo = first.lo;
    }
}

/* --- merging --- */

/* A merge sort under way. */
struct merger {
    compare_function compare;
    const void *arg;
    struct mr_key_ref *scratch;
    const struct mr_key_source *source;
};

/* Merges refs[0..half) with refs[half..count), both sorted. Where a comparison fails, what is left
 * of the first is put into the gap, so that no reference is lost. */
static int merge_halves(const struct merger *merger, struct mr_key_ref *refs, size_t half,
                        size_t count) {
    struct mr_key_ref *first = merger->scratch;
    memcpy(first, refs, half * sizeof *refs);
    size_t i = 0;
    size_t j = half;
    size_t out = 0;
    int status = MR_OK;
    while (i < half && j < count) {
        int order = 0;
        bool is_time = out % STOP_CHECK_REFS == STOP_CHECK_REFS - 1;
        status = is_time && is_stopped(merger->source)
                     ? MR_ERR_INTERRUPTED
                     : merger->compare(merger->arg, &first[i], &refs[j], &order);
        if (status) {
            break;
        }
        refs[out++] = order <= 0 ? first[i++] : refs[j++];
    }
    memcpy(refs + out, first + i, (half - i) * sizeof *refs);
    return status;
}

static int merge_sort(const struct merger *merger, struct mr_key_ref *refs, size_t count) {
    if (count < 2) {
        return MR_OK;
    }
    size_t half = count / 2;
    int order = 0;
    if (count >= STOP_CHECK_MERGED && is_stopped(merger->source)) {
        return MR_ERR_INTERRUPTED;
    }
    int status = merge_sort(merger, refs, half);
    if (!status) {
        status = merge_sort(merger, refs + half, count - half);
    }
    if (!status) {
        status = merger->compare(merger->arg, &refs[half - 1], &refs[half], &order);
    }
    if (!status && order > 0) {
        status = merge_halves(merger, refs, half, count);
    }
    return status;
}

static int compare_window(const void *arg, const struct mr_key_ref *a, const struct mr_key_ref *b,
                          int *order) {
    *order = is_before(arg, a, b) ? -1 : 1;
    return MR_OK;
}

static int compare_index(const void *arg, const struct mr_key_ref *a, const struct mr_key_ref *b,
                         int *order) {
    (void)arg;
    *order = a->index < b->index ? -1 : 1;
    return MR_OK;
}

/* For orders that can't fail. */
static void merge_bucket(struct bucket *bucket, compare_function compare) {
    bring_home(bucket);
    struct merger merger = {compare, bucket, bucket->other, bucket->source};
    int status = merge_sort(&merger, bucket->home, bucket->count);
    (void)status;
}

static void sort_bucket(struct bucket bucket) {
    uint32_t counts[DIGIT_VALUES];
    unsigned splits = 0;
    while (bucket.count > SMALL) {
        if (bucket.count >= STOP_CHECK_REFS && is_stopped(bucket.source)) {
            return;
        }
        if (splits == SPLITS_MAX) {
            merge_bucket(&bucket, compare_window);
            return;
        }
        if (find_split(&bucket, counts)) {
            split(&bucket, counts);
            splits++;
            continue;
        }
        if (length_digit(&bucket, bucket_refs(&bucket)) != LENGTH_BEYOND) { /* equal keys */
            merge_bucket(&bucket, compare_index);
            return;
        }
        if (bucket.start == 0) {
            sort_moved(&bucket);
            return;
        }
        move_window(&bucket);
    }
    sort_small(&bucket, bucket_refs(&bucket), bucket.home, bucket.count);
}

/* --- a job's order --- */

struct job_order {
    const struct mr_key_source *source;
    const struct mr_key_order *order;
};

/* The key's bytes; a short one's are put into `room`. */
static struct mr_bytes key_bytes(const struct mr_key_source *source, const struct mr_key_ref *ref,
                                 uint64_t room[2]) {
    if (ref->len > PREFIX) {
        return (struct mr_bytes){key_of(source, ref), ref->len};
    }
    room[0] = htobe64(ref->hi);
    room[1] = htobe64(ref->lo);
    return (struct mr_bytes){(const char *)room, ref->len};
}

static int compare_job(const void *arg, const struct mr_key_ref *a, const struct mr_key_ref *b,
                       int *order) {
    const struct job_order *job = arg;
    uint64_t rooms[2][2];
    return job->order->compare(job->order->arg, key_bytes(job->source, a, rooms[0]),
                               key_bytes(job->source, b, rooms[1]), order);
}

/* In byte order first: the merge sort is stable, so that keys the job calls equal stay in it. */
int mr_key_sort_by(struct mr_key_ref *refs, size_t count, struct mr_key_ref *scratch,
                   const struct mr_key_source *source, const struct mr_key_order *order) {
    mr_key_sort(refs, count, scratch, source);
    struct job_order job = {source, order};
    struct merger merger = {compare_job, &job, scratch, source};
    return is_stopped(source) ? MR_ERR_INTERRUPTED : merge_sort(&merger, refs, count);
}
