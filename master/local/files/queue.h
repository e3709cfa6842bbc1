/* queue: attempts that the core started and nobody has taken yet. */
#ifndef MR_FILES_QUEUE_H
#define MR_FILES_QUEUE_H

#include "master/core/terms.h"

/* Never holds more than there are slots. Zero-initialise; release with mr_queue_fini. */
struct mr_queue {
    struct mr_queue_row *rows;
    size_t begin;
    size_t end;
    size_t capacity;
};

MR_MUST_USE int mr_queue_reserve(struct mr_queue *queue, size_t slots, struct mr_error *err);
void mr_queue_fini(struct mr_queue *queue);

/* Can't fail: the core counts on it that what it starts is run. */
void mr_queue_push(struct mr_queue *queue, const struct mr_core_attempt *attempt);
/* False: none waits. *is_wanted: it was not stopped meanwhile. */
bool mr_queue_pop(struct mr_queue *queue, struct mr_core_attempt *attempt, bool *is_wanted);
/* An attempt, where it waits here, is not wanted any more. */
void mr_queue_unwant(struct mr_queue *queue, const struct mr_core_attempt *attempt);

bool mr_queue_is_same(const struct mr_core_attempt *a, const struct mr_core_attempt *b);

#endif
