/* ceiling_wordcount: counts words as fast as a program can that has no other duty.
 *
 * usage: ceiling_wordcount FILE [THREADS]     prints word TAB count, in no order
 *
 * What the engine's speed is measured against: the whole file is mapped, memory is not bounded,
 * nothing is sorted, spilled, committed or checked, and an error ends the program. Words are the
 * longest runs of bytes other than space, \t, \n, \v, \f and \r, as with --words whitespace.
 *
 * Threads claim chunks of the map; a word belongs to the chunk it starts in. A chunk is read in
 * two strides. The first turns 64 bytes into a mask of white space, and the mask's edges into a
 * list of positions: a start and an end by turns. The second takes the list a batch at a time:
 * it loads each word of at most 16 bytes as two masked integers, hashes them, asks for the slot's
 * cache line, and only then counts the batch, so that misses overlap. Longer words, and those
 * ending in NUL (which the zero padding would swallow), go to a table of pointers.
 * Each thread has tables of its own; in the end each merges one share of the hashes of them all.
 *
 * Build with -O3 -march=native: AVX-512BW and AVX2 are used where the compiler may. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

enum {
    THREADS_MAX = 64,
    CHUNK = 4 << 20,   /* also how much is faulted in at a time */
    WINDOW = 16 << 10, /* bytes whose edges are listed at once: list and text stay in L1 and L2 */
    BATCH = 256,       /* words hashed before the first of them is counted */
    SHORT_MAX = 16,
    PAGE = 4096,
};

struct slot { /* of a short word; free where the count is 0 */
    uint64_t lo, hi;
    uint64_t count;
    uint64_t hash;
};
struct long_slot {
    const char *word;
    size_t len;
    uint64_t count;
    uint64_t hash;
};
struct table { /* of slots of either kind, which have one size */
    void *slots;
    uint64_t mask;
    uint64_t used;
};
struct counts {
    struct table small, large;
};
struct worker {
    struct work *work;
    unsigned index;
    struct counts counts;
    char *out;
    size_t out_len;
};
struct work {
    const char *text; /* readable for a page past the end */
    size_t len;
    atomic_size_t claimed;
    unsigned threads;
    struct worker workers[THREADS_MAX];
};

_Static_assert(sizeof(struct slot) == sizeof(struct long_slot), "tables hold either");

static void die(const char *what) {
    fprintf(stderr, "ceiling_wordcount: %s: %s\n", what, strerror(errno));
    _exit(4);
}

static void *fresh_memory(size_t len) {
    void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        die("memory");
    }
    (void)madvise(at, len, MADV_HUGEPAGE);
    return at;
}

/* ---- tables --------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_short(uint64_t lo, uint64_t hi) {
    return mix(lo ^ 0x8bb84b93962eacc9u, hi ^ 0x2d358dccaa6c78a5u);
}

static uint64_t hash_long(const char *word, size_t len) {
    uint64_t hash = len, part;
    for (; len >= sizeof part; word += sizeof part, len -= sizeof part) {
        memcpy(&part, word, sizeof part);
        hash = mix(hash ^ part, 0x9e3779b97f4a7c15u);
    }
    part = 0;
    memcpy(&part, word, len);
    return mix(hash ^ part, 0xd6e8feb86659fd93u);
}

static void table_init(struct table *table, uint64_t slots) {
    table->slots = fresh_memory(slots * sizeof(struct slot));
    table->mask = slots - 1;
    table->used = 0;
}

static void table_fini(struct table *table) {
    munmap(table->slots, (table->mask + 1) * sizeof(struct slot));
}

static void table_grow(struct table *table) {
    struct table wide;
    table_init(&wide, (table->mask + 1) * 4);
    const struct slot *from = table->slots;
    struct slot *to = wide.slots;
    for (uint64_t i = 0; i <= table->mask; i++) {
        if (from[i].count > 0) {
            uint64_t at = from[i].hash & wide.mask;
            while (to[at].count > 0) {
                at = (at + 1) & wide.mask;
            }
            to[at] = from[i];
        }
    }
    wide.used = table->used;
    table_fini(table);
    *table = wide;
}

static void took_slot(struct table *table) {
    table->used++;
    if (table->used * 3 > table->mask * 2) {
        table_grow(table);
    }
}

static inline void count_short(struct table *table, uint64_t lo, uint64_t hi, uint64_t hash,
                               uint64_t times) {
    struct slot *slots = table->slots;
    for (uint64_t at = hash & table->mask;; at = (at + 1) & table->mask) {
        struct slot *slot = &slots[at];
        if (((slot->lo ^ lo) | (slot->hi ^ hi)) == 0) { /* a free slot is 0, which no word is */
            slot->count += times;
            return;
        }
        if (slot->count == 0) {
            *slot = (struct slot){.lo = lo, .hi = hi, .count = times, .hash = hash};
            took_slot(table);
            return;
        }
    }
}

