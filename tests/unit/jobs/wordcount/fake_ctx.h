/* fake_ctx: a context for running a job's callbacks without the engine: it writes down what they
 * emit. */
#ifndef MR_TESTS_FAKE_CTX_H
#define MR_TESTS_FAKE_CTX_H

#include <mr/job.h>
#include <stdio.h>
#include <stdlib.h>

#define FAKE_PARAMS_MAX 8

/* Every pair emitted, in order: length of the key (size_t), key, value (uint64_t; 0 for bytes). */
struct fake_log {
    char *bytes;
    size_t len, capacity;
    uint64_t pairs;
};

struct fake_ctx {
    struct mr_ctx ctx; /* first: callbacks' context is cast back */
    struct fake_log log;
    uint64_t fail_after; /* emits until one fails; 0: none does */
    uint64_t counter;    /* of the only counter */
    char counter_name[32];
    const char *names[FAKE_PARAMS_MAX];
    const char *values[FAKE_PARAMS_MAX];
    struct mr_bytes side_input;
    char sentence[256];
};

static inline void fake_log_add(struct fake_log *log, struct mr_bytes key, uint64_t value) {
    size_t need = log->len + sizeof(key.len) + key.len + sizeof(value);
    if (need > log->capacity) {
        log->capacity = 2 * need;
        log->bytes = realloc(log->bytes, log->capacity);
        if (!log->bytes) {
            perror("realloc");
            abort();
        }
    }
    memcpy(log->bytes + log->len, &key.len, sizeof(key.len));
    if (key.len > 0) {
        memcpy(log->bytes + log->len + sizeof(key.len), key.data, key.len);
    }
    memcpy(log->bytes + need - sizeof(value), &value, sizeof(value));
    log->len = need;
    log->pairs++;
}

/* Reads the pair at *at and steps behind it; false at the end. The key is a view of the log. */
static inline bool fake_log_next(const struct fake_log *log, size_t *at, struct mr_bytes *key,
                                 uint64_t *value) {
    if (*at >= log->len) {
        return false;
    }
    memcpy(&key->len, log->bytes + *at, sizeof(key->len));
    key->data = log->bytes + *at + sizeof(key->len);
    memcpy(value, key->data + key->len, sizeof(*value));
    *at += sizeof(key->len) + key->len + sizeof(*value);
    return true;
}

static inline bool fake_log_equal(const struct fake_log *a, const struct fake_log *b) {
    return a->len == b->len && (a->len == 0 || memcmp(a->bytes, b->bytes, a->len) == 0);
}

static inline void fake_log_clear(struct fake_log *log) {
    log->len = 0;
    log->pairs = 0;
}

static inline int fake_emit_u64(struct mr_ctx *ctx, const char *key, size_t len, uint64_t value) {
    struct fake_ctx *fake = (struct fake_ctx *)ctx;
    if (fake->fail_after > 0 && fake->log.pairs == fake->fail_after) {
        return MR_ERR_IO; /* sticky, since nothing is added any more */
    }
    fake_log_add(&fake->log, (struct mr_bytes){key, len}, value);
    return 0;
}

static inline int fake_emit_u64_spans(struct mr_ctx *ctx, const char *text, const uint32_t *bounds,
                                      size_t count, uint64_t value) {
    int status = 0;
    for (size_t i = 0; i < count && !status; i++, bounds += 2) {
        status = fake_emit_u64(ctx, text + bounds[0], bounds[1] - bounds[0], value);
    }
    return status;
}

static inline int fake_emit(struct mr_ctx *ctx, struct mr_bytes key, struct mr_bytes value) {
    (void)value;
    return fake_emit_u64(ctx, key.data, key.len, 0);
}

static inline const char *fake_param(const struct mr_ctx *ctx, const char *name) {
    const struct fake_ctx *fake = (const struct fake_ctx *)ctx;
    for (size_t i = 0; i < FAKE_PARAMS_MAX && fake->names[i]; i++) {
        if (strcmp(fake->names[i], name) == 0) {
            return fake->values[i];
        }
    }
    return NULL;
}

static inline uint64_t fake_param_u64(const struct mr_ctx *ctx, const char *name) {
    const char *value = fake_param(ctx, name);
    return !value ? 0 : *value == '\0' ? 1 : strtoull(value, NULL, 10);
}

static inline int fake_side_input(struct mr_ctx *ctx, const char *param, struct mr_bytes *content) {
    const struct fake_ctx *fake = (struct fake_ctx *)ctx;
    (void)param;
    *content = fake->side_input;
    return 0;
}

static inline int fake_counter_add(struct mr_ctx *ctx, const char *name, uint64_t amount) {
    struct fake_ctx *fake = (struct fake_ctx *)ctx;
    snprintf(fake->counter_name, sizeof(fake->counter_name), "%s", name);
    fake->counter += amount;
    return 0;
}

static inline int fake_fail(struct mr_ctx *ctx, const char *format, va_list args) {
    struct fake_ctx *fake = (struct fake_ctx *)ctx;
    vsnprintf(fake->sentence, sizeof(fake->sentence), format, args);
    return MR_ERR_JOB;
}

/* Fills a zeroed context; the caller releases log.bytes. */
static inline void fake_ctx_init(struct fake_ctx *fake) {
    fake->ctx.emit = fake_emit;
    fake->ctx.emit_u64 = fake_emit_u64;
    fake->ctx.emit_u64_spans = fake_emit_u64_spans;
    fake->ctx.param = fake_param;
    fake->ctx.param_u64 = fake_param_u64;
    fake->ctx.side_input = fake_side_input;
    fake->ctx.counter_add = fake_counter_add;
    fake->ctx.fail = fake_fail;
    fake->ctx.partitions = 1;
}

/* Gives a parameter; names and values are borrowed. */
static inline void fake_ctx_param(struct fake_ctx *fake, const char *name, const char *value) {
    for (size_t i = 0; i < FAKE_PARAMS_MAX; i++) {
        if (!fake->names[i] || strcmp(fake->names[i], name) == 0) {
            fake->names[i] = name;
            fake->values[i] = value;
            return;
        }
    }
}

#endif
