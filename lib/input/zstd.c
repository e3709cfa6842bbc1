/* zstd: decompresses a zstd file of any number of frames. */
#include "lib/input/zstd.h"

#include "lib/base/error.h"
#include "lib/base/number.h"

#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define WINDOW_LOG_MAX 27   /* 128 MiB: what the zstd command accepts unasked */
#define HEADER_BYTES_MAX 18 /* a frame's header, of whatever kind */
#define MAGIC 0xFD2FB528u
#define SINGLE_SEGMENT 0x20               /* in the descriptor: no window, the content is one */
#define WINDOW_FREE ((uint64_t)256 << 10) /* taken by any decoder */
#define WINDOW_KEPT_SHARE 8               /* smaller windows give a larger one back */

struct mr_zstd {
    ZSTD_DCtx *context;
    struct mr_windows *windows; /* or NULL */
    uint64_t window;            /* bytes of it that are taken */
    bool waits;                 /* for others' windows */
    unsigned long long content; /* bytes that the frame's header promises, or that it doesn't say */
    unsigned long long written; /* of this frame */
    bool in_frame;
    bool any_frame; /* one has ended */
    bool ended;
};

static int create_context(struct mr_zstd *zstd, struct mr_error *err) {
    zstd->context = ZSTD_createDCtx();
    if (!zstd->context) {
        return mr_error_nomem(err, "making a zstd decoder");
    }
    (void)ZSTD_DCtx_setParameter(zstd->context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    return MR_OK;
}

int mr_zstd_create(struct mr_windows *windows, struct mr_zstd **zstd, struct mr_error *err) {
    struct mr_zstd *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "making a zstd decoder");
    }
    made->windows = windows;
    made->waits = true;
    if (create_context(made, err)) {
        free(made);
        return err->code;
    }
    *zstd = made;
    return MR_OK;
}

static void release_context(struct mr_zstd *zstd) {
    ZSTD_freeDCtx(zstd->context);
    zstd->context = NULL;
    if (zstd->window) {
        mr_windows_give(zstd->windows, zstd->window);
        zstd->window = 0;
    }
}

void mr_zstd_destroy(struct mr_zstd *zstd) {
    if (zstd) {
        release_context(zstd);
        free(zstd);
    }
}

void mr_zstd_set_waits(struct mr_zstd *zstd, bool waits) {
    zstd->waits = waits;
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

/* The window that a frame's header asks for (RFC 8878, 3.1.1.1); 0 where it is no such header. Of a
 * frame that says its content's size, no more than that is ever held. */
static uint64_t window_of(const struct mr_feed *feed, unsigned long long content) {
    const unsigned char *byte = feed->next;
    uint32_t magic;
    if (feed->avail < 6) {
        return 0;
    }
    memcpy(&magic, byte, sizeof magic);
    if (le32toh(magic) != MAGIC || content == ZSTD_CONTENTSIZE_ERROR) {
        return 0;
    }
    if (byte[4] & SINGLE_SEGMENT) {
        return content;
    }
    uint64_t base = (uint64_t)1 << (10 + (byte[5] >> 3));
    uint64_t window = base + base / 8 * (byte[5] & 7);
    return window < content ? window : content; /* unknown: the largest number */
}

static int refuse_window(const struct mr_feed *feed, uint64_t window, struct mr_error *err) {
    char need[MR_NUMBER_TEXT_MAX];
    char memory[MR_NUMBER_TEXT_MAX];
    uint64_t mib = ((uint64_t)1 << 20) - 1;
    mr_number_put_size(need, sizeof need, window);
    mr_number_put_size(memory, sizeof memory, (2 * window + mib) & ~mib);
    return mr_error_set(err, MR_ERR_INPUT,
                        "\"%s\": the zstd frame at byte %" PRIu64
                        " needs a window of %s, more than half of --memory: --memory %s would do",
                        feed->name, feed->offset, need, memory);
}

/* Before a frame: takes its window, with a context that holds no other's. */
static int take_window(struct mr_zstd *zstd, const struct mr_feed *feed, struct mr_error *err) {
    uint64_t window = window_of(feed, zstd->content);
    bool is_kept = window <= zstd->window && window >= zstd->window / WINDOW_KEPT_SHARE;
    bool is_beyond = window > (uint64_t)1 << WINDOW_LOG_MAX; /* refused by the library */
    if (!zstd->windows || is_kept || is_beyond || (window <= WINDOW_FREE && !zstd->window)) {
        return MR_OK;
    }
    if (window > zstd->windows->limit) {
        return refuse_window(feed, window, err);
    }
    release_context(zstd);
    if (window > WINDOW_FREE &&
        mr_windows_take(zstd->windows, window, zstd->waits, feed->stop, err)) {
        return err->code;
    }
    zstd->window = window > WINDOW_FREE ? window : 0;
    return create_context(zstd, err);
}

/* Between frames: sees whether another one comes. */
static int begin_frame(struct mr_zstd *zstd, struct mr_feed *feed, struct mr_error *err) {
    int status = mr_feed_fill(feed, HEADER_BYTES_MAX, err);
    zstd->ended = status == MR_OK && feed->avail == 0 && zstd->any_frame;
    zstd->in_frame = !zstd->ended;
    zstd->content = ZSTD_getFrameContentSize(feed->next, feed->avail);
    zstd->written = 0;
    return status == MR_OK && zstd->in_frame ? take_window(zstd, feed, err) : status;
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
