/* words: finds the words of a block of lines and emits each, or each run of them, with the count 1.
 *
 * A block is taken in chunks that fit the innermost cache. A chunk is scanned to masks of word
 * bytes (scan.h), copied with its letters lowered if case is folded, and then walked: each run of
 * ones in the masks is a word, of which begin and end are listed. Where nothing is left out and
 * nothing joined, the list is emitted as it is, with the text or the lowered copy; otherwise each
 * word goes through `take`.
 *
 * A chunk ends at a *cut*, a byte before which no word goes on: for white space and letters, a byte
 * that isn't of a word; for unicode see ascii.h. So no word crosses chunks, and each chunk but the
 * first of a block begins with a cut byte. What has no cut within a chunk's length is a *giant*:
 * its end is looked for, and it's handled by itself, which takes memory by its length.
 *
 * For unicode, masks tell the words of ASCII. Each stretch between two cuts that holds a byte
 * beyond ASCII goes to unicode.h instead, and so does all text if the library's tables disagree
 * with ours on ASCII. */
#include "jobs/wordcount/words.h"
#include "jobs/wordcount/ascii.h"
#include "jobs/wordcount/ngram.h"
#include "jobs/wordcount/stoplist.h"
#include "jobs/wordcount/unicode.h"
#include <stdlib.h>

#define ROWS 64u
#define CHUNK ((size_t)ROWS * MR_SCAN_ROW)
#define MARGIN 64u /* readable bytes around emitted keys, as around a block */

struct mr_words {
    enum mr_words_kind kind;
    bool fold;
    bool direct; /* neither stop words nor runs: words may be emitted as they are found */
    bool knows_ascii;
    const struct mr_scan *scan;
    const struct mr_stopwords *stopwords; /* shared */
    struct mr_ngram ngram;
    struct mr_unicode unicode;

    struct mr_ctx *ctx; /* of the call */
    const char *text;   /* the chunk */
    const char *keys;   /* the chunk, lowered if case is folded */
    size_t gap;         /* in the chunk: line ends were looked for up to here */

    uint64_t word[ROWS], cut[ROWS], high[ROWS], newline[ROWS];
    struct mr_ascii_masks masks;
    struct mr_scan_classes classes[ROWS];
    uint32_t edges[CHUNK + MR_SCAN_EDGES_SLACK];
    char before[MARGIN], lowered[CHUNK], behind[MARGIN];
};

int mr_words_create(const struct mr_words_options *options, struct mr_words **words) {
    struct mr_words *made = calloc(1, sizeof(*made));
    if (!made) {
        return MR_ERR_NOMEM;
    }
    made->kind = options->kind;
    made->fold = options->fold;
    made->scan = options->scan;
    made->ngram.want = options->ngram;
    made->knows_ascii = options->kind != MR_WORDS_UNICODE || mr_unicode_knows_ascii();
    made->masks = (struct mr_ascii_masks){
        .word = made->word, .cut = made->cut, .high = made->high, .newline = made->newline};
    struct mr_stoplist_source stopwords = {.list = options->stopwords,
                                           .unicode = options->kind == MR_WORDS_UNICODE,
                                           .fold = options->fold};
    int status = mr_stoplist_ref(&stopwords, &made->stopwords);
    if (status) {
        mr_words_destroy(made);
        return status;
    }
    made->direct = options->ngram == 1 && made->stopwords->word_count == 0;
    *words = made;
    return 0;
}

void mr_words_destroy(struct mr_words *words) {
    if (words) {
        mr_stoplist_unref(words->stopwords);
        mr_ngram_fini(&words->ngram);
        mr_unicode_fini(&words->unicode);
        free(words);
    }
}

static size_t rows_of(size_t len) {
    return (len + MR_SCAN_ROW - 1) / MR_SCAN_ROW;
}

/* The bits below `bit`, which is 0 to 63. */
static uint64_t below(size_t bit) {
    return ((uint64_t)1 << bit) - 1;
}

/* The last bit set in [from, to), or `from`. */
static size_t last_set(const uint64_t *masks, size_t from, size_t to) {
    while (to > from) {
        size_t row = (to - 1) / MR_SCAN_ROW;
        uint64_t bits = masks[row] << (MR_SCAN_ROW * (row + 1) - to);
        if (bits) {
            size_t found = to - 1 - (size_t)__builtin_clzll(bits);
            return found > from ? found : from;
        }
        to = row * MR_SCAN_ROW;
    }
    return from;
}

