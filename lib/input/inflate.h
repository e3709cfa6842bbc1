/* inflate: the face of the engines that decompress one member of a gzip file. */
#ifndef MR_INPUT_INFLATE_H
#define MR_INPUT_INFLATE_H

#include <stddef.h>

enum mr_inflate_result {
    MR_INFLATE_MORE, /* the input is used up, or the output is full */
    MR_INFLATE_END,  /* the member ended and its checksum and length are right */
    MR_INFLATE_CORRUPT,
    MR_INFLATE_NOMEM,
};

/* What a step may read and write. The engine moves both on. */
struct mr_inflate_window {
    const unsigned char *in;
    size_t in_len;
    unsigned char *out;
    size_t out_len;
};

/* One engine. Its state belongs to who created it; one thread at a time. */
struct mr_inflate_engine {
    void *(*create)(void); /* NULL: out of memory */
    void (*destroy)(void *state);
    void (*begin)(void *state); /* a new member, at its header */

    /* Decompresses as far as the window goes. May hold on to input it has not used up within a
     * member, never beyond one. CORRUPT stores why, in words. */
    enum mr_inflate_result (*step)(void *state, struct mr_inflate_window *window, const char **why);
};

extern const struct mr_inflate_engine mr_inflate_zlib_engine;
#ifdef MR_HAVE_ISAL
extern const struct mr_inflate_engine mr_inflate_isal_engine;
#endif

#endif
