/* line: what the test plugins share: a block cut in lines, a line in KEY TAB VALUE, and the part of
 * a key before its first colon. */
#ifndef MR_TESTS_PLUGINS_LINE_H
#define MR_TESTS_PLUGINS_LINE_H

#include <mr/job.h>

/* Cuts at the last tab. Without one all is key, and the value has no bytes. */
static inline void line_cut(struct mr_bytes line, struct mr_bytes *key, struct mr_bytes *value) {
    const char *tab = line.len ? memrchr(line.data, '\t', line.len) : NULL;
    *key = line;
    *value = (struct mr_bytes){"", 0};
    if (tab) {
        key->len = (size_t)(tab - line.data);
        *value = (struct mr_bytes){tab + 1, line.len - key->len - 1};
    }
}

/* Maps each line of a block, and counts them: a map_block made of a map. */
static inline int line_map_block(struct mr_ctx *ctx, struct mr_bytes block,
                                 int (*map_line)(struct mr_ctx *ctx, struct mr_bytes line),
                                 uint64_t *records) {
    const char *at = block.data;
    const char *end = at + block.len;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        mr_at(ctx, (uint64_t)(at - block.data));
        int status = map_line(ctx, (struct mr_bytes){at, (size_t)(stop - at)});
        if (status) {
            return status;
        }
        ++*records;
        at = stop + 1;
    }
    return 0;
}

static inline struct mr_bytes line_family(struct mr_bytes key) {
    const char *colon = key.len ? memchr(key.data, ':', key.len) : NULL;
    return (struct mr_bytes){key.data, colon ? (size_t)(colon - key.data) : key.len};
}

static inline bool line_same(struct mr_bytes a, struct mr_bytes b) {
    return a.len == b.len && (!a.len || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool line_is(struct mr_bytes a, const char *text) {
    return line_same(a, mr_bytes_text(text));
}

/* FNV-1a. */
static inline uint32_t line_hash(struct mr_bytes bytes) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < bytes.len; i++) {
        hash = (hash ^ (uint8_t)bytes.data[i]) * 16777619u;
    }
    return hash;
}

static inline int line_order(struct mr_bytes a, struct mr_bytes b) {
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.data, b.data, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

#endif