static void count_long(struct table *table, const char *word, size_t len, uint64_t hash,
                       uint64_t times) {
    struct long_slot *slots = table->slots;
    for (uint64_t at = hash & table->mask;; at = (at + 1) & table->mask) {
        struct long_slot *slot = &slots[at];
        if (slot->count == 0) {
            *slot = (struct long_slot){.word = word, .len = len, .count = times, .hash = hash};
            took_slot(table);
            return;
        }
        if (slot->hash == hash && slot->len == len && memcmp(slot->word, word, len) == 0) {
            slot->count += times;
            return;
        }
    }
}

static void counts_init(struct counts *counts) {
    table_init(&counts->small, 1u << 16);
    table_init(&counts->large, 1u << 12);
}

/* ---- from text to positions ----------------------------------------------------------------- */

static int is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Bit i: text[i] is white space. */
static inline uint64_t space_mask(const char *text) {
#if defined(__AVX512BW__)
    __m512i bytes = _mm512_loadu_si512(text);
    __m512i from_tab = _mm512_sub_epi8(bytes, _mm512_set1_epi8('\t'));
    return _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(' ')) |
           _mm512_cmplt_epu8_mask(from_tab, _mm512_set1_epi8('\r' - '\t' + 1));
#elif defined(__AVX2__)
    uint64_t mask = 0;
    for (int half = 0; half < 2; half++) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)(text + 32 * half));
        __m256i from_tab = _mm256_sub_epi8(bytes, _mm256_set1_epi8('\t'));
        __m256i low = _mm256_min_epu8(from_tab, _mm256_set1_epi8('\r' - '\t'));
        __m256i found = _mm256_or_si256(_mm256_cmpeq_epi8(low, from_tab),
                                        _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(' ')));
        mask |= (uint64_t)(uint32_t)_mm256_movemask_epi8(found) << (32 * half);
    }
    return mask;
#else
    uint64_t mask = 0;
    for (int i = 0; i < 64; i++) {
        mask |= (uint64_t)is_space(text[i]) << i;
    }
    return mask;
#endif
}

/* Writes at plus the number of each bit in edges; may write to all of list[0..64). */
static inline void put_edges(uint32_t *list, uint32_t at, uint64_t edges) {
#if defined(__AVX512VBMI2__) && defined(__AVX512F__)
    static const uint8_t count_up[64] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
        44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
    __m512i bits = _mm512_maskz_compress_epi8(edges, _mm512_loadu_si512(count_up));
    __m512i base = _mm512_set1_epi32((int)at);
    __m128i quarters[4] = {_mm512_castsi512_si128(bits), _mm512_extracti32x4_epi32(bits, 1),
                           _mm512_extracti32x4_epi32(bits, 2), _mm512_extracti32x4_epi32(bits, 3)};
    for (int i = 0; i < 4; i++) {
        _mm512_storeu_si512(list + 16 * i,
                            _mm512_add_epi32(base, _mm512_cvtepu8_epi32(quarters[i])));
    }
#else
    for (; edges != 0; edges &= edges - 1) {
        *list++ = at + (uint32_t)__builtin_ctzll(edges);
    }
#endif
}

/* Lists where words start and end, by turns, in text[0..len), as offsets; returns how many. The
 * window is followed by readable bytes; *in_word goes from one window to the next. The list may
 * be written up to 8 entries past its end. */
static inline size_t list_edges(const char *text, size_t len, uint64_t *in_word, uint32_t *list) {
    size_t count = 0;
    for (size_t at = 0; at < len; at += 64) {
        uint64_t word = ~space_mask(text + at);
        uint64_t edges = word ^ (word << 1 | *in_word);
        *in_word = word >> 63;
        if (len - at < 64) { /* the last bytes: what lies behind them is not ours */
            edges &= ((uint64_t)1 << (len - at)) - 1;
            *in_word = word >> (len - at - 1) & 1;
        }
        put_edges(list + count, (uint32_t)at, edges);
        count += (size_t)__builtin_popcountll(edges);
    }
    return count;
}

