/* test_wordcount: the job against the reference on odd texts, on every scan path; its rounds; its
 * failures. */
#include "jobs/wordcount/wordcount.h"
#include "tests/unit/jobs/wordcount/odd_text.h"
#include "tests/unit/jobs/wordcount/reference.h"
#include "tests/unit/test.h"

#define LEN_MAX ((size_t)1 << 14)

static char storage[LEN_MAX + 128];
static char *const text = storage + 64;

/* Maps `len` bytes of `text` on every path of this machine, and compares. */
static void check(struct mr_words_options options, size_t len) {
    struct fake_ctx fake = {.log = {0}};
    struct fake_log expected = {0};
    static struct reference reference;
    struct mr_bytes block = {text, len};
    fake_ctx_init(&fake);
    reference = (struct reference){.options = &options, .log = &expected};
    uint64_t expected_lines = reference_block(&reference, block);
    for (size_t path = 0; (options.scan = mr_scan_path(path)); path++) {
        struct mr_words *words = NULL;
        uint64_t lines = 99;
        cr_assert_eq(mr_words_create(&options, &words), 0);
        for (int again = 0; again < 2; again++) { /* no block leaves traces in the next */
            fake_log_clear(&fake.log);
            fake.counter = 0;
            cr_assert_eq(mr_words_map(words, &fake.ctx, block, &lines), 0);
            cr_assert_eq(lines, expected_lines);
            cr_assert_eq(fake.counter, reference.invalid_bytes);
            cr_assert(fake_log_equal(&fake.log, &expected), "%s, kind %d, fold %d, ngram %d",
                      options.scan->name, (int)options.kind, options.fold, (int)options.ngram);
        }
        mr_words_destroy(words);
    }
    free(expected.bytes);
    free(fake.log.bytes);
}

static void check_kinds(size_t len) {
    static const char stopwords[] = "\n the TO a.b  b\t42 \xC3\x89 \xFF __\n";
    for (unsigned i = 0; i < 3 * 2 * 4; i++) {
        struct mr_words_options options = {
            .kind = (enum mr_words_kind)(i % 3), .fold = i / 3 % 2, .ngram = 1 + i / 6 % 3};
        if (i >= 3 * 2 * 3) {
            options.ngram = 2;
            options.stopwords = mr_bytes_text(stopwords);
        }
        check(options, len);
    }
}

Test(wordcount, odd_texts) {
    for (uint64_t seed = 0; seed < 90; seed += MR_TEST_STRIDE) {
        size_t len = seed < 75 ? 3 * seed : 3000 + 60 * seed;
        odd_text(text, len, seed % 5 ? 15 : (unsigned)(seed % 17), seed);
        check_kinds(len);
    }
}

/* Words, gaps and stretches longer than a chunk, at odd places. */
Test(wordcount, giants) {
    static const char *const fillers[] = {"a", "Ab", "-",  " ",  "\n",   "\xC3\xA9",
                                          "_", "a.", "\"", "1,", "\xFF", "\xE4\xB8\xAD"};
    for (unsigned i = 0; i < sizeof(fillers) / sizeof(fillers[0]); i += MR_TEST_STRIDE) {
        for (size_t before = 0; before < 2; before++) {
            size_t len = 14000, size = strlen(fillers[i]);
            odd_text(text, len, 14, i);
            for (size_t at = 4095 * before; at + size <= 4095 * before + 5000 + i; at += size) {
                memcpy(text + at, fillers[i], size);
            }
            check_kinds(len);
            check_kinds(4095 * before + 5000);
        }
    }
}

/* Giants that end at each place around the edge between two looks for their end. */
Test(wordcount, giant_ends) {
    memset(text, '-', LEN_MAX);
    for (size_t len = 8000; len < 8300; len += len < 8100 || len > 8210 ? 17 : 1) {
        memset(text, 'g', len);
        text[len] = '\n';
        for (unsigned kind = 0; kind < 3; kind++) {
            check((struct mr_words_options){.kind = (enum mr_words_kind)kind, .ngram = 1}, len + 9);
        }
    }
}

