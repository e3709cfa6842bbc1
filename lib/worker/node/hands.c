/* hands: a worker's slots: threads that each wait for one task process (lib/worker/hand). */
#include "lib/worker/node/hands.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/output/commit.h"
#include "lib/output/tree.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

/* What a thread is to do, behind the lock. */
enum errand { NOTHING, WORK, PREPARE, RETIRE, QUIT };

struct slot {
    struct mr_hands *hands;
    pthread_t thread;
    pthread_cond_t called;
    enum errand errand;
    struct mr_hands_work *work;
    /* Of the loop's thread: */
    bool is_busy;
    bool is_preparing;
    bool must_retire;
    bool quits;
    struct mr_dossier *job; /* whose process it has, or had last */
    struct mr_dossier *before;
    bool begins_anew; /* the process serves another job, or with other buffers */
    /* Of the slot's thread while it is busy: */
    struct mr_hand hand;
    struct mr_hand_source source;
    struct mr_orders_job orders;
};

struct mr_hands {
    struct mr_hands_options options;
    pthread_mutex_t lock;
    uv_async_t async;
    bool *has_ended; /* by slot: what it was called for is done; behind the lock */
    struct slot *slots;
    unsigned started; /* threads */
    unsigned quit;    /* of these */
    bool is_closing;
};

/* ---- a slot's thread --------------------------------------------------------------------------*/

/* Whether the node sees the file; its device here is this node's affair. */
static int look_at_input(const struct slot *slot, struct mr_hands_work *work,
                         struct mr_error *err) {
    struct stat about;
    struct mr_orders_task *order = &work->order;
    if (!order->input.path) {
        return MR_OK;
    }
    if (stat(order->input.path, &about) != 0) {
        work->is_unseen = true;
        return mr_error_errno(err, MR_ERR_INPUT, errno, "node %s does not see \"%.300s\"",
                              slot->hands->options.node, order->input.path);
    }
    order->input.dev = about.st_dev;
    return MR_OK;
}

static int name_descriptor(int fd, char path[MR_ORDERS_PATH_MAX], struct mr_error *err) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, MR_ORDERS_PATH_MAX - 1);
    path[len > 0 ? len : 0] = '\0';
    return len > 0 ? MR_OK
                   : mr_error_errno(err, MR_ERR_IO, errno, "find the directory of an attempt");
}

/* Makes the directory that the attempt's part is written to. */
static int join_output(const struct slot *slot, struct mr_hands_work *work, struct mr_error *err) {
    const struct mr_spec *spec = &work->job->spec;
    const struct mr_orders_task *order = &work->order;
    struct mr_commit *commit = NULL;
    int fd = -1;
    if (!spec->output) {
        snprintf(work->output, sizeof work->output, "%.4000s/out-%u-%u", work->job->dir,
                 (unsigned)order->task, (unsigned)order->attempt);
        return mkdir(work->output, 0700) == 0 || errno == EEXIST
                   ? MR_OK
                   : mr_error_errno(err, MR_ERR_IO, errno, "make \"%.300s\"", work->output);
    }
    if (mr_commit_join(spec->output, work->job->id, slot->hands->options.node, &commit, err)) {
        work->is_unseen = true;
        return err->code;
    }
    if (!mr_commit_discard(commit, order->task, order->attempt, err) &&
        !mr_commit_attempt(commit, order->task, order->attempt, &fd, err)) {
        (void)!name_descriptor(fd, work->output, err);
        (void)close(fd); /* nothing was written through it */
    }
    mr_commit_leave(commit);
    return err->code;
}

/* What an attempt that failed has written of a part. */
static void drop_output(const struct slot *slot, const struct mr_hands_work *work) {
    const struct mr_spec *spec = &work->job->spec;
    struct mr_commit *commit = NULL;
    struct mr_error ignored = {0};
    if (!spec->output) {
        (void)!mr_tree_remove(AT_FDCWD, work->output, &ignored);
    } else if (!mr_commit_join(spec->output, work->job->id, slot->hands->options.node, &commit,
                               &ignored)) {
        (void)!mr_commit_discard(commit, work->order.task, work->order.attempt, &ignored);
        mr_commit_leave(commit);
    }
}

static int prepare(struct slot *slot, struct mr_hands_work *work, struct mr_error *err) {
    if (look_at_input(slot, work, err)) {
        return err->code;
    }
    if (work->writes_part) {
        work->order.output = work->output;
        return join_output(slot, work, err);
    }
    return MR_OK;
}

/* The process serves one job, with buffers of one size. */
static void begin_anew(struct slot *slot, const struct mr_dossier *job) {
    const struct mr_spec *spec = &job->spec;
    mr_hand_stop(&slot->hand);
    slot->orders = job->orders;
    const char *slash = strrchr(spec->job, '/');
    slot->source = (struct mr_hand_source){.program = slot->hands->options.program,
                                           .job = &slot->orders,
                                           .job_name = slash ? slash + 1 : spec->job,
                                           .id = slot->hands->options.id,
                                           .memory_bytes = spec->task_memory,
                                           .timeout = (double)spec->task_timeout_ms / 1e3,
                                           .echoes = slot->hands->options.echoes};
    slot->hand.source = &slot->source;
}

