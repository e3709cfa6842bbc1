/* test_best: the N most frequent of random words, offered in any order, against sorting them all.
 */
#include "jobs/wordcount/best.h"
#include "tests/unit/jobs/wordcount/odd_text.h"
#include "tests/unit/test.h"
#include <stdlib.h>

#define WORDS 300u

struct counted {
    char text[8];
    size_t len;
    uint64_t count;
};

static int compare_bytes(struct mr_bytes a, struct mr_bytes b) {
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* As the user wants them: by count, falling, then by bytes. */
static int compare_counted(const void *a, const void *b) {
    const struct counted *left = a, *right = b;
    if (left->count != right->count) {
        return left->count < right->count ? 1 : -1;
    }
    return compare_bytes((struct mr_bytes){left->text, left->len},
                         (struct mr_bytes){right->text, right->len});
}

static int compare_ranks(const void *a, const void *b) {
    const struct mr_best_rank *left = a, *right = b;
    return compare_bytes((struct mr_bytes){left->bytes, left->len},
                         (struct mr_bytes){right->bytes, right->len});
}

/* All different, of 1 to 7 bytes of any value, with few different counts, some of them huge. */
static void make_words(struct counted *words, uint64_t seed) {
    for (unsigned i = 0; i < WORDS; i++) {
        uint64_t random = odd_random(&seed);
        words[i] = (struct counted){.len = 3 + random % 5, .count = 1 + random % 9};
        words[i].count = words[i].count == 9 ? ~(uint64_t)0 - random % 3 : words[i].count;
        memcpy(words[i].text, &random, sizeof(random));
        words[i].text[random >> 62 & 1] = (char)i;
        words[i].text[2] = (char)(i >> 8 | (random >> 62 & 1) << 4);
    }
}

static void check(uint64_t want, uint64_t seed) {
    static struct counted words[WORDS];
    struct mr_best best = {.want = want};
    make_words(words, seed);
    for (unsigned i = 0; i < WORDS; i++) {
        struct mr_bytes word = {words[i].text, words[i].len};
        cr_assert_eq(mr_best_add(&best, word, words[i].count), 0);
    }
    qsort(words, WORDS, sizeof(words[0]), compare_counted);
    qsort(best.ranks, best.count, sizeof(best.ranks[0]), compare_ranks);
    cr_assert_eq(best.count, want < WORDS ? want : WORDS);
    for (size_t i = 0; i < best.count; i++) {
        struct mr_bytes word;
        uint64_t count;
        struct mr_bytes rank = {best.ranks[i].bytes, best.ranks[i].len};
        cr_assert(mr_best_parse(rank, &word, &count));
        cr_assert_eq(count, words[i].count);
        cr_assert_eq(word.len, words[i].len);
        cr_assert_eq(memcmp(word.data, words[i].text, word.len), 0);
    }
    mr_best_fini(&best);
}

/* Adds words of this length until there is no room; returns how many there were. */
static size_t fill(struct mr_best *best, struct mr_bytes word, char *first) {
    int status = 0;
    size_t count = 0;
    for (; !status; count++) {
        memcpy(first, &count, sizeof count);
        status = mr_best_add(best, word, 1 + count);
    }
    cr_assert_eq(status, MR_BEST_FULL);
    cr_assert_eq(best->count, count - 1);
    return best->count;
}

Test(best, takes_no_more_memory_than_said) {
    char text[1000] = "";
    struct mr_best best = {.want = ~(uint64_t)0};
    size_t few = fill(&best, (struct mr_bytes){text, sizeof text}, text);
    cr_assert(few >= 500 && few < 1049, "%zu words of 1000 bytes in 1 MiB", few);
    mr_best_clear(&best);
    size_t many = fill(&best, (struct mr_bytes){text, 8}, text);
    cr_assert(many >= 8192 && many <= 32768, "%zu words of 8 bytes", many);
    mr_best_fini(&best);
}

Test(best, a_longer_word_in_the_place_of_a_shorter) {
    static char text[MR_BEST_BYTES_MAX];
    struct mr_best best = {.want = 1};
    cr_assert_eq(mr_best_add(&best, mr_bytes_text("a"), 1), 0);
    cr_assert_eq(mr_best_add(&best, (struct mr_bytes){text, sizeof text}, 2), MR_BEST_FULL);
    cr_assert_eq(best.count, (size_t)1);
    mr_best_fini(&best);
}

Test(best, as_sorting_says) {
    for (uint64_t seed = 0; seed < 100; seed++) {
        check(1 + seed, seed);
    }
    check(WORDS - 1, 1);
    check(WORDS, 2);
    check(~(uint64_t)0, 3);
}
