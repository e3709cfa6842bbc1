/* inflate_isal: decompresses a gzip member by ISA-L, about three times as fast as zlib. */
#include "lib/input/inflate.h"

#ifdef MR_HAVE_ISAL

#include <isa-l.h>
#include <stdbool.h>
#include <stdlib.h>

/* The header is read by a call of its own, since isal_inflate forgets a header that is cut in the
 * middle. */
struct isal {
    struct inflate_state inflate;
    struct isal_gzip_header header;
    bool in_header;
};

static void *isal_create(void) {
    struct isal *isal = calloc(1, sizeof *isal);
    if (isal) {
        isal_inflate_init(&isal->inflate);
    }
    return isal;
}

static void isal_begin(void *state) {
    struct isal *isal = state;
    isal_inflate_reset(&isal->inflate);
    isal->inflate.crc_flag = ISAL_GZIP_NO_HDR_VER; /* checks CRC and length behind the data */
    isal_gzip_header_init(&isal->header);
    isal->in_header = true;
}

static const char *describe(int result) {
    switch (result) {
    case ISAL_INVALID_WRAPPER:
        return "invalid header";
    case ISAL_UNSUPPORTED_METHOD:
        return "unknown compression method";
    case ISAL_INCORRECT_CHECKSUM:
        return "its checksum or length is wrong";
    case ISAL_INVALID_BLOCK:
        return "invalid block";
    case ISAL_INVALID_SYMBOL:
        return "invalid symbol";
    case ISAL_INVALID_LOOKBACK:
        return "a reference to before its beginning";
    default:
        return "invalid data";
    }
}

static uint32_t clamp(size_t len) {
    return len < UINT32_MAX ? (uint32_t)len : UINT32_MAX;
}

static int run(struct isal *isal) {
    if (isal->in_header) {
        int result = isal_read_gzip_header(&isal->inflate, &isal->header);
        if (result != ISAL_DECOMP_OK) {
            return result;
        }
        isal->in_header = false;
    }
    return isal_inflate(&isal->inflate);
}

static enum mr_inflate_result isal_step(void *state, struct mr_inflate_window *window,
                                        const char **why) {
    struct isal *isal = state;
    uint32_t in_len = clamp(window->in_len);
    uint32_t out_len = clamp(window->out_len);
    isal->inflate.next_in = (uint8_t *)window->in; /* ISA-L reads it only */
    isal->inflate.avail_in = in_len;
    isal->inflate.next_out = window->out;
    isal->inflate.avail_out = out_len;
    int result = run(isal);
    window->in += in_len - isal->inflate.avail_in;
    window->in_len -= in_len - isal->inflate.avail_in;
    window->out += out_len - isal->inflate.avail_out;
    window->out_len -= out_len - isal->inflate.avail_out;
    if (result < 0) {
        *why = describe(result);
        return MR_INFLATE_CORRUPT;
    }
    bool ended = !isal->in_header && isal->inflate.block_state == ISAL_BLOCK_FINISH;
    return ended ? MR_INFLATE_END : MR_INFLATE_MORE;
}

const struct mr_inflate_engine mr_inflate_isal_engine = {
    .create = isal_create,
    .destroy = free,
    .begin = isal_begin,
    .step = isal_step,
};

#endif
