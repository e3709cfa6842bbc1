/* ascii: finds the words of ASCII text as UAX #29 does, from masks, 64 bytes at a time. */
#include "jobs/wordcount/ascii.h"

/* A row and what its neighbours lend it: whether the byte before is of a class, and the byte
 * behind. */
struct edge {
    uint64_t letter, digit, joinable; /* in bit 0: of the byte before the row */
};

static void clear_beyond(struct mr_scan_classes *row, uint64_t valid) {
    row->letter &= valid;
    row->digit &= valid;
    row->underscore &= valid;
    row->joins_both &= valid;
    row->joins_letters &= valid;
    row->joins_digits &= valid;
    row->quote &= valid;
    row->high &= valid;
    row->newline &= valid;
}

static void segment_row(const struct mr_scan_classes *row, const struct mr_scan_classes *next,
                        struct edge *before, uint64_t *word, uint64_t *cut) {
    uint64_t alnum = row->letter | row->digit;
    uint64_t letter_both =
        (row->letter << 1 | before->letter) & (row->letter >> 1 | next->letter << 63);
    uint64_t digit_both = (row->digit << 1 | before->digit) & (row->digit >> 1 | next->digit << 63);
    uint64_t joined = (letter_both & (row->joins_both | row->joins_letters)) |
                      (digit_both & (row->joins_both | row->joins_digits));
    *word = alnum | row->underscore | joined;

    uint64_t joiner = row->joins_both | row->joins_letters | row->joins_digits | row->quote;
    uint64_t joinable = alnum | row->high;
    uint64_t hangs_on = joiner & (joinable << 1 | before->joinable);
    *cut = ~(joinable | row->underscore | hangs_on);
    *before = (struct edge){row->letter >> 63, row->digit >> 63, joinable >> 63};
}

void mr_ascii_segment(struct mr_scan_classes *classes, size_t len, struct mr_ascii_masks *masks) {
    static const struct mr_scan_classes none;
    struct edge before = {0};
    uint64_t any_high = 0, any_underscore = 0;
    size_t rows = (len + MR_SCAN_ROW - 1) / MR_SCAN_ROW;
    if (len % MR_SCAN_ROW) {
        clear_beyond(&classes[rows - 1], ((uint64_t)1 << len % MR_SCAN_ROW) - 1);
    }
    for (size_t row = 0; row < rows; row++) {
        const struct mr_scan_classes *own = &classes[row];
        segment_row(own, row + 1 < rows ? own + 1 : &none, &before, &masks->word[row],
                    &masks->cut[row]);
        masks->high[row] = own->high;
        masks->newline[row] = own->newline;
        any_high |= own->high;
        any_underscore |= own->underscore;
    }
    masks->any_high = any_high != 0;
    masks->any_underscore = any_underscore != 0;
}
