/* scan: tells, 64 bytes at a time, which bytes of a text are of which class.
 *
 * A row is a mask: bit i stands for byte i of the row. Every path gives the same masks, each by
 * other instructions; which ones there are depends on the machine, which is asked at run time. All
 * functions read whole rows, so up to 63 bytes beyond the text must be readable; their bits mean
 * nothing, and callers clear them.
 */
#ifndef MR_SCAN_H
#define MR_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MR_SCAN_ROW 64 /* bytes */
#define MR_SCAN_EDGES_SLACK 64

/* What word segmentation wants to know of ASCII, and of everything else that it isn't ASCII. */
struct mr_scan_classes {
    uint64_t letter;        /* A-Z a-z */
    uint64_t digit;         /* 0-9 */
    uint64_t underscore;    /* _ */
    uint64_t joins_both;    /* ' . */
    uint64_t joins_letters; /* : */
    uint64_t joins_digits;  /* , ; */
    uint64_t quote;         /* " */
    uint64_t high;          /* 0x80-0xFF */
    uint64_t newline;       /* \n */
};

struct mr_scan {
    const char *name;
    bool (*usable)(void);
    /* Bytes other than space, \t \n \v \f \r; and newlines. */
    void (*whitespace)(const char *text, size_t rows, uint64_t *word, uint64_t *newline);
    /* A-Z and a-z; and newlines. */
    void (*letters)(const char *text, size_t rows, uint64_t *word, uint64_t *newline);
    void (*classes)(const char *text, size_t rows, struct mr_scan_classes *classes);
    /* Copies whole rows, A-Z as a-z. */
    void (*lower)(const char *text, size_t rows, char *out);
    /* Where the runs of ones in `masks` begin and end, by turns, in bytes from the first row; one
     * that lasts to the end of the last row ends nowhere. Returns how many these are. Up to
     * MR_SCAN_EDGES_SLACK more may be overwritten. */
    size_t (*edges)(const uint64_t *masks, size_t rows, uint32_t *edges);
    /* The number of bits set. */
    uint64_t (*count)(const uint64_t *masks, size_t rows);
};

extern const struct mr_scan
    mr_scan_plain; /* C alone: the truth that the others are tested against */
#if defined(__x86_64__)
extern const struct mr_scan mr_scan_x86_vbmi2;
extern const struct mr_scan mr_scan_x86_avx512;
extern const struct mr_scan mr_scan_x86_avx2;
extern const struct mr_scan mr_scan_x86_sse2;
#elif defined(__aarch64__)
extern const struct mr_scan mr_scan_neon;
#endif

/* The paths usable on this machine, the fastest first, `mr_scan_plain` last; NULL beyond. Any
 * thread. */
const struct mr_scan *mr_scan_path(size_t index);

#endif
