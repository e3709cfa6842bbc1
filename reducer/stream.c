/* stream: the records of a partition in order, those of one key folded into one. */
#include "reducer/stream.h"

#include "lib/base/error.h"
#include <endian.h>

int mr_stream_open(struct mr_stream *stream, struct mr_run *const *runs, size_t count,
                   uint32_t partition, const struct mr_key_range *range,
                   const struct mr_record_rules *rules, struct mr_error *err) {
    *stream = (struct mr_stream){
        .kind = rules->kind,
        .fold = {.kind = rules->kind, .combine = rules->combine, .arg = rules->arg},
        .steps_first = true};
    return mr_merge_open(&stream->merge, runs, count, partition, range, &rules->order, err);
}

void mr_stream_close(struct mr_stream *stream) {
    mr_merge_close(&stream->merge);
    mr_fold_fini(&stream->fold);
    mr_buffer_fini(&stream->key);
}

static inline int step(struct mr_stream *stream, struct mr_error *err) {
    const struct mr_cursor *head;
    int more = mr_merge_next(&stream->merge, &head, err);
    stream->head = more > 0 ? head : NULL;
    stream->steps_first = false;
    return more < 0 ? more : MR_OK;
}

int mr_stream_peek(struct mr_stream *stream, const struct mr_cursor **head, struct mr_error *err) {
    *head = NULL;
    if (stream->steps_first && step(stream, err)) {
        return err->code;
    }
    *head = stream->head;
    return stream->head != NULL;
}

static inline bool is_same_key(const struct mr_stream *stream) {
    return mr_merge_same_key(stream->prefix, mr_stream_key(stream), stream->head->prefix,
                             stream->head->key);
}

static int malformed(struct mr_error *err) {
    return mr_error_set(err, MR_ERR_INTERNAL, "a sorted run holds a malformed value");
}

/* The common case: sums of u64, without a call a value. */
static int take_sum(struct mr_stream *stream, struct mr_error *err) {
    uint64_t sum = 0;
    do {
        uint64_t number;
        if (!mr_fold_get_u64(stream->head->value, &number)) {
            return malformed(err);
        }
        if (__builtin_add_overflow(sum, number, &sum)) {
            char text[MR_FOLD_KEY_TEXT_MAX];
            return mr_error_set(err, MR_ERR_JOB, "the sum of %s is larger than 2^64-1",
                                mr_fold_key_text(mr_stream_key(stream), text));
        }
        stream->taken++;
        if (step(stream, err)) {
            return err->code;
        }
    } while (stream->head && is_same_key(stream));
    stream->u64 = sum;
    return 1;
}

static int take_folded(struct mr_stream *stream, struct mr_error *err) {
    if (mr_fold_begin(&stream->fold, stream->head->value, err)) {
        return err->code;
    }
    stream->taken++;
    if (step(stream, err)) {
        return err->code;
    }
    while (stream->head && is_same_key(stream)) {
        if (mr_fold_add(&stream->fold, mr_stream_key(stream), stream->head->value, err)) {
            return err->code;
        }
        stream->taken++;
        if (step(stream, err)) {
            return err->code;
        }
    }
    if (mr_fold_is_u64(stream->kind)) {
        stream->u64 = stream->fold.u64;
    }
    return 1;
}

/* Copies the head's key; short ones from the prefix, without a call. */
static inline int keep_key(struct mr_stream *stream, const struct mr_cursor *head,
                           struct mr_error *err) {
    stream->key.len = 0;
    stream->prefix = head->prefix;
    if (head->key.len > sizeof stream->prefix || stream->key.cap < sizeof stream->prefix) {
        return mr_buffer_append(&stream->key, head->key.data, head->key.len, err) ||
               mr_buffer_reserve(&stream->key, sizeof stream->prefix, err);
    }
    uint64_t words[2] = {htobe64(head->prefix.hi), htobe64(head->prefix.lo)};
    memcpy(stream->key.data, words, sizeof words);
    stream->key.len = head->key.len;
    return MR_OK;
}

int mr_stream_take(struct mr_stream *stream, struct mr_error *err) {
    const struct mr_cursor *head = NULL;
    int more = mr_stream_peek(stream, &head, err);
    if (!head) {
        return more;
    }
    if (keep_key(stream, head, err)) {
        return err->code;
    }
    if (stream->kind == MR_SUM_U64) {
        return take_sum(stream, err);
    }
    if (stream->kind == MR_VALUES) {
        stream->value = head->value;
        stream->steps_first = true;
        stream->taken++;
        return 1;
    }
    return take_folded(stream, err);
}

int mr_stream_value(struct mr_stream *stream, struct mr_bytes *value, struct mr_error *err) {
    if (stream->kind == MR_VALUES) {
        *value = stream->value;
        return MR_OK;
    }
    if (stream->kind == MR_SUM_U64) {
        stream->fold.u64 = stream->u64;
    }
    return mr_fold_result(&stream->fold, value, err);
}
