/* source: pulls an input's bytes from start to end, decompressed where it is compressed. */
#include "lib/input/source.h"

#include "lib/base/error.h"
#include "lib/input/feed.h"
#include "lib/input/gzip.h"
#include "lib/input/zstd.h"

#include <stdlib.h>

struct mr_source {
    struct mr_feed feed;
    struct mr_windows *windows; /* or NULL */
    enum mr_input_kind kind;    /* STREAM until its first bytes were seen */
    struct mr_gzip *gzip;
    struct mr_zstd *zstd;
};

enum mr_input_kind mr_source_kind(const void *head, size_t len) {
    const unsigned char *byte = head;
    if (len >= 2 && byte[0] == 0x1f && byte[1] == 0x8b) {
        return MR_INPUT_GZIP;
    }
    if (len >= 4 && byte[0] == 0x28 && byte[1] == 0xb5 && byte[2] == 0x2f && byte[3] == 0xfd) {
        return MR_INPUT_ZSTD;
    }
    bool is_skippable = len >= 4 && (byte[0] & 0xf0) == 0x50 && byte[1] == 0x2a &&
                        byte[2] == 0x4d && byte[3] == 0x18;
    return is_skippable ? MR_INPUT_ZSTD : MR_INPUT_FILE;
}

/* What would be counted as text in silence. */
static const struct {
    const char *name;
    const char *magic;
    size_t len;
    const char *command;
} foreign[] = {
    {"bzip2", "BZh?1AY&SY", 10, "bzip2 -dc"}, /* the fourth byte is the level */
    {"bzip2", "BZh?\x17rE8P\x90", 10, "bzip2 -dc"},
    {"xz", "\xFD\x37zXZ\0", 6, "xz -dc"},
    {"zip", "PK\x03\x04", 4, "unzip -p"},
    {"zip", "PK\x05\x06", 4, "unzip -p"}, /* an empty one */
    {"7-Zip", "7z\xBC\xAF\x27\x1C", 6, "7z x -so"},
    {"lz4", "\x04\x22\x4D\x18", 4, "lz4 -dc"},
};

/* '?' stands for any byte. */
static bool has_magic(const char *head, size_t len, const char *magic, size_t magic_len) {
    size_t same = 0;
    while (same < magic_len && same < len && (magic[same] == '?' || magic[same] == head[same])) {
        same++;
    }
    return same == magic_len;
}

int mr_source_check_head(const void *head, size_t len, const char *name, struct mr_error *err) {
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        if (has_magic(head, len, foreign[i].magic, foreign[i].len)) {
            return mr_error_set(err, MR_ERR_INPUT,
                                "\"%s\" is compressed by %s, and only gzip and zstd are read: "
                                "use %s FILE | millrace run JOB -",
                                name, foreign[i].name, foreign[i].command);
        }
    }
    return MR_OK;
}

static int make_decoder(struct mr_source *source, struct mr_error *err) {
    switch (source->kind) {
    case MR_INPUT_GZIP:
        return mr_gzip_create(NULL, &source->gzip, err);
    case MR_INPUT_ZSTD:
        return mr_zstd_create(source->windows, &source->zstd, err);
    case MR_INPUT_FILE:
    case MR_INPUT_STREAM:
        break;
    }
    return MR_OK;
}

int mr_source_open(const struct mr_input *input, const atomic_bool *stop,
                   struct mr_windows *windows, struct mr_source **source, struct mr_error *err) {
    struct mr_source *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "opening an input");
    }
    made->kind = input->kind;
    made->windows = windows;
    int status = mr_feed_open(&made->feed, input, stop, err);
    if (status == MR_OK) {
        status = make_decoder(made, err);
    }
    if (status != MR_OK) {
        mr_source_close(made);
        return status;
    }
    *source = made;
    return MR_OK;
}

int mr_source_open_memory(struct mr_bytes bytes, enum mr_input_kind kind, struct mr_source **source,
                          struct mr_error *err) {
    struct mr_source *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "opening an input in memory");
    }
    made->kind = kind;
    mr_feed_open_memory(&made->feed, bytes, "memory");
    int status = make_decoder(made, err);
    if (status != MR_OK) {
        mr_source_close(made);
        return status;
    }
    *source = made;
    return MR_OK;
}

/* Settles what a stream is. */
static int sniff(struct mr_source *source, struct mr_error *err) {
    int status = mr_feed_fill(&source->feed, MR_SOURCE_MAGIC_BYTES, err);
    if (status == MR_OK) {
        status =
            mr_source_check_head(source->feed.next, source->feed.avail, source->feed.name, err);
    }
    if (status == MR_OK) {
        source->kind = mr_source_kind(source->feed.next, source->feed.avail);
        status = make_decoder(source, err);
    }
    return status;
}

int mr_source_pull(struct mr_source *source, char *out, size_t room, size_t *got,
                   struct mr_error *err) {
    int status = source->kind == MR_INPUT_STREAM ? sniff(source, err) : MR_OK;
    *got = 0;
    if (status != MR_OK) {
        return status;
    }
    switch (source->kind) {
    case MR_INPUT_GZIP:
        return mr_gzip_pull(source->gzip, &source->feed, out, room, got, err);
    case MR_INPUT_ZSTD:
        return mr_zstd_pull(source->zstd, &source->feed, out, room, got, err);
    case MR_INPUT_FILE:
    case MR_INPUT_STREAM:
        break;
    }
    return mr_feed_read(&source->feed, out, room, got, err);
}

void mr_source_set_waits(struct mr_source *source, bool waits) {
    if (source->zstd) {
        mr_zstd_set_waits(source->zstd, waits);
    }
}

uint64_t mr_source_consumed(const struct mr_source *source) {
    return source->feed.offset;
}

void mr_source_close(struct mr_source *source) {
    if (!source) {
        return;
    }
    mr_gzip_destroy(source->gzip);
    mr_zstd_destroy(source->zstd);
    mr_feed_close(&source->feed);
    free(source);
}
