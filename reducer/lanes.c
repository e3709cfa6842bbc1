/* lanes: lets key ranges be reduced at once and their output still be written in order. */
#include "reducer/lanes.h"

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include <pthread.h>
#include <stdlib.h>

#define OWN_BYTES_MAX ((size_t)1 << 20) /* gathered by a range before it waits for its turn */

struct mr_lanes {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    struct mr_part *part;
    size_t count;
    size_t turn;            /* the first range that has not ended */
    struct mr_buffer *left; /* by range: ended before its turn */
    bool *has_ended;
    size_t left_bytes;
    size_t left_max;
    bool has_failed;
};

int mr_lanes_create(struct mr_part *part, size_t count, size_t buffered_max,
                    struct mr_lanes **lanes, struct mr_error *err) {
    struct mr_lanes *made = calloc(1, sizeof *made);
    if (made) {
        made->left = calloc(count, sizeof *made->left);
        made->has_ended = calloc(count, sizeof *made->has_ended);
    }
    if (!made || !made->left || !made->has_ended) {
        if (made) {
            free(made->left);
            free(made->has_ended);
        }
        free(made);
        return mr_error_nomem(err, "starting a reduce task");
    }
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->moved, NULL);
    made->part = part;
    made->count = count;
    made->left_max = buffered_max;
    *lanes = made;
    return MR_OK;
}

void mr_lanes_destroy(struct mr_lanes *lanes) {
    if (!lanes) {
        return;
    }
    for (size_t i = 0; i < lanes->count; i++) {
        mr_buffer_fini(&lanes->left[i]);
    }
    free(lanes->left);
    free(lanes->has_ended);
    pthread_mutex_destroy(&lanes->lock);
    pthread_cond_destroy(&lanes->moved);
    free(lanes);
}

static int write_out(struct mr_lanes *lanes, struct mr_buffer *buffer, struct mr_error *err) {
    if (buffer->len && mr_part_write(lanes->part, buffer->data, buffer->len, err)) {
        return err->code;
    }
    buffer->len = 0;
    return MR_OK;
}

/* With the lock held: waits until it is the range's turn. */
static int wait_for_turn(struct mr_lanes *lanes, size_t range, double *wait_seconds,
                         struct mr_error *err) {
    double start = mr_clock_seconds();
    while (lanes->turn != range && !lanes->has_failed) {
        pthread_cond_wait(&lanes->moved, &lanes->lock);
    }
    *wait_seconds += mr_clock_seconds() - start;
    return lanes->has_failed ? mr_error_set(err, MR_ERR_INTERRUPTED, "interrupted") : MR_OK;
}

int mr_lanes_flush(struct mr_lanes *lanes, size_t range, struct mr_buffer *buffer,
                   double *wait_seconds, struct mr_error *err) {
    pthread_mutex_lock(&lanes->lock);
    bool is_turn = lanes->turn == range;
    if (!is_turn && buffer->len >= OWN_BYTES_MAX) {
        is_turn = !wait_for_turn(lanes, range, wait_seconds, err);
    }
    pthread_mutex_unlock(&lanes->lock);
    return !err->code && is_turn ? write_out(lanes, buffer, err) : err->code;
}

/* Writes what ranges left behind, as far as it goes; the lock is held on entry and exit. */
static int pass_turn(struct mr_lanes *lanes, struct mr_error *err) {
    lanes->turn++;
    while (!err->code && lanes->turn < lanes->count && lanes->has_ended[lanes->turn]) {
        struct mr_buffer *left = &lanes->left[lanes->turn];
        lanes->left_bytes -= left->len;
        pthread_mutex_unlock(&lanes->lock);
        (void)!write_out(lanes, left, err);
        mr_buffer_fini(left);
        pthread_mutex_lock(&lanes->lock);
        lanes->turn++;
    }
    pthread_cond_broadcast(&lanes->moved);
    return err->code;
}

int mr_lanes_end(struct mr_lanes *lanes, size_t range, struct mr_buffer *buffer,
                 double *wait_seconds, struct mr_error *err) {
    pthread_mutex_lock(&lanes->lock);
    if (lanes->turn != range && lanes->left_bytes + buffer->len <= lanes->left_max) {
        lanes->left[range] = *buffer;
        lanes->left_bytes += buffer->len;
        lanes->has_ended[range] = true;
        *buffer = (struct mr_buffer){0};
        pthread_mutex_unlock(&lanes->lock);
        return MR_OK;
    }
    if (!wait_for_turn(lanes, range, wait_seconds, err)) {
        pthread_mutex_unlock(&lanes->lock);
        (void)!write_out(lanes, buffer, err);
        pthread_mutex_lock(&lanes->lock);
        lanes->has_failed = lanes->has_failed || err->code; /* nothing may follow a hole */
        (void)!pass_turn(lanes, err);
    }
    pthread_mutex_unlock(&lanes->lock);
    return err->code;
}

void mr_lanes_fail(struct mr_lanes *lanes) {
    pthread_mutex_lock(&lanes->lock);
    lanes->has_failed = true;
    pthread_cond_broadcast(&lanes->moved);
    pthread_mutex_unlock(&lanes->lock);
}
