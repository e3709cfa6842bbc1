/* ascii: finds the words of ASCII text as UAX #29 does, from masks, 64 bytes at a time.
 *
 * In ASCII the rules WB5 to WB13b come to this: letters, digits and '_' hold together; ' and . hold
 * together two letters or two digits that they stand between; ':' two letters; ',' and ';' two
 * digits. All else breaks before and after it. mr_unicode_knows_ascii tells whether the library's
 * tables still say so.
 *
 * Beyond ASCII a library must decide, and so it must for ASCII that touches it. How far that
 * reaches is bounded by *cuts*: bytes before which a break stands whatever else the text holds.
 * Rules that join an ASCII byte to what is before it exist only for letters, digits, '_' (to
 * anything), and, behind a letter, digit or byte beyond ASCII, for ' . : , ; and '"' (which holds
 * Hebrew letters together). So every other byte is a cut, and so are these six behind anything
 * else; white space always. What may hang on to a cut (a combining mark) follows it, hence the cut
 * byte belongs to the stretch behind it. */
#ifndef MR_ASCII_H
#define MR_ASCII_H

#include "jobs/wordcount/scan.h"

/* The caller's rows to fill. */
struct mr_ascii_masks {
    uint64_t *word;    /* bytes of words; means nothing between two cuts that have a `high` byte
                          between them */
    uint64_t *cut;     /* bytes before which a word break stands for certain */
    uint64_t *high;    /* bytes beyond ASCII */
    uint64_t *newline; /* \n */
    bool any_high;
    bool any_underscore; /* then there may be words of '_' alone, which are none */
};

/* Fills the masks for `len` bytes; bits beyond them are cleared in `classes` and mean nothing in
 * `cut`. The text must begin at a cut, or where a line begins. Where it doesn't end with the line,
 * what is behind the last cut means nothing yet. */
void mr_ascii_segment(struct mr_scan_classes *classes, size_t len, struct mr_ascii_masks *masks);

#endif
