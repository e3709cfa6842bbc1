/* queue: attempts that the core started and nobody has taken yet. */
#include "master/local/files/queue.h"

#include "lib/base/check.h"
#include "lib/base/error.h"
#include <stdlib.h>
#include <string.h>

struct mr_queue_row {
    struct mr_core_attempt attempt;
    bool is_unwanted;
};

int mr_queue_reserve(struct mr_queue *queue, size_t slots, struct mr_error *err) {
    queue->rows = calloc(slots, sizeof *queue->rows);
    queue->capacity = slots;
    return queue->rows ? MR_OK : mr_error_nomem(err, "listing slots");
}

void mr_queue_fini(struct mr_queue *queue) {
    free(queue->rows);
    *queue = (struct mr_queue){0};
}

void mr_queue_push(struct mr_queue *queue, const struct mr_core_attempt *attempt) {
    if (queue->end == queue->capacity) {
        queue->end -= queue->begin;
        memmove(queue->rows, queue->rows + queue->begin, queue->end * sizeof *queue->rows);
        queue->begin = 0;
    }
    MR_CHECK(queue->end < queue->capacity);
    queue->rows[queue->end++] = (struct mr_queue_row){*attempt, false};
}

bool mr_queue_pop(struct mr_queue *queue, struct mr_core_attempt *attempt, bool *is_wanted) {
    if (queue->begin == queue->end) {
        return false;
    }
    const struct mr_queue_row *row = &queue->rows[queue->begin++];
    *attempt = row->attempt;
    *is_wanted = !row->is_unwanted;
    return true;
}

bool mr_queue_is_same(const struct mr_core_attempt *a, const struct mr_core_attempt *b) {
    return a->job == b->job && a->round == b->round && a->phase == b->phase && a->task == b->task &&
           a->attempt == b->attempt;
}

void mr_queue_unwant(struct mr_queue *queue, const struct mr_core_attempt *attempt) {
    for (size_t i = queue->begin; i < queue->end; i++) {
        queue->rows[i].is_unwanted |= mr_queue_is_same(&queue->rows[i].attempt, attempt);
    }
}