/* ---- from positions to counts --------------------------------------------------------------- */

static uint64_t keep[SHORT_MAX + 1][2]; /* masks of the first bytes of two little-endian integers */

static void keep_init(void) {
    for (int len = 0; len <= SHORT_MAX; len++) {
        memset(keep[len], 0xff, (size_t)len);
    }
}

static inline int is_short(const char *word, size_t len) {
    return len <= SHORT_MAX && word[len - 1] != '\0';
}

static inline struct slot key_of(const char *word, size_t len) {
    struct slot key = {.count = 1};
    memcpy(&key.lo, word, sizeof key.lo);
    memcpy(&key.hi, word + sizeof key.lo, sizeof key.hi);
    key.lo &= keep[len][0];
    key.hi &= keep[len][1];
    key.hash = hash_short(key.lo, key.hi);
    return key;
}

static void count_one(struct counts *counts, const char *word, size_t len) {
    if (is_short(word, len)) {
        struct slot key = key_of(word, len);
        count_short(&counts->small, key.lo, key.hi, key.hash, 1);
    } else {
        count_long(&counts->large, word, len, hash_long(word, len), 1);
    }
}

/* Counts at most BATCH words; list holds their starts and ends. */
static inline void count_batch(struct counts *counts, const char *text, const uint32_t *list,
                               size_t words) {
    struct slot keys[BATCH];
    size_t count = 0;
    const struct slot *slots = counts->small.slots;
    for (size_t i = 0; i < words; i++) {
        const char *word = text + list[2 * i];
        size_t len = list[2 * i + 1] - list[2 * i];
        if (__builtin_expect(is_short(word, len), 1)) {
            keys[count] = key_of(word, len);
            __builtin_prefetch(&slots[keys[count].hash & counts->small.mask], 1);
            count++;
        } else {
            count_long(&counts->large, word, len, hash_long(word, len), 1);
        }
    }
    for (size_t i = 0; i < count; i++) {
        count_short(&counts->small, keys[i].lo, keys[i].hi, keys[i].hash, 1);
    }
}

/* Counts the words that start in [at, stop); they end by end. */
static void count_span(struct counts *counts, const char *at, const char *stop, const char *end) {
    uint32_t list[WINDOW + 64]; /* each byte can be an edge */
    uint64_t in_word = 0;
    const char *open = NULL; /* the word that began in an earlier window */
    for (; at < stop; at += WINDOW) {
        size_t len = (size_t)(stop - at) < WINDOW ? (size_t)(stop - at) : WINDOW;
        const uint32_t *edge = list;
        size_t edges = list_edges(at, len, &in_word, list);
        if (open != NULL && edges > 0) {
            count_one(counts, open, (size_t)(at + *edge - open));
            open = NULL;
            edge++, edges--;
        }
        if (edges % 2 == 1) {
            open = at + edge[edges - 1];
        }
        for (size_t left = edges / 2, now; left > 0; left -= now, edge += 2 * now) {
            now = left < BATCH ? left : BATCH;
            count_batch(counts, at, edge, now);
        }
    }
    if (open != NULL) {
        const char *close = stop;
        while (close < end && !is_space(*close)) {
            close++;
        }
        count_one(counts, open, (size_t)(close - open));
    }
}

static void *count_chunks(void *arg) {
    struct worker *worker = arg;
    struct work *work = worker->work;
    const char *end = work->text + work->len;
    counts_init(&worker->counts);
    for (;;) {
        size_t from = atomic_fetch_add(&work->claimed, CHUNK);
        if (from >= work->len) {
            return NULL;
        }
        size_t len = work->len - from < CHUNK ? work->len - from : CHUNK;
        const char *at = work->text + from, *stop = at + len;
        (void)madvise((void *)(uintptr_t)at, len, MADV_POPULATE_READ); /* a help only */
        if (from > 0 && !is_space(at[-1])) {
            while (at < stop && !is_space(*at)) { /* the chunk before has this word */
                at++;
            }
        }
        count_span(&worker->counts, at, stop, end);
    }
}

/* ---- the merge ------------------------------------------------------------------------------ */

static int is_mine(const struct worker *worker, uint64_t hash) {
    return (uint32_t)(hash >> 32) % worker->work->threads == worker->index;
}