/* A word of exactly each length around that of a row and a chunk. */
Test(wordcount, word_lengths) {
    for (size_t len = 1; len < 4096 + 130; len = len == 130 ? 4096 - 130 : len + 1) {
        memset(storage, ' ', sizeof(storage));
        memset(text + len % 7, 'W', len);
        memcpy(text + len % 7 + len, " x\n", 3);
        for (unsigned kind = 0; kind < 3; kind++) {
            struct mr_words_options options = {
                .kind = (enum mr_words_kind)kind, .fold = true, .ngram = 1 + len % 2};
            check(options, len % 7 + len + 3);
            check(options, len % 7 + len);
        }
    }
}

/* Emits as text: KEY=VALUE| for each. */
static const char *text_of(const struct fake_log *log, char *out, size_t size) {
    struct mr_bytes key;
    uint64_t value;
    size_t len = 0;
    out[0] = '\0';
    for (size_t at = 0; fake_log_next(log, &at, &key, &value) && len < size;) {
        len += (size_t)snprintf(out + len, size - len, "%.*s=%u|", (int)key.len, key.data,
                                (unsigned)value);
    }
    return out;
}

static void init(struct fake_ctx *fake) {
    *fake = (struct fake_ctx){.counter = 0};
    fake_ctx_init(fake);
    fake_ctx_param(fake, "words", "whitespace");
    fake_ctx_param(fake, "min-count", "1");
    fake_ctx_param(fake, "ngram", "1");
}

Test(wordcount, maps_by_its_parameters) {
    struct fake_ctx fake;
    char out[128];
    void *state = NULL;
    uint64_t records = 0;
    init(&fake);
    fake_ctx_param(&fake, "words", "letters");
    fake_ctx_param(&fake, "fold", "");
    fake_ctx_param(&fake, "ngram", "2");
    fake.side_input = mr_bytes_text("IS");
    fake.ctx.phase = MR_PHASE_MAP;
    memset(storage, 'm', sizeof(storage));
    memcpy(text, "This is It.\nNow go", 18);
    cr_assert_eq(mr_wordcount_job.setup(&fake.ctx, &state), 0);
    int status = mr_wordcount_job.rounds[0].map_block(&fake.ctx, state, (struct mr_bytes){text, 18},
                                                      &records);
    cr_assert_eq(status, 0);
    cr_assert_eq(records, 2u);
    cr_assert_str_eq(text_of(&fake.log, out, sizeof(out)), "this it=1|now go=1|");
    mr_wordcount_job.teardown(state);
    free(fake.log.bytes);
}

Test(wordcount, plan_and_facts) {
    struct fake_ctx fake;
    const struct mr_round *list = mr_wordcount_job.rounds;
    uint32_t rounds = mr_wordcount_job.round_count;
    init(&fake);
    cr_assert_eq(mr_wordcount_job.plan(&fake.ctx, &list, &rounds), 0);
    cr_assert_eq(rounds, 1u);
    cr_assert_null(mr_wordcount_job.facts(&fake.ctx));
    fake_ctx_param(&fake, "top", "3");
    fake_ctx_param(&fake, "words", "unicode");
    cr_assert_eq(mr_wordcount_job.plan(&fake.ctx, &list, &rounds), 0);
    cr_assert_eq(rounds, 2u);
    cr_assert_eq(strncmp(mr_wordcount_job.facts(&fake.ctx)[0], "unicode=", 8), 0);
}

/* The rounds of a run with --top. */
static const struct mr_round *top_rounds(void) {
    struct fake_ctx fake;
    const struct mr_round *list = mr_wordcount_job.rounds;
    uint32_t rounds = mr_wordcount_job.round_count;
    init(&fake);
    fake_ctx_param(&fake, "top", "3");
    cr_assert_eq(mr_wordcount_job.plan(&fake.ctx, &list, &rounds), 0);
    cr_assert_eq(rounds, 2u);
    return list;
}

/* Reduces "word:count ..." (one digit each) as one partition of the first round. */
static void reduce(struct fake_ctx *fake, const char *groups) {
    void *state = NULL;
    const struct mr_round *round = &top_rounds()[0];
    fake->ctx.phase = MR_PHASE_REDUCE;
    fake->ctx.round = 0;
    cr_assert_eq(mr_wordcount_job.setup(&fake->ctx, &state), 0);
    while (*groups) {
        const char *colon = strchr(groups, ':');
        struct mr_bytes word = {groups, (size_t)(colon - groups)};
        cr_assert_eq(round->reduce_u64(&fake->ctx, state, word, (uint64_t)(colon[1] - '0')), 0);
        groups = colon + 2 + (colon[2] == ' ');
    }
    cr_assert_eq(round->reduce_end(&fake->ctx, state), 0);
    mr_wordcount_job.teardown(state);
}

