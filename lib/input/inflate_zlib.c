/* inflate_zlib: decompresses a gzip member by zlib, where ISA-L is not at hand. */
#include "lib/input/inflate.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#define GZIP_WRAPPER (16 + MAX_WBITS)

static void *zlib_create(void) {
    z_stream *stream = calloc(1, sizeof *stream);
    if (stream && inflateInit2(stream, GZIP_WRAPPER) != Z_OK) {
        free(stream);
        return NULL;
    }
    return stream;
}

static void zlib_destroy(void *state) {
    if (state) {
        inflateEnd(state);
        free(state);
    }
}

static void zlib_begin(void *state) {
    inflateReset(state); /* fails only on a state that is none */
}

static uInt clamp(size_t len) {
    return len < UINT_MAX ? (uInt)len : UINT_MAX;
}

static enum mr_inflate_result zlib_step(void *state, struct mr_inflate_window *window,
                                        const char **why) {
    z_stream *stream = state;
    uInt in_len = clamp(window->in_len);
    uInt out_len = clamp(window->out_len);
    stream->next_in = (Bytef *)window->in; /* zlib reads it only */
    stream->avail_in = in_len;
    stream->next_out = window->out;
    stream->avail_out = out_len;
    int result = inflate(stream, Z_NO_FLUSH);
    window->in += in_len - stream->avail_in;
    window->in_len -= in_len - stream->avail_in;
    window->out += out_len - stream->avail_out;
    window->out_len -= out_len - stream->avail_out;
    switch (result) {
    case Z_OK:
    case Z_BUF_ERROR: /* no progress possible: not an error of the data */
        return MR_INFLATE_MORE;
    case Z_STREAM_END:
        return MR_INFLATE_END;
    case Z_MEM_ERROR:
        return MR_INFLATE_NOMEM;
    default:
        *why = stream->msg ? stream->msg : "invalid data";
        return MR_INFLATE_CORRUPT;
    }
}

const struct mr_inflate_engine mr_inflate_zlib_engine = {
    .create = zlib_create,
    .destroy = zlib_destroy,
    .begin = zlib_begin,
    .step = zlib_step,
};
