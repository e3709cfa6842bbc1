/* wordcount: the built-in job that counts words, or runs of words, and lists the most frequent.
 *
 * Round `count` sums; its output is the answer, unless --top is given: then each partition keeps
 * its N best and hands them on as ranks (best.h), which round `top` brings together in one
 * partition, in the order wanted, and prints N of. Where N words take too much memory to be kept,
 * the partition hands on all of its words, and the engine sorts them, spilling as it must. */
#include "jobs/wordcount/wordcount.h"
#include "jobs/wordcount/best.h"
#include "jobs/wordcount/unicode.h"
#include "jobs/wordcount/words.h"
#include <stdlib.h>

enum { ROUND_COUNT, ROUND_TOP, ROUNDS };

/* One thread's, for one phase of one round. */
struct state {
    struct mr_words *words;   /* map of the first round */
    struct mr_best best;      /* reduce of the first round */
    struct mr_best_rank rank; /* the same, once the best take too much memory */
    bool hands_on_all;
    uint64_t min_count;
    uint64_t top; /* 0: not given */
    uint64_t printed;
};

static enum mr_words_kind kind_of(const struct mr_ctx *ctx) {
    const char *kind = mr_param(ctx, "words");
    return strcmp(kind, "unicode") == 0   ? MR_WORDS_UNICODE
           : strcmp(kind, "letters") == 0 ? MR_WORDS_LETTERS
                                          : MR_WORDS_WHITESPACE;
}

static int create_words(struct mr_ctx *ctx, struct mr_words **words) {
    struct mr_words_options options = {
        .kind = kind_of(ctx),
        .fold = mr_param_u64(ctx, "fold") != 0,
        .ngram = mr_param_u64(ctx, "ngram"),
        .scan = mr_scan_path(0),
    };
    int status = mr_side_input(ctx, "stopwords", &options.stopwords);
    return status ? status : mr_words_create(&options, words);
}

static int setup(struct mr_ctx *ctx, void **state) {
    struct state *made = calloc(1, sizeof(*made));
    if (!made) {
        return MR_ERR_NOMEM;
    }
    made->min_count = mr_param_u64(ctx, "min-count");
    made->top = mr_param(ctx, "top") ? mr_param_u64(ctx, "top") : 0;
    made->best.want = made->top;
    if (ctx->round == ROUND_COUNT && ctx->phase == MR_PHASE_MAP) {
        int status = create_words(ctx, &made->words);
        if (status) {
            free(made);
            return status;
        }
    }
    *state = made;
    return 0;
}

static void teardown(void *state) {
    struct state *done = state;
    if (done) {
        mr_words_destroy(done->words);
        mr_best_fini(&done->best);
        free(done->rank.bytes);
        free(done);
    }
}

static int count_map(struct mr_ctx *ctx, void *state, struct mr_bytes block, uint64_t *records) {
    struct state *own = state;
    return mr_words_map(own->words, ctx, block, records);
}

static int emit_rank(struct mr_ctx *ctx, const struct mr_best_rank *rank) {
    return mr_emit(ctx, (struct mr_bytes){rank->bytes, rank->len}, mr_bytes_text(""));
}

static int emit_best(struct mr_ctx *ctx, struct mr_best *best) {
    int status = 0;
    for (size_t i = 0; !status && i < best->count; i++) {
        status = emit_rank(ctx, &best->ranks[i]);
    }
    return status;
}

/* Emits a word's rank at once; scratch that a giant word needed is given back. */
static int hand_on(struct mr_ctx *ctx, struct state *own, struct mr_bytes word, uint64_t count) {
    int status = mr_best_rank(&own->rank, word, count);
    status = status ? status : emit_rank(ctx, &own->rank);
    if (own->rank.capacity > MR_BEST_BYTES_MAX) {
        free(own->rank.bytes);
        own->rank = (struct mr_best_rank){0};
    }
    return status;
}

static int keep_best(struct mr_ctx *ctx, struct state *own, struct mr_bytes word, uint64_t count) {
    int status = own->hands_on_all ? MR_BEST_FULL : mr_best_add(&own->best, word, count);
    if (status != MR_BEST_FULL) {
        return status;
    }
    if (!own->hands_on_all) {
        own->hands_on_all = true;
        status = emit_best(ctx, &own->best);
        mr_best_clear(&own->best);
        if (status) {
            return status;
        }
    }
    return hand_on(ctx, own, word, count);
}