static void work_at(struct slot *slot, struct mr_hands_work *work, bool begins_anew) {
    double began = mr_clock_seconds();
    struct mr_error err = {0};
    work->outcome = (struct mr_hand_outcome){0};
    work->is_unseen = false;
    if (begins_anew) {
        begin_anew(slot, work->job);
    }
    slot->hand.log = *work->log ? work->log : NULL;
    if (prepare(slot, work, &err)) {
        work->outcome.err = err;
    } else {
        mr_hand_work(&slot->hand, &work->order, &work->outcome);
    }
    if (work->outcome.err.code && work->writes_part && *work->output) {
        drop_output(slot, work);
    }
    work->seconds = mr_clock_seconds() - began;
}

static void *slot_main(void *arg) {
    struct slot *slot = arg;
    struct mr_hands *hands = slot->hands;
    unsigned number = (unsigned)(slot - hands->slots);
    enum errand errand = NOTHING;
    while (errand != QUIT) {
        pthread_mutex_lock(&hands->lock);
        while (slot->errand == NOTHING) {
            pthread_cond_wait(&slot->called, &hands->lock);
        }
        errand = slot->errand;
        slot->errand = NOTHING;
        pthread_mutex_unlock(&hands->lock);
        if (errand == WORK) {
            work_at(slot, slot->work, slot->begins_anew);
        } else if (errand == PREPARE) {
            begin_anew(slot, slot->job);
            mr_hand_prepare(&slot->hand);
        } else {
            mr_hand_stop(&slot->hand);
        }
        pthread_mutex_lock(&hands->lock);
        hands->has_ended[number] = true;
        pthread_mutex_unlock(&hands->lock);
        uv_async_send(&hands->async);
    }
    return NULL;
}

/* ---- the loop's thread ------------------------------------------------------------------------*/

static void call(struct slot *slot, enum errand errand) {
    pthread_mutex_lock(&slot->hands->lock);
    slot->errand = errand;
    pthread_cond_signal(&slot->called);
    pthread_mutex_unlock(&slot->hands->lock);
    slot->is_busy = true;
}

static void leave(struct mr_hands *hands, struct mr_dossier **job) {
    struct mr_dossier *left = *job;
    *job = NULL;
    if (left) {
        hands->options.left(hands->options.user, left);
    }
}

static void async_closed(uv_handle_t *handle) {
    struct mr_hands *hands = handle->data;
    struct mr_hands_options options = hands->options;
    for (unsigned i = 0; i < options.slots; i++) {
        pthread_cond_destroy(&hands->slots[i].called);
    }
    pthread_mutex_destroy(&hands->lock);
    free(hands->slots);
    free(hands->has_ended);
    free(hands);
    if (options.closed) {
        options.closed(options.user);
    }
}

static void quit_if_idle(struct slot *slot) {
    if (slot->hands->is_closing && !slot->is_busy) {
        slot->quits = true;
        call(slot, QUIT);
    }
}

/* A slot's thread did what it was called for. */
static void settle(struct slot *slot) {
    struct mr_hands *hands = slot->hands;
    struct mr_hands_work *work = slot->work;
    slot->is_busy = false;
    slot->work = NULL;
    leave(hands, &slot->before);
    bool was_preparing = slot->is_preparing;
    slot->is_preparing = false;
    if (work) {
        hands->options.finished(hands->options.user, work);
        if (slot->is_busy) { /* it was given the next one */
            return;
        }
    } else if (!was_preparing) {
        slot->must_retire = false;
        leave(hands, &slot->job);
        if (slot->quits) {
            pthread_join(slot->thread, NULL);
            hands->quit++;
            return;
        }
    }
    if (hands->is_closing) {
        quit_if_idle(slot);
    } else if (slot->must_retire) {
        call(slot, RETIRE);
    } else if (was_preparing) {
        hands->options.prepared(hands->options.user);
    }
}

static void slots_ended(uv_async_t *async) {
    struct mr_hands *hands = async->data;
    for (unsigned i = 0; i < hands->options.slots; i++) {
        pthread_mutex_lock(&hands->lock);
        bool has_ended = hands->has_ended[i];
        hands->has_ended[i] = false;
        pthread_mutex_unlock(&hands->lock);
        if (has_ended) {
            settle(&hands->slots[i]);
        }
    }
    if (hands->is_closing && hands->quit == hands->started &&
        !uv_is_closing((uv_handle_t *)async)) {
        uv_close((uv_handle_t *)async, async_closed);
    }
}

