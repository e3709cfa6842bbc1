/* zstd: decompresses a zstd file of any number of frames. */
#include "lib/input/zstd.h"

#include "lib/base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define WINDOW_LOG_MAX 27   /* 128 MiB: what the zstd command accepts unasked */
#define HEADER_BYTES_MAX 18 /* a frame's header, of whatever kind */

struct mr_zstd {
    ZSTD_DCtx *context;
    unsigned long long content; /* bytes that the frame's header promises, or that it doesn't say */
    unsigned long long written; /* of this frame */
    bool in_frame;
    bool any_frame; /* one has ended */
    bool ended;
};

int mr_zstd_create(struct mr_zstd **zstd, struct mr_error *err) {
    struct mr_zstd *made = calloc(1, sizeof *made);
    if (made) {
        made->context = ZSTD_createDCtx();
    }
    if (!made || !made->context) {
        free(made);
        return mr_error_nomem(err, "making a zstd decoder");
    }
    (void)ZSTD_DCtx_setParameter(made->context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    *zstd = made;
    return MR_OK;
}

void mr_zstd_destroy(struct mr_zstd *zstd) {
    if (zstd) {
        ZSTD_freeDCtx(zstd->context);
        free(zstd);
    }
}

/* `began`: whether the failing call was the first of a frame. */
static int fail(const struct mr_zstd *zstd, const struct mr_feed *feed, size_t result, bool began,
                struct mr_error *err) {
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_memory_allocation:
        return mr_error_nomem(err, "decompressing zstd data");
    case ZSTD_error_frameParameter_windowTooLarge:
        return mr_error_set(
            err, MR_ERR_INPUT,
            "\"%s\": the zstd frame at byte %" PRIu64
            " needs a window of more than 128 MiB: compress it again, without --long",
            feed->name, feed->offset);
    case ZSTD_error_prefix_unknown:
        if (began && zstd->any_frame) {
            return mr_error_set(err, MR_ERR_INPUT,
                                "\"%s\": garbage behind the zstd data, at byte %" PRIu64
                                ": not another frame",
                                feed->name, feed->offset);
        }
        break;
    default:
        break;
    }
    return mr_error_set(err, MR_ERR_INPUT,
                        "\"%s\": the zstd data is corrupt near byte %" PRIu64 ": %s", feed->name,
                        feed->offset, ZSTD_getErrorName(result));
}

/* Between frames: sees whether another one comes. */
static int begin_frame(struct mr_zstd *zstd, struct mr_feed *feed, struct mr_error *err) {
    int status = mr_feed_fill(feed, HEADER_BYTES_MAX, err);
    zstd->ended = status == MR_OK && feed->avail == 0 && zstd->any_frame;
    zstd->in_frame = !zstd->ended;
    zstd->content = ZSTD_getFrameContentSize(feed->next, feed->avail);
    zstd->written = 0;
    return status;
}

/* A stream that ends in a block of no bytes passes in libzstd 1.5.4, whatever the header promised:
 * so look. */
static int end_frame(struct mr_zstd *zstd, const struct mr_feed *feed, struct mr_error *err) {
    bool is_known =
        zstd->content != ZSTD_CONTENTSIZE_UNKNOWN && zstd->content != ZSTD_CONTENTSIZE_ERROR;
    zstd->in_frame = false;
    zstd->any_frame = true;
    if (is_known && zstd->content != zstd->written) {
        return mr_error_set(err, MR_ERR_INPUT,
                            "\"%s\": the zstd data is corrupt near byte %" PRIu64
                            ": a frame of %llu bytes should hold %llu",
                            feed->name, feed->offset, zstd->written, zstd->content);
    }
    return MR_OK;
}

/* Within a frame: one step, and more input where there is room left to fill. */
static int decompress_some(struct mr_zstd *zstd, struct mr_feed *feed, ZSTD_outBuffer *out,
                           bool began, struct mr_error *err) {
    ZSTD_inBuffer in = {.src = feed->next, .size = feed->avail};
    size_t before = out->pos;
    size_t result = ZSTD_decompressStream(zstd->context, out, &in);
    if (ZSTD_isError(result)) {
        return fail(zstd, feed, result, began, err);
    }
    mr_feed_take(feed, in.pos);
    zstd->written += out->pos - before;
    if (result == 0) {
        return end_frame(zstd, feed, err);
    }
    if (out->pos == out->size) {
        return MR_OK;
    }
    int status = mr_feed_fill(feed, 1, err);
    if (status == MR_OK && feed->avail == 0) {
        status = mr_error_set(err, MR_ERR_INPUT,
                              "\"%s\": the zstd data is cut off: the file ends at byte %" PRIu64
                              ", before its last frame does",
                              feed->name, feed->offset);
    }
    return status;
}

int mr_zstd_pull(struct mr_zstd *zstd, struct mr_feed *feed, char *out, size_t room, size_t *got,
                 struct mr_error *err) {
    ZSTD_outBuffer buffer = {.dst = out, .size = room};
    int status = MR_OK;
    while (status == MR_OK && buffer.pos < room && !zstd->ended) {
        bool began = !zstd->in_frame;
        if (began) {
            status = begin_frame(zstd, feed, err);
        }
        if (status == MR_OK && zstd->in_frame) {
            status = decompress_some(zstd, feed, &buffer, began, err);
        }
    }
    *got = buffer.pos;
    return status;
}
