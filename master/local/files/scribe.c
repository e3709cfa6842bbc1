/* scribe: applies events to the core, and has effects performed once they are durable. */
#include "master/local/files/scribe.h"

#include "lib/base/error.h"
#include <stdlib.h>
#include <string.h>

void mr_scribe_init(struct mr_scribe *scribe) {
    pthread_condattr_t monotonic;
    *scribe = (struct mr_scribe){0};
    pthread_mutex_init(&scribe->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&scribe->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void mr_scribe_fini(struct mr_scribe *scribe) {
    pthread_mutex_destroy(&scribe->lock);
    pthread_cond_destroy(&scribe->changed);
    free(scribe->effects);
}

static int end(struct mr_scribe *scribe, const struct mr_error *err) {
    if (!scribe->err.code) {
        scribe->err = *err;
    }
    pthread_cond_broadcast(&scribe->changed);
    return err->code;
}

void mr_scribe_end(struct mr_scribe *scribe, const struct mr_error *err) {
    (void)end(scribe, err);
}

static int keep(struct mr_scribe *scribe, const struct mr_core_effects *effects,
                struct mr_error *err) {
    if (scribe->count + effects->count > scribe->capacity) {
        size_t capacity = 2 * (scribe->count + effects->count) + 16;
        struct mr_core_effect *items = realloc(scribe->effects, capacity * sizeof *items);
        if (!items) {
            mr_error_nomem(err, "starting tasks");
            return end(scribe, err); /* the state is ahead of what can be done */
        }
        scribe->effects = items;
        scribe->capacity = capacity;
    }
    if (effects->count > 0) {
        memcpy(scribe->effects + scribe->count, effects->items,
               effects->count * sizeof *effects->items);
    }
    scribe->count += effects->count;
    return MR_OK;
}

static int perform_now(struct mr_scribe *scribe, const struct mr_core_effects *effects) {
    scribe->committed = scribe->applied;
    for (size_t i = 0; i < effects->count; i++) {
        scribe->perform(scribe->arg, &effects->items[i]);
    }
    pthread_cond_broadcast(&scribe->changed);
    return MR_OK;
}

int mr_scribe_apply(struct mr_scribe *scribe, const struct mr_core_event *event, bool *is_accepted,
                    struct mr_error *err) {
    struct mr_core_effects effects;
    if (scribe->err.code) {
        *err = scribe->err;
        return err->code;
    }
    bool is_journaled = scribe->journal != NULL;
    if (is_journaled ? mr_journal_apply(scribe->journal, event, 0, &effects, err)
                     : mr_core_apply(scribe->core, event, 0, &effects, err)) {
        return end(scribe, err); /* no event here may be refused */
    }
    for (size_t i = 0; is_accepted && i < effects.count; i++) {
        bool is_answer = effects.items[i].kind == MR_CORE_ANSWER;
        *is_accepted = is_answer ? effects.items[i].is_accepted : *is_accepted;
    }
    scribe->applied++;
    return is_journaled ? keep(scribe, &effects, err) : perform_now(scribe, &effects);
}

/* The first effects, as many as the transaction covered. */
static void perform(struct mr_scribe *scribe, size_t count) {
    for (size_t i = 0; i < count; i++) {
        scribe->perform(scribe->arg, &scribe->effects[i]);
    }
    scribe->count -= count;
    if (scribe->count == 0) {
        return;
    }
    memmove(scribe->effects, scribe->effects + count, scribe->count * sizeof *scribe->effects);
}

static void write_all(struct mr_scribe *scribe) {
    size_t count = scribe->count;
    uint64_t covers = scribe->applied;
    struct mr_error err = {0};
    scribe->is_writing = true;
    if (mr_journal_seal(scribe->journal)) {
        struct mr_error flushed = {0};
        pthread_mutex_unlock(&scribe->lock);
        (void)!mr_journal_flush(scribe->journal, &flushed);
        pthread_mutex_lock(&scribe->lock);
        (void)!mr_journal_settle(scribe->journal, &flushed, &err);
    } else {
        (void)!mr_journal_commit(scribe->journal, &err); /* nothing gathered, or it has failed */
    }
    scribe->is_writing = false;
    if (err.code) {
        (void)end(scribe, &err);
    } else if (!scribe->err.code) {
        perform(scribe, count);
        scribe->committed = covers;
    }
    pthread_cond_broadcast(&scribe->changed);
}

int mr_scribe_commit(struct mr_scribe *scribe, struct mr_error *err) {
    uint64_t mine = scribe->applied;
    while (scribe->committed < mine && !scribe->err.code) {
        if (scribe->is_writing) {
            pthread_cond_wait(&scribe->changed, &scribe->lock);
        } else {
            write_all(scribe);
        }
    }
    if (scribe->err.code) {
        *err = scribe->err;
    }
    return err->code;
}
