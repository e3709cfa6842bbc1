/* scratch: a folder of a test's own, files in it, and data to fill them. */
#ifndef MR_TESTS_UNIT_INPUT_SCRATCH_H
#define MR_TESTS_UNIT_INPUT_SCRATCH_H

#include "tests/unit/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

/* A folder of its own for one test. */
struct scratch {
    char path[64];
    char joined[4][192]; /* what scratch_path returned last */
    unsigned next;
};

/* Bytes owned by a test. */
struct blob {
    unsigned char *data;
    size_t len;
};

static inline void scratch_make(struct scratch *scratch) {
    *scratch = (struct scratch){.path = "/tmp/millrace-test-XXXXXX"};
    cr_assert_not_null(mkdtemp(scratch->path));
}

static inline int scratch_remove_one(const char *path, const struct stat *info, int type,
                                     struct FTW *where) {
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

static inline void scratch_remove(const struct scratch *scratch) {
    cr_assert_eq(nftw(scratch->path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* The path of a name in the folder; good until the fourth call after. */
static inline const char *scratch_path(struct scratch *scratch, const char *name) {
    char *path = scratch->joined[scratch->next++ % 4];
    size_t len = strlen(scratch->path);
    size_t name_len = strlen(name);
    cr_assert_lt(len + 1 + name_len, sizeof scratch->joined[0]);
    memcpy(path, scratch->path, len);
    path[len] = '/';
    memcpy(path + len + 1, name, name_len + 1);
    return path;
}

static inline void scratch_write(struct scratch *scratch, const char *name, const void *data,
                                 size_t len) {
    const char *path = scratch_path(scratch, name);
    unlink(path); /* ext4 writes a file that was truncated and written again to the disk at once */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    cr_assert(fd >= 0);
    size_t done = 0;
    while (done < len) {
        ssize_t count = write(fd, (const char *)data + done, len - done);
        cr_assert(count > 0);
        done += (size_t)count;
    }
    cr_assert_eq(close(fd), 0);
}

/* Lines of 0 to `line_max` bytes, `len` bytes in all, no '\n' at the end; the same for the same
 * seed. */
static inline struct blob blob_lines(size_t len, unsigned line_max, uint32_t seed) {
    struct blob blob = {malloc(len + 1), len};
    cr_assert_not_null(blob.data);
    uint32_t random = seed * 2654435761U + 1;
    size_t left = 0;
    for (size_t i = 0; i < len; i++) {
        random = random * 1664525U + 1013904223U;
        if (left == 0 && i > 0 && i + 1 < len) {
            blob.data[i] = '\n';
            left = line_max ? (random >> 8) % (line_max + 1) : 0;
            continue;
        }
        blob.data[i] = (unsigned char)('a' + (random >> 24) % 17);
        left -= left > 0;
    }
    return blob;
}

static inline struct blob blob_gzip(const void *data, size_t len) {
    z_stream stream = {0};
    cr_assert_eq(deflateInit2(&stream, 6, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    struct blob blob = {NULL, deflateBound(&stream, (uLong)len) + 32};
    blob.data = malloc(blob.len);
    cr_assert_not_null(blob.data);
    stream.next_in = (Bytef *)data;
    stream.avail_in = (uInt)len;
    stream.next_out = blob.data;
    stream.avail_out = (uInt)blob.len;
    cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    blob.len = stream.total_out;
    deflateEnd(&stream);
    return blob;
}

static inline struct blob blob_zstd(const void *data, size_t len) {
    struct blob blob = {NULL, ZSTD_compressBound(len)};
    blob.data = malloc(blob.len);
    cr_assert_not_null(blob.data);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    cr_assert_not_null(context);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    blob.len = ZSTD_compress2(context, blob.data, blob.len, data, len);
    cr_assert(!ZSTD_isError(blob.len));
    ZSTD_freeCCtx(context);
    return blob;
}

/* Appends b's bytes to a; b stays. */
static inline void blob_append(struct blob *a, const void *data, size_t len) {
    a->data = realloc(a->data, a->len + len + 1);
    cr_assert_not_null(a->data);
    memcpy(a->data + a->len, data, len);
    a->len += len;
}

static inline void blob_fini(struct blob *blob) {
    free(blob->data);
    *blob = (struct blob){0};
}

#endif
