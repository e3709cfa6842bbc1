/* gzip: decompresses a gzip file of any number of members. */
#include "lib/input/gzip.h"

#include "lib/base/error.h"

#include <inttypes.h>
#include <stdlib.h>

#define MAGIC_FIRST 0x1f

struct mr_gzip {
    const struct mr_inflate_engine *engine;
    void *state;
    bool in_member;
    bool any_member; /* one has ended */
    bool ended;
};

int mr_gzip_create(const struct mr_inflate_engine *engine, struct mr_gzip **gzip,
                   struct mr_error *err) {
    if (!engine) {
#ifdef MR_HAVE_ISAL
        engine = &mr_inflate_isal_engine;
#else
        engine = &mr_inflate_zlib_engine;
#endif
    }
    struct mr_gzip *made = calloc(1, sizeof *made);
    if (made) {
        made->engine = engine;
        made->state = engine->create();
    }
    if (!made || !made->state) {
        free(made);
        return mr_error_nomem(err, "making a gzip decoder");
    }
    *gzip = made;
    return MR_OK;
}

void mr_gzip_destroy(struct mr_gzip *gzip) {
    if (gzip) {
        gzip->engine->destroy(gzip->state);
        free(gzip);
    }
}

static int fail_cut_off(const struct mr_feed *feed, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_INPUT,
                        "\"%s\": the gzip data is cut off: the file ends at byte %" PRIu64
                        ", before its last member does",
                        feed->name, feed->offset);
}

static int fail_garbage(const struct mr_feed *feed, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_INPUT,
                        "\"%s\": garbage behind the gzip data, at byte %" PRIu64
                        ": neither another member nor zeros to the end",
                        feed->name, feed->offset);
}

/* Passes over the zeros that pad the file to its end. */
static int skip_padding(struct mr_gzip *gzip, struct mr_feed *feed, struct mr_error *err) {
    for (;;) {
        while (feed->avail > 0 && *feed->next == 0) {
            mr_feed_take(feed, 1);
        }
        if (feed->avail > 0) {
            return fail_garbage(feed, err);
        }
        if (feed->ended) {
            gzip->ended = true;
            return MR_OK;
        }
        int status = mr_feed_fill(feed, 1, err);
        if (status != MR_OK) {
            return status;
        }
    }
}

/* Between members: starts the next one, or finds the end. */
static int begin_member(struct mr_gzip *gzip, struct mr_feed *feed, struct mr_error *err) {
    int status = mr_feed_fill(feed, 1, err);
    if (status != MR_OK) {
        return status;
    }
    if (feed->avail == 0 && gzip->any_member) {
        gzip->ended = true;
        return MR_OK;
    }
    if (feed->avail > 0 && *feed->next != MAGIC_FIRST && gzip->any_member) {
        return *feed->next == 0 ? skip_padding(gzip, feed, err) : fail_garbage(feed, err);
    }
    gzip->engine->begin(gzip->state);
    gzip->in_member = true;
    return MR_OK;
}

/* Within a member: one step of the engine, and more input where it has room left to fill. */
static int inflate_some(struct mr_gzip *gzip, struct mr_feed *feed,
                        struct mr_inflate_window *window, struct mr_error *err) {
    size_t room = window->out_len;
    size_t avail = feed->avail;
    const char *why = "";
    window->in = feed->next;
    window->in_len = avail;
    enum mr_inflate_result result = gzip->engine->step(gzip->state, window, &why);
    mr_feed_take(feed, avail - window->in_len);
    if (result == MR_INFLATE_MORE && avail > 0 && feed->avail == avail && window->out_len == room) {
        result = MR_INFLATE_CORRUPT;
        why = "it can't be decoded further";
    }
    switch (result) {
    case MR_INFLATE_END:
        gzip->in_member = false;
        gzip->any_member = true;
        return MR_OK;
    case MR_INFLATE_NOMEM:
        return mr_error_nomem(err, "decompressing gzip data");
    case MR_INFLATE_CORRUPT:
        return mr_error_set(err, MR_ERR_INPUT,
                            "\"%s\": the gzip data is corrupt near byte %" PRIu64 ": %s",
                            feed->name, feed->offset, why);
    case MR_INFLATE_MORE:
        break;
    }
    int status = window->out_len > 0 ? mr_feed_fill(feed, 1, err) : MR_OK;
    if (status == MR_OK && window->out_len > 0 && feed->avail == 0) {
        status = fail_cut_off(feed, err);
    }
    return status;
}

int mr_gzip_pull(struct mr_gzip *gzip, struct mr_feed *feed, char *out, size_t room, size_t *got,
                 struct mr_error *err) {
    struct mr_inflate_window window = {.out = (unsigned char *)out, .out_len = room};
    int status = MR_OK;
    while (status == MR_OK && window.out_len > 0 && !gzip->ended) {
        status = gzip->in_member ? inflate_some(gzip, feed, &window, err)
                                 : begin_member(gzip, feed, err);
    }
    *got = room - window.out_len;
    return status;
}
