/* test_gzip: the engines that inflate give the same bytes, however they are fed. */
#include "lib/input/gzip.h"

#include "tests/unit/input/scratch.h"

/* Decompresses at most `room` bytes, by pulls of `step` bytes. */
static struct blob pull_all(const struct mr_inflate_engine *engine, const struct blob *packed,
                            size_t step, size_t room) {
    struct mr_bytes bytes = {(const char *)packed->data, packed->len};
    struct mr_gzip *gzip = NULL;
    struct mr_feed feed;
    struct mr_error err = {0};
    struct blob text = {malloc(room + step), 0};
    size_t got = step;
    cr_assert_not_null(text.data);
    cr_assert_eq(mr_gzip_create(engine, &gzip, &err), 0);
    mr_feed_open_memory(&feed, bytes, "memory");
    while (got == step) {
        char *out = (char *)text.data + text.len;
        cr_assert_eq(mr_gzip_pull(gzip, &feed, out, step, &got, &err), 0, "%s", err.text);
        text.len += got;
        cr_assert_leq(text.len, room);
    }
    cr_assert_eq(feed.offset, packed->len);
    mr_feed_close(&feed);
    mr_gzip_destroy(gzip);
    return text;
}

Test(gzip, engines_agree) {
    static const size_t steps[] = {1, 7, 64, 4096, 32768, 65537, 1000000};
    static const struct mr_inflate_engine *const engines[] = {NULL, &mr_inflate_zlib_engine};
    struct blob text = blob_lines(150000, 60, 1);
    struct blob packed = blob_gzip(text.data, text.len);
    struct blob second = blob_gzip("tail\n", 5);
    blob_append(&packed, second.data, second.len);
    blob_append(&text, "tail\n", 5);
    for (size_t engine = 0; engine < 2; engine++) {
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
            struct blob pulled = pull_all(engines[engine], &packed, steps[i], text.len);
            cr_assert_eq(pulled.len, text.len, "steps of %zu", steps[i]);
            cr_assert(memcmp(pulled.data, text.data, text.len) == 0, "steps of %zu", steps[i]);
            blob_fini(&pulled);
        }
    }
    blob_fini(&text);
    blob_fini(&packed);
    blob_fini(&second);
}