unsigned mr_hands_free(const struct mr_hands *hands) {
    unsigned count = 0;
    for (unsigned i = 0; i < hands->started && !hands->is_closing; i++) {
        count += !hands->slots[i].is_busy;
    }
    return count;
}

unsigned mr_hands_count(const struct mr_hands *hands) {
    return hands->started;
}

/* A free slot, one that serves the job already if there is one, else one that serves none. */
static struct slot *choose(struct mr_hands *hands, const struct mr_hands_work *work) {
    struct slot *best = NULL;
    int best_worth = -1;
    for (unsigned i = 0; i < hands->started; i++) {
        struct slot *slot = &hands->slots[i];
        int worth = slot->job == work->job ? 2 : !slot->job;
        if (!slot->is_busy && worth > best_worth) {
            best = slot;
            best_worth = worth;
        }
    }
    MR_CHECK(best);
    return best;
}

void mr_hands_give(struct mr_hands *hands, struct mr_hands_work *work) {
    struct slot *slot = choose(hands, work);
    slot->begins_anew = slot->job != work->job;
    if (slot->job == work->job) { /* this giving's use ends with the earlier one's */
        slot->before = work->job;
    } else {
        slot->before = slot->job;
        slot->job = work->job;
    }
    slot->must_retire = false;
    slot->work = work;
    work->slot = (unsigned)(slot - hands->slots);
    atomic_store(&slot->hand.stop, false);
    atomic_store(&slot->hand.position, 0);
    call(slot, WORK);
}

bool mr_hands_prepare(struct mr_hands *hands, struct mr_dossier *job) {
    struct slot *chosen = NULL;
    for (unsigned i = 0; i < hands->started && !hands->is_closing; i++) {
        struct slot *slot = &hands->slots[i];
        if (slot->job == job && (!slot->is_busy || slot->is_preparing)) {
            return false;
        }
        chosen = !slot->is_busy && !slot->job ? slot : chosen;
    }
    if (chosen) {
        chosen->job = job;
        chosen->is_preparing = true;
        chosen->must_retire = false;
        atomic_store(&chosen->hand.stop, false);
        call(chosen, PREPARE);
    }
    return chosen != NULL;
}

void mr_hands_stop(struct mr_hands *hands, const struct mr_hands_work *work) {
    atomic_store(&hands->slots[work->slot].hand.stop, true);
}

uint64_t mr_hands_position(const struct mr_hands *hands, const struct mr_hands_work *work) {
    return atomic_load(&hands->slots[work->slot].hand.position);
}

void mr_hands_retire(struct mr_hands *hands, const struct mr_dossier *job) {
    for (unsigned i = 0; i < hands->started; i++) {
        struct slot *slot = &hands->slots[i];
        if (slot->job == job && !slot->must_retire) {
            slot->must_retire = true;
            if (!slot->is_busy) {
                call(slot, RETIRE);
            }
        }
    }
}

/* ---- life -------------------------------------------------------------------------------------*/

/* Signals are for the loop's thread. */
static int start_threads(struct mr_hands *hands, struct mr_error *err) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; i < hands->options.slots && !err->code; i++) {
        int failure = pthread_create(&hands->slots[i].thread, NULL, slot_main, &hands->slots[i]);
        if (failure) {
            mr_error_errno(err, MR_ERR_NOMEM, failure, "start the thread of a slot");
        } else {
            hands->started++;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err->code;
}

int mr_hands_create(const struct mr_hands_options *options, struct mr_hands **hands,
                    struct mr_error *err) {
    struct mr_hands *made = calloc(1, sizeof *made);
    struct slot *slots = calloc(options->slots, sizeof *slots);
    bool *has_ended = calloc(options->slots, sizeof *has_ended);
    if (!made || !slots || !has_ended) {
        free(made);
        free(slots);
        free(has_ended);
        return mr_error_nomem(err, "starting slots");
    }
    *made = (struct mr_hands){.options = *options, .slots = slots, .has_ended = has_ended};
    pthread_mutex_init(&made->lock, NULL);
    for (unsigned i = 0; i < options->slots; i++) {
        slots[i].hands = made;
        slots[i].hand.number = i;
        pthread_cond_init(&slots[i].called, NULL);
    }
    uv_async_init(options->loop, &made->async, slots_ended);
    made->async.data = made;
    *hands = made;
    if (start_threads(made, err)) {
        *hands = NULL;
        made->options.closed = NULL;
        mr_hands_close(made);
    }
    return err->code;
}

void mr_hands_close(struct mr_hands *hands) {
    hands->is_closing = true;
    for (unsigned i = 0; i < hands->started; i++) {
        atomic_store(&hands->slots[i].hand.stop, true);
        quit_if_idle(&hands->slots[i]);
    }
    if (hands->started == 0) {
        uv_close((uv_handle_t *)&hands->async, async_closed);
    }
}