/* The first bit set in [from, to), or `to`. */
static size_t first_set(const uint64_t *masks, size_t from, size_t to) {
    while (from < to) {
        size_t row = from / MR_SCAN_ROW;
        uint64_t bits = masks[row] & ~below(from % MR_SCAN_ROW);
        if (bits) {
            size_t found = row * MR_SCAN_ROW + (size_t)__builtin_ctzll(bits);
            return found < to ? found : to;
        }
        from = (row + 1) * MR_SCAN_ROW;
    }
    return to;
}

/* Makes the masks of a chunk; bits beyond its end are cleared in `word`, `high` and `newline`. */
static void scan_chunk(struct mr_words *words, const char *text, size_t len) {
    const struct mr_scan *scan = words->scan;
    size_t rows = rows_of(len);
    if (words->kind == MR_WORDS_UNICODE && words->knows_ascii) {
        scan->classes(text, rows, words->classes);
        mr_ascii_segment(words->classes, len, &words->masks);
        return;
    }
    if (words->kind == MR_WORDS_LETTERS) {
        scan->letters(text, rows, words->word, words->newline);
    } else {
        scan->whitespace(text, rows, words->word, words->newline);
    }
    for (size_t row = 0; row < rows; row++) {
        words->cut[row] = ~words->word[row];
    }
    if (len % MR_SCAN_ROW) {
        words->word[rows - 1] &= below(len % MR_SCAN_ROW);
        words->newline[rows - 1] &= below(len % MR_SCAN_ROW);
    }
    if (words->kind ==
        MR_WORDS_UNICODE) { /* white space alone is certain: leave all words to the library */
        memcpy(words->high, words->word, rows * sizeof(words->high[0]));
        words->masks.any_high = true;
    }
}

static bool is_bare(struct mr_bytes word) {
    for (size_t i = 0; i < word.len; i++) {
        if (word.data[i] != '_') {
            return false;
        }
    }
    return true;
}

/* A word on its way out: past the stop words, and with those before it if runs are wanted. */
static int take(void *to, struct mr_bytes word) {
    struct mr_words *words = to;
    if (mr_stopwords_has(words->stopwords, word)) {
        return 0;
    }
    if (words->ngram.want == 1) {
        return mr_emit_u64(words->ctx, word, 1);
    }
    struct mr_bytes run;
    int status = mr_ngram_add(&words->ngram, word, &run);
    return status > 0 ? mr_emit_u64(words->ctx, run, 1) : status;
}

/* Looks for line ends between the last word and the next, which begins at `next`: runs don't go
 * beyond. */
static void pass_gap(struct mr_words *words, size_t next) {
    if (words->ngram.want > 1 && next > words->gap) {
        if (memchr(words->text + words->gap, '\n', next - words->gap)) {
            mr_ngram_reset(&words->ngram);
        }
        words->gap = next;
    }
}

static int take_ascii(struct mr_words *words, struct mr_bytes word) {
    if (words->kind == MR_WORDS_UNICODE && is_bare(word)) {
        return 0;
    }
    size_t at = (size_t)(word.data - words->keys);
    pass_gap(words, at);
    words->gap = at + word.len;
    return take(words, word);
}

/* Lists where the words in [from, to) begin and end, by turns, in bytes from `base`; returns how
 * many they are. The range isn't empty, and neither end is inside of a word. */
static size_t list_words(struct mr_words *words, size_t from, size_t to, size_t base) {
    uint64_t *first = &words->word[base / MR_SCAN_ROW];
    uint64_t *last = &words->word[(to - 1) / MR_SCAN_ROW];
    uint64_t kept = *last; /* what is behind `to` is wanted later */
    *first &= ~below(from % MR_SCAN_ROW);
    if (to % MR_SCAN_ROW) {
        *last &= below(to % MR_SCAN_ROW);
    }
    size_t count = words->scan->edges(first, (size_t)(last + 1 - first), words->edges);
    *last = kept;
    words->edges[count] = (uint32_t)(to - base); /* ends the last word, if nothing else does */
    return (count + 1) / 2;
}

static int walk_ascii(struct mr_words *words, size_t from, size_t to) {
    bool bare = words->kind == MR_WORDS_UNICODE && words->masks.any_underscore;
    if (from == to) {
        return 0;
    }
    size_t base = from - from % MR_SCAN_ROW;
    size_t count = list_words(words, from, to, base);
    const char *text = words->keys + base;
    const uint32_t *edge = words->edges;
    if (words->direct && !bare) {
        return mr_emit_u64_spans(words->ctx, text, edge, count, 1);
    }
    int status = 0;
    for (; count && !status; count--, edge += 2) {
        status = take_ascii(words, (struct mr_bytes){text + edge[0], edge[1] - edge[0]});
    }
    return status;
}

