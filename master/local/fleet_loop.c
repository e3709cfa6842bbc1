/* fleet_loop: the loop of a job whose code runs in task processes: a turn is an attempt there. */
#include "master/local/fleet_loop.h"

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "master/local/books.h"
#include "master/local/loop.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BROKEN_MAX 8 /* attempts at a turn that don't count */
#define PIECE_BYTES ((size_t)1 << 20)

struct mr_fleet_loop {
    const struct mr_stage_source *source;
    const struct mr_scratch *scratch;
    struct mr_hand hand;
    struct mr_loop *loop;
    uint64_t pass;                       /* that tasks are part of */
    char state_path[MR_ORDERS_PATH_MAX]; /* of the state's file; empty: there is none */
};

int mr_fleet_loop_create(const struct mr_stage_source *source, const struct mr_hand_source *hands,
                         const struct mr_scratch *scratch, struct mr_fleet_loop **loop,
                         struct mr_error *err) {
    struct mr_fleet_loop *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "making a loop");
    }
    made->source = source;
    made->scratch = scratch;
    made->hand.source = hands;
    made->hand.number = source->plan->threads; /* behind those of the slots */
    made->hand.run_stop = source->spec->stop;
    if (mr_loop_create(source, &made->loop, err)) {
        free(made);
        return err->code;
    }
    *loop = made;
    return MR_OK;
}

void mr_fleet_loop_destroy(struct mr_fleet_loop *loop) {
    if (loop) {
        mr_hand_stop(&loop->hand);
        mr_loop_destroy(loop->loop);
        free(loop);
    }
}

uint64_t mr_fleet_loop_pass(const struct mr_fleet_loop *loop) {
    return loop->pass;
}

void mr_fleet_loop_order(const struct mr_fleet_loop *loop, struct mr_orders_task *order) {
    struct mr_hash_128 name = mr_loop_state_name(loop->loop);
    order->pass = loop->pass;
    order->state_len = mr_loop_borrow_state(loop->loop).len;
    order->state_xxh3[0] = name.high;
    order->state_xxh3[1] = name.low;
}

/* Opens a file that an attempt left, of as many bytes as it said. */
static int open_file(const char *path, uint64_t len, int *fd, struct mr_error *err) {
    struct stat about;
    *fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &about) != 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "open \"%s\"", path);
    }
    if (!S_ISREG(about.st_mode) || (uint64_t)about.st_size != len) {
        return mr_error_set(err, MR_ERR_IO, "\"%s\" is not what the task said", path);
    }
    return MR_OK;
}

/* Appends bytes of a file to a buffer. */
static int read_piece(int fd, uint64_t at, size_t len, const char *path, struct mr_buffer *to,
                      struct mr_error *err) {
    size_t got = 0;
    if (mr_buffer_reserve(to, len, err) ||
        mr_file_read(fd, (int64_t)at, to->data + to->len, len, path, &got, err)) {
        return err->code;
    }
    to->len += got;
    return got == len ? MR_OK
                      : mr_error_set(err, MR_ERR_IO, "\"%s\" shrank while it was read", path);
}

/* Takes over the state that an attempt set; the loop bounds it. */
static int take_state(const char *path, uint64_t len, struct mr_turn *turn, struct mr_error *err) {
    int fd = -1;
    turn->has_next = true;
    if (len > turn->state_max) {
        return mr_error_set(err, MR_ERR_IO, "a task process gives a state that is too large");
    }
    if (!open_file(path, len, &fd, err)) {
        (void)!read_piece(fd, 0, len, path, &turn->next, err);
    }
    if (fd >= 0) {
        (void)close(fd); /* only read from */
    }
    return err->code;
}

/* Takes over the lines that an attempt left, a piece at a time: there may be more of them than
 * memory, or a file that says so. */
static int take_lines(struct mr_fleet_loop *loop, const char *path, uint64_t len,
                      struct mr_turn *turn, struct mr_error *err) {
    int fd = -1;
    if (open_file(path, len, &fd, err)) {
        len = 0;
    }
    for (uint64_t at = 0; at < len && !err->code;) {
        size_t piece = len - at < PIECE_BYTES ? (size_t)(len - at) : PIECE_BYTES;
        if (!read_piece(fd, at, piece, path, &turn->text, err)) {
            (void)!mr_loop_flush_long(loop->loop, err);
        }
        at += piece;
    }
    if (fd >= 0) {
        (void)close(fd); /* only read from */
    }
    return err->code;
}