static void merge_from(const struct worker *worker, struct counts *into,
                       const struct counts *from) {
    const struct slot *slots = from->small.slots;
    for (uint64_t i = 0; i <= from->small.mask; i++) {
        if (slots[i].count > 0 && is_mine(worker, slots[i].hash)) {
            count_short(&into->small, slots[i].lo, slots[i].hi, slots[i].hash, slots[i].count);
        }
    }
    const struct long_slot *longs = from->large.slots;
    for (uint64_t i = 0; i <= from->large.mask; i++) {
        if (longs[i].count > 0 && is_mine(worker, longs[i].hash)) {
            count_long(&into->large, longs[i].word, longs[i].len, longs[i].hash, longs[i].count);
        }
    }
}

static char *put_count(char *at, uint64_t count) {
    char digits[20];
    int len = 0;
    do {
        digits[len++] = (char)('0' + count % 10);
        count /= 10;
    } while (count > 0);
    *at++ = '\t';
    while (len > 0) {
        *at++ = digits[--len];
    }
    *at++ = '\n';
    return at;
}

static void print(struct worker *worker, const struct counts *counts) {
    enum { COUNT_LEN_MAX = 22 };
    const struct long_slot *longs = counts->large.slots;
    size_t room = counts->small.used * (SHORT_MAX + COUNT_LEN_MAX) + PAGE;
    for (uint64_t i = 0; i <= counts->large.mask; i++) {
        room += longs[i].len + COUNT_LEN_MAX;
    }
    char *at = worker->out = fresh_memory(room);
    const struct slot *slots = counts->small.slots;
    for (uint64_t i = 0; i <= counts->small.mask; i++) {
        if (slots[i].count > 0) {
            memcpy(at, &slots[i], SHORT_MAX);
            size_t zeros = slots[i].hi != 0 ? (size_t)__builtin_clzll(slots[i].hi) / 8
                                            : 8 + (size_t)__builtin_clzll(slots[i].lo) / 8;
            at = put_count(at + SHORT_MAX - zeros, slots[i].count);
        }
    }
    for (uint64_t i = 0; i <= counts->large.mask; i++) {
        if (longs[i].count > 0) {
            memcpy(at, longs[i].word, longs[i].len);
            at = put_count(at + longs[i].len, longs[i].count);
        }
    }
    worker->out_len = (size_t)(at - worker->out);
}

static void *merge_share(void *arg) {
    struct worker *worker = arg;
    struct counts counts;
    counts_init(&counts);
    for (unsigned i = 0; i < worker->work->threads; i++) {
        merge_from(worker, &counts, &worker->work->workers[i].counts);
    }
    print(worker, &counts);
    return NULL;
}

/* ---- the program ---------------------------------------------------------------------------- */

static void in_threads(struct work *work, void *(*run)(void *)) {
    pthread_t threads[THREADS_MAX];
    for (unsigned i = 0; i < work->threads; i++) {
        work->workers[i].work = work;
        work->workers[i].index = i;
        errno = pthread_create(&threads[i], NULL, run, &work->workers[i]);
        if (errno != 0) {
            die("thread");
        }
    }
    for (unsigned i = 0; i < work->threads; i++) {
        (void)pthread_join(threads[i], NULL);
    }
}

/* Maps the file with an empty page behind it, so that loads may run past its end. */
static void map_file(struct work *work, const char *path) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        die(path);
    }
    work->len = (size_t)info.st_size;
    size_t span = (work->len + PAGE - 1) / PAGE * PAGE;
    char *text = mmap(NULL, span + PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (text == MAP_FAILED || (work->len > 0 && mmap(text, work->len, PROT_READ,
                                                     MAP_PRIVATE | MAP_FIXED, fd, 0) != text)) {
        die(path);
    }
    work->text = text;
    (void)close(fd);
}

static void write_all(const char *at, size_t len) {
    while (len > 0) {
        ssize_t done = write(STDOUT_FILENO, at, len);
        if (done < 0) {
            die("write");
        }
        at += done;
        len -= (size_t)done;
    }
}

int main(int argc, char **argv) {
    static struct work work;
    long threads = argc > 2 ? strtol(argv[2], NULL, 10) : 2;
    if (argc < 2 || threads < 1 || threads > THREADS_MAX) {
        fprintf(stderr, "usage: ceiling_wordcount FILE [THREADS]\n");
        return 2;
    }
    work.threads = (unsigned)threads;
    keep_init();
    map_file(&work, argv[1]);
    in_threads(&work, count_chunks);
    in_threads(&work, merge_share);
    for (unsigned i = 0; i < work.threads; i++) {
        write_all(work.workers[i].out, work.workers[i].out_len);
    }
    return 0;
}