Test(wordcount, min_count) {
    struct fake_ctx fake;
    char out[128];
    init(&fake);
    fake_ctx_param(&fake, "min-count", "3");
    reduce(&fake, "a:1 b:3 c:2 d:7");
    cr_assert_str_eq(text_of(&fake.log, out, sizeof(out)), "b=3|d=7|");
    free(fake.log.bytes);
}

static int compare_keys(const void *a, const void *b) {
    const struct mr_bytes *left = a, *right = b;
    int order = memcmp(left->data, right->data, left->len < right->len ? left->len : right->len);
    return order ? order : (left->len > right->len) - (left->len < right->len);
}

/* Brings the pairs of the first round in byte order, as the engine does, and reduces them. */
static void reduce_top(struct fake_ctx *fake, struct fake_log *ranks) {
    struct mr_bytes keys[64];
    uint64_t value;
    size_t count = 0;
    void *state = NULL;
    for (size_t at = 0; count < 64 && fake_log_next(ranks, &at, &keys[count], &value);) {
        count++;
    }
    qsort(keys, count, sizeof(keys[0]), compare_keys);
    fake->ctx.round = 1;
    cr_assert_eq(mr_wordcount_job.setup(&fake->ctx, &state), 0);
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(top_rounds()[1].reduce(&fake->ctx, state, keys[i], NULL), 0);
    }
    cr_assert_eq(top_rounds()[1].reduce_end(&fake->ctx, state), 0);
    mr_wordcount_job.teardown(state);
}

Test(wordcount, top_of_two_partitions) {
    static const char *const first = "a:2 ab:5 b:5 c:9 d:1 dd:1 e:5";
    static const char *const second = "aa:5 f:3 g:9 h:4";
    static const char *const expected[] = {"c=9|", "c=9|g=9|", "c=9|g=9|aa=5|",
                                           "c=9|g=9|aa=5|ab=5|", "c=9|g=9|aa=5|ab=5|b=5|"};
    for (unsigned top = 1; top <= 5; top++) {
        struct fake_ctx fake;
        char out[128], number[2] = {(char)('0' + top), '\0'};
        init(&fake);
        fake_ctx_param(&fake, "top", number);
        reduce(&fake, first);
        cr_assert_eq(fake.log.pairs, top);
        reduce(&fake, second);
        struct fake_log ranks = fake.log;
        fake.log = (struct fake_log){0};
        reduce_top(&fake, &ranks);
        cr_assert_str_eq(text_of(&fake.log, out, sizeof(out)), expected[top - 1]);
        free(ranks.bytes);
        free(fake.log.bytes);
    }
}

Test(wordcount, top_refuses_what_is_no_rank) {
    struct fake_ctx fake;
    void *state = NULL;
    init(&fake);
    fake_ctx_param(&fake, "top", "1");
    fake.ctx.round = 1;
    fake.ctx.phase = MR_PHASE_REDUCE;
    cr_assert_eq(mr_wordcount_job.setup(&fake.ctx, &state), 0);
    struct mr_bytes key = mr_bytes_text("short");
    cr_assert_eq(top_rounds()[1].reduce(&fake.ctx, state, key, NULL), MR_ERR_JOB);
    cr_assert_str_eq(fake.sentence, "a rank of 5 bytes is too short");
    mr_wordcount_job.teardown(state);
}

Test(wordcount, failed_emits_are_returned) {
    odd_text(text, 5000, 14, 3);
    for (unsigned i = 0; i < 12; i++) {
        struct mr_words_options options = {.kind = (enum mr_words_kind)(i % 3),
                                           .fold = i / 3 % 2,
                                           .ngram = 1 + i / 6,
                                           .scan = mr_scan_path(0)};
        struct fake_ctx fake = {.fail_after = 40};
        struct mr_words *words = NULL;
        uint64_t lines = 0;
        fake_ctx_init(&fake);
        cr_assert_eq(mr_words_create(&options, &words), 0);
        struct mr_bytes block = {text, 5000};
        cr_assert_eq(mr_words_map(words, &fake.ctx, block, &lines), MR_ERR_IO);
        cr_assert_eq(fake.log.pairs, 40u);
        mr_words_destroy(words);
        free(fake.log.bytes);
    }
}