static int count_reduce(struct mr_ctx *ctx, void *state, struct mr_bytes word, uint64_t count) {
    struct state *own = state;
    if (count < own->min_count) {
        return 0;
    }
    return own->top > 0 ? keep_best(ctx, own, word, count) : mr_emit_u64(ctx, word, count);
}

static int count_end(struct mr_ctx *ctx, void *state) {
    struct state *own = state;
    return emit_best(ctx, &own->best);
}

/* Ranks come in the order to print, and each but once: a word has one partition in the round
 * before. */
static int top_reduce(struct mr_ctx *ctx, void *state, struct mr_bytes rank,
                      struct mr_values *values) {
    struct state *own = state;
    struct mr_bytes word;
    uint64_t count;
    (void)values;
    if (own->printed == own->top) {
        return 0;
    }
    if (!mr_best_parse(rank, &word, &count)) {
        return mr_fail(ctx, "a rank of %zu bytes is too short", rank.len);
    }
    own->printed++;
    return mr_emit_u64(ctx, word, count);
}

/* There is nothing left to do, but that there is an end means one state from the first rank to the
 * last. */
static int top_end(struct mr_ctx *ctx, void *state) {
    (void)ctx, (void)state;
    return 0;
}

static const char *const *facts(struct mr_ctx *ctx) {
    return kind_of(ctx) == MR_WORDS_UNICODE ? mr_unicode_facts() : NULL;
}

static const struct mr_param params[] = {
    {.name = "words",
     .kind = MR_PARAM_CHOICE,
     .fallback = "whitespace",
     .choices = "whitespace|letters|unicode",
     .help = "what a word is: bytes between white space, A-Z runs, or UAX #29"},
    {.name = "fold",
     .kind = MR_PARAM_FLAG,
     .help = "ignore case: words are lowered (unicode: full case folding)"},
    {.name = "min-count",
     .kind = MR_PARAM_U64,
     .fallback = "1",
     .least = 1,
     .metavar = "N",
     .help = "leave out what occurs less than N times"},
    {.name = "top",
     .kind = MR_PARAM_U64,
     .least = 1,
     .metavar = "N",
     .help = "only the N most frequent, most frequent first, ties by bytes"},
    {.name = "stopwords",
     .kind = MR_PARAM_FILE,
     .metavar = "FILE",
     .help = "leave out the words in FILE (folded like the text), before runs are made"},
    {.name = "ngram",
     .kind = MR_PARAM_U64,
     .fallback = "1",
     .least = 1,
     .metavar = "N",
     .help = "count runs of N words within a line"},
    {.name = NULL},
};

static const struct mr_round all_rounds[] = {
    {.name = "count", .value = MR_SUM_U64, .map_block = count_map, .reduce_u64 = count_reduce},
};

/* Each partition's best, then the best of these. */
static const struct mr_round top_rounds[ROUNDS] = {
    [ROUND_COUNT] = {.name = "count",
                     .value = MR_SUM_U64,
                     .map_block = count_map,
                     .reduce_u64 = count_reduce,
                     .reduce_end = count_end},
    [ROUND_TOP] = {.name = "top",
                   .value = MR_VALUES,
                   .partitions = 1,
                   .reduce = top_reduce,
                   .reduce_end = top_end},
};

static int plan(struct mr_ctx *ctx, const struct mr_round **rounds, uint32_t *count) {
    if (mr_param(ctx, "top")) {
        *rounds = top_rounds;
        *count = ROUNDS;
    }
    return 0;
}

static const char *const examples[] = {
    "millrace run wordcount book.txt",
    "millrace run wordcount --words letters --fold --top 20 book.txt",
    "millrace run wordcount --words unicode --ngram 2 --min-count 5 book.txt",
    "millrace run wordcount --fold --stopwords stop.txt --top 10 book.txt",
    "millrace run wordcount logs/ 'more/*.gz' - -o counts",
    NULL,
};

const struct mr_job mr_wordcount_job = {
    .abi = MR_JOB_ABI,
    .name = "wordcount",
    .summary = "count words, or runs of words",
    .examples = examples,
    .params = params,
    .rounds = all_rounds,
    .round_count = 1,
    .plan = plan,
    .setup = setup,
    .teardown = teardown,
    .facts = facts,
};