/* From one cut to another, with bytes beyond ASCII in between. */
static int walk_stretch(struct mr_words *words, size_t from, size_t to) {
    pass_gap(words, from + 1); /* a line end can only be its first byte */
    struct mr_bytes stretch = {words->text + from, to - from};
    return mr_unicode_words(&words->unicode, stretch, words->fold, take, words);
}

static int walk_chunk(struct mr_words *words, size_t len) {
    size_t at = 0;
    int status = 0;
    while (!status && words->kind == MR_WORDS_UNICODE && words->masks.any_high && at < len) {
        size_t high = first_set(words->high, at, len);
        if (high == len) {
            break;
        }
        size_t from = last_set(words->cut, at, high), to = first_set(words->cut, high, len);
        status = walk_ascii(words, at, from);
        status = status ? status : walk_stretch(words, from, to);
        at = to;
    }
    return status ? status : walk_ascii(words, at, len);
}

static void begin_chunk(struct mr_words *words, const char *text, const char *keys) {
    words->text = text;
    words->keys = keys;
    words->gap = 0;
}

/* The length of what starts at `at` and holds no cut for a chunk's length, but perhaps its first
 * byte. Chunks overlap by a row, because whether a byte is a cut depends on the one before. */
static size_t giant_len(struct mr_words *words, struct mr_bytes block, size_t at) {
    size_t from = at + CHUNK - MR_SCAN_ROW;
    while (from + MR_SCAN_ROW < block.len) {
        size_t len = block.len - from < CHUNK ? block.len - from : CHUNK;
        scan_chunk(words, block.data + from, len);
        size_t cut = first_set(words->cut, MR_SCAN_ROW, len);
        if (cut < len) {
            return from + cut - at;
        }
        from += len - MR_SCAN_ROW;
    }
    return block.len - at;
}

/* Takes a giant; `skip` is 1 if its first byte belongs to no word. */
static int walk_giant(struct mr_words *words, const char *text, size_t len, size_t skip) {
    begin_chunk(words, text, text);
    if (words->kind == MR_WORDS_UNICODE) {
        return walk_stretch(words, 0, len);
    }
    pass_gap(words, skip);
    struct mr_bytes word = {text + skip, len - skip};
    if (!words->fold) {
        return take(words, word);
    }
    size_t rows = rows_of(word.len);
    char *lowered = malloc(MARGIN + rows * MR_SCAN_ROW + MARGIN);
    if (!lowered) {
        return MR_ERR_NOMEM;
    }
    words->scan->lower(word.data, rows, lowered + MARGIN);
    int status = take(words, (struct mr_bytes){lowered + MARGIN, word.len});
    free(lowered);
    return status;
}

/* Takes the chunk that starts at `at`, and stores how much that was. */
static int map_chunk(struct mr_words *words, struct mr_bytes block, size_t at, size_t *taken,
                     uint64_t *lines) {
    const char *text = block.data + at;
    size_t len = block.len - at < CHUNK ? block.len - at : CHUNK;
    scan_chunk(words, text, len);
    size_t end = len < block.len - at ? last_set(words->cut, 0, len) : len;
    if (end == 0) {
        *lines += *text == '\n';
        size_t skip = !(words->word[0] & 1);
        *taken = giant_len(words, block, at);
        return walk_giant(words, text, *taken, skip);
    }
    *lines += words->scan->count(words->newline, rows_of(len));
    *lines -= end < len && text[end] == '\n'; /* behind it there can be none */
    begin_chunk(words, text, text);
    if (words->fold) {
        words->scan->lower(text, rows_of(end), words->lowered);
        words->keys = words->lowered;
    }
    int status = walk_chunk(words, end);
    pass_gap(words, end);
    *taken = end;
    return status;
}

int mr_words_map(struct mr_words *words, struct mr_ctx *ctx, struct mr_bytes block,
                 uint64_t *lines) {
    words->ctx = ctx;
    words->unicode.invalid_bytes = 0;
    mr_ngram_reset(&words->ngram);
    *lines = block.len > 0 && block.data[block.len - 1] != '\n';
    int status = 0;
    for (size_t at = 0, taken; !status && at < block.len; at += taken) {
        status = map_chunk(words, block, at, &taken, lines);
    }
    mr_ngram_reset(&words->ngram);
    if (!status && words->kind == MR_WORDS_UNICODE) {
        status = mr_counter_add(ctx, "invalid_bytes", words->unicode.invalid_bytes);
    }
    return status;
}