/* Takes over what an attempt at a turn made. */
static int take(struct mr_fleet_loop *loop, const struct mr_orders_task *order,
                const struct mr_hand_outcome *outcome, struct mr_error *err) {
    const struct mr_orders_result *result = &outcome->result;
    struct mr_turn *turn = mr_loop_begin_turn(loop->loop, order->pass);
    char path[MR_ORDERS_PATH_MAX];
    turn->has_next = false;
    turn->next.len = 0;
    if (result->sets_state && (mr_orders_next_path(loop->scratch->path, order, path, err) ||
                               take_state(path, result->output_bytes, turn, err))) {
        return err->code;
    }
    if (mr_books_merge_counters(&outcome->counters, loop->source->result, err) ||
        mr_orders_path(loop->scratch->path, order, path, err) ||
        take_lines(loop, path, result->bytes_out, turn, err)) {
        return err->code;
    }
    turn->records += result->records_out;
    return MR_OK;
}

/* Whether an attempt at a turn that failed counts; what it means for the next one. */
static bool judge(struct mr_orders_task *order, struct mr_hand_outcome *outcome, uint32_t *broken) {
    if (outcome->is_broken) {
        return (*broken)++ >= BROKEN_MAX;
    }
    if (outcome->is_short && order->halvings) {
        outcome->is_fatal = true;
        mr_error_add(&outcome->err, "; with half the buffers, too");
    }
    order->halvings |= outcome->is_short;
    return true;
}

/* Has the turn done, again where an attempt fails; the first failure is the cause. */
static int try_turn(struct mr_fleet_loop *loop, struct mr_orders_task *order,
                    struct mr_hand_outcome *outcome, struct mr_error *err) {
    const struct mr_run_spec *spec = loop->source->spec;
    uint32_t most = spec->max_attempts ? spec->max_attempts : MR_RUN_MAX_ATTEMPTS;
    uint32_t failures = 0;
    uint32_t broken = 0;
    for (order->attempt = 1; failures < most; order->attempt++) {
        if (spec->stop && atomic_load(spec->stop)) {
            return mr_error_set(err, MR_ERR_INTERRUPTED, "interrupted");
        }
        mr_hand_release(outcome);
        mr_hand_work(&loop->hand, order, outcome);
        if (!outcome->err.code) {
            *err = (struct mr_error){0};
            return MR_OK;
        }
        failures += judge(order, outcome, &broken);
        bool is_over = outcome->is_fatal || outcome->err.code == MR_ERR_INTERRUPTED;
        if (!err->code || outcome->err.code == MR_ERR_INTERRUPTED) {
            *err = outcome->err;
        }
        if (is_over) {
            return err->code;
        }
        if (spec->verbose && failures < most) {
            fprintf(stderr, "millrace: %s; trying again\n", outcome->err.text);
        }
    }
    return most > 1 ? mr_error_add(err, " (the first of %u attempts that failed)", most)
                    : err->code;
}

/* Writes the state to the file that the next pass reads, in place of the one before. */
static int write_state(struct mr_fleet_loop *loop, struct mr_error *err) {
    struct mr_bytes state = mr_loop_borrow_state(loop->loop);
    struct mr_orders_task order = {0};
    char path[MR_ORDERS_PATH_MAX];
    mr_fleet_loop_order(loop, &order);
    if (mr_orders_state_path(loop->scratch->path, &order, path, err) ||
        strcmp(path, loop->state_path) == 0) {
        return err->code;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "make \"%s\"", path);
    }
    (void)!mr_file_write(fd, state.data, state.len, path, err);
    struct mr_error closing = {0};
    if (mr_file_close(&fd, path, &closing) && !err->code) {
        *err = closing;
    }
    if (*loop->state_path) {
        (void)unlink(loop->state_path); /* goes with the directory else */
    }
    memcpy(loop->state_path, path, sizeof path);
    return err->code;
}

int mr_fleet_loop_turn(struct mr_fleet_loop *loop, uint64_t pass, const uint32_t *winners,
                       bool *again, struct mr_error *err) {
    const struct mr_plan *plan = loop->source->plan;
    struct mr_hand_outcome outcome = {0};
    uint32_t last = plan->round_count - 1;
    uint32_t partitions = mr_plan_partitions(plan, loop->source->spec, last);
    struct mr_orders_task order = {.phase = MR_PHASE_LOOP,
                                   .round = last,
                                   .partitions = partitions,
                                   .winners = winners,
                                   .winner_count = winners ? partitions : 0};
    double started = mr_clock_seconds();
    loop->pass = pass;
    mr_fleet_loop_order(loop, &order);
    if (!try_turn(loop, &order, &outcome, err)) {
        (void)!take(loop, &order, &outcome, err);
    }
    (void)mr_loop_begin_turn(loop->loop, pass); /* also where it failed */
    *again = outcome.result.again != 0;
    if (!mr_loop_end_turn(loop->loop, mr_clock_seconds() - started, err) &&
        !write_state(loop, err)) {
        loop->pass = pass + 1;
        mr_scratch_clear(loop->scratch, "state-");
    }
    mr_hand_release(&outcome);
    return err->code;
}

int mr_fleet_loop_finish(struct mr_fleet_loop *loop, struct mr_error *err) {
    return mr_loop_finish(loop->loop, err);
}
