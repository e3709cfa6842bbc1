/* turns: what happens between the passes of a loop whose tasks hand files to one another. */
#include "master/local/files/turns.h"

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "master/local/common/loop.h"
#include "master/local/files/failures.h"
#include "master/local/files/lines.h"
#include "master/local/files/numbers.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES ((size_t)1 << 20)
#define STATE_INLINE_MAX ((size_t)64 << 10) /* in the journal */
#define STATE_NUMBERS                                                                              \
    5 /* pass, rounds of a pass, length, XXH3-128 high and low; the bytes behind */

struct mr_turns {
    struct mr_slots *run;
    struct mr_hand hand;
    struct mr_loop *loop;
    uint64_t pass;                       /* that is under way, from 1; 0: start was not called */
    char state_path[MR_ORDERS_PATH_MAX]; /* of the state's file; empty: there is none */
    char old_path[MR_ORDERS_PATH_MAX];   /* of the one before, until the commit */
};

int mr_turns_create(struct mr_slots *run, struct mr_turns **turns, struct mr_error *err) {
    struct mr_turns *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "making a loop");
    }
    made->run = run;
    made->hand.source = &run->hands;
    made->hand.number = run->plan->threads; /* behind those of the slots */
    made->hand.run_stop = run->spec->stop;
    *turns = made;
    return MR_OK;
}

void mr_turns_destroy(struct mr_turns *turns) {
    if (turns) {
        mr_hand_stop(&turns->hand);
        mr_loop_destroy(turns->loop);
        free(turns);
    }
}

struct mr_bytes mr_turns_borrow_state(const struct mr_turns *turns) {
    return mr_loop_borrow_state(turns->loop);
}

void mr_turns_order(const struct mr_turns *turns, struct mr_orders_task *order) {
    struct mr_hash_128 name = mr_loop_state_name(turns->loop);
    order->state_len = mr_loop_borrow_state(turns->loop).len;
    order->state_xxh3[0] = name.high;
    order->state_xxh3[1] = name.low;
}

/* ---- the state --------------------------------------------------------------------------------
 */

static bool is_journaled(const struct mr_turns *turns) {
    return turns->run->ledger.journal != NULL;
}

/* Whether the state lies in a file: for processes to read, or since it is large. */
static bool has_file(const struct mr_turns *turns) {
    size_t len = mr_loop_borrow_state(turns->loop).len;
    return turns->run->spec->isolate || (is_journaled(turns) && len > STATE_INLINE_MAX);
}

static int name_state(const struct mr_turns *turns, char path[MR_ORDERS_PATH_MAX],
                      struct mr_error *err) {
    struct mr_orders_task order = {0};
    mr_turns_order(turns, &order);
    return mr_orders_state_path(turns->run->ledger.dir, &order, path, err);
}

/* Writes the state to the file that the next pass reads. One of its name is from before a crash. */
static int write_state(struct mr_turns *turns, struct mr_error *err) {
    struct mr_bytes state = mr_loop_borrow_state(turns->loop);
    char path[MR_ORDERS_PATH_MAX] = "";
    if (has_file(turns) && (name_state(turns, path, err) || strcmp(path, turns->state_path) == 0)) {
        return err->code;
    }
    memcpy(turns->old_path, turns->state_path, sizeof path);
    memcpy(turns->state_path, path, sizeof path);
    if (!*path) {
        return MR_OK;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "make \"%s\"", path);
    }
    (void)!mr_file_write(fd, state.data, state.len, path, err);
    struct mr_error closing = {0};
    if (mr_file_close(&fd, path, &closing) && !err->code) {
        *err = closing;
    }
    return err->code || !is_journaled(turns) || state.len <= STATE_INLINE_MAX
               ? err->code
               : mr_ledger_sync(&turns->run->ledger, path, err);
}

static int note_state(struct mr_turns *turns, struct mr_error *err) {
    struct mr_bytes state = mr_loop_borrow_state(turns->loop);
    struct mr_hash_128 name = mr_loop_state_name(turns->loop);
    const uint64_t numbers[STATE_NUMBERS] = {turns->pass, turns->run->plan->round_count, state.len,
                                             name.high, name.low};
    size_t held = state.len <= STATE_INLINE_MAX ? state.len : 0;
    struct mr_buffer bytes = {0};
    if (!mr_numbers_put(&bytes, numbers, STATE_NUMBERS, err) &&
        !mr_buffer_append(&bytes, state.data, held, err)) {
        (void)!mr_ledger_note(&turns->run->ledger, MR_LEDGER_STATE, 0, bytes.data, bytes.len, err);
    }
    mr_buffer_fini(&bytes);
    return err->code;
}

struct mr_turns_place mr_turns_find(const struct mr_ledger *ledger) {
    const struct mr_fact *fact = mr_ledger_find(ledger, MR_LEDGER_STATE, 0);
    uint64_t numbers[STATE_NUMBERS];
    struct mr_bytes rest;
    return fact && mr_numbers_get(fact, numbers, STATE_NUMBERS, &rest)
               ? (struct mr_turns_place){numbers[0], numbers[1]}
               : (struct mr_turns_place){0};
}

/* Opens a file that should be of this length. */
static int open_file(const char *path, uint64_t len, int *fd, struct mr_error *err) {
    struct stat about;
    *fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &about) != 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "open \"%s\"", path);
    }
    return S_ISREG(about.st_mode) && (uint64_t)about.st_size == len
               ? MR_OK
               : mr_error_set(err, MR_ERR_IO, "\"%s\" is not what the task said", path);
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

/* Appends all of a file that should be of this length. */
static int take_file(const char *path, uint64_t len, struct mr_buffer *to, struct mr_error *err) {
    int fd = -1;
    if (!open_file(path, len, &fd, err) && len) {
        (void)!read_piece(fd, 0, (size_t)len, path, to, err);
    }
    if (fd >= 0) {
        (void)close(fd); /* only read from */
    }
    return err->code;
}

/* Takes up the state that was journaled: its bytes, or its file, must be of its name. */
static int take_up_state(struct mr_turns *turns, const struct mr_fact *fact, uint64_t records,
                         struct mr_error *err) {
    uint64_t numbers[STATE_NUMBERS];
    struct mr_bytes inlined;
    struct mr_buffer state = {0};
    struct mr_orders_task order = {0};
    char path[MR_ORDERS_PATH_MAX];
    if (!mr_numbers_get(fact, numbers, STATE_NUMBERS, &inlined) || numbers[0] == 0) {
        return mr_error_set(err, MR_ERR_INPUT, "the journal's state of the loop is damaged");
    }
    turns->pass = numbers[0];
    memcpy(order.state_xxh3, &numbers[3], sizeof order.state_xxh3);
    struct mr_error why = {0};
    if (numbers[2] <= STATE_INLINE_MAX) {
        (void)!mr_buffer_append(&state, inlined.data, inlined.len, &why);
    } else if (!mr_orders_state_path(turns->run->ledger.dir, &order, path, &why)) {
        memcpy(turns->state_path, path, sizeof path); /* which is there, and stays as it is */
        (void)!take_file(path, numbers[2], &state, &why);
    }
    struct mr_hash_128 name = mr_hash_xxh3_128(state.data, state.len);
    if (why.code == MR_ERR_NOMEM) {
        *err = why;
    } else if (why.code || state.len != numbers[2] || name.high != numbers[3] ||
               name.low != numbers[4]) {
        mr_error_set(err, MR_ERR_INPUT,
                     "the loop's state before pass %llu is gone or damaged (%s): it can't go on",
                     (unsigned long long)numbers[0], why.code ? why.text : "other bytes");
    } else {
        (void)!mr_loop_restore(turns->loop, turns->pass - 1,
                               (struct mr_bytes){state.data, state.len}, records, err);
    }
    mr_buffer_fini(&state);
    return err->code;
}

int mr_turns_begin(struct mr_turns *turns, bool *has_started, struct mr_error *err) {
    struct mr_slots *run = turns->run;
    const struct mr_fact *fact = mr_ledger_find(&run->ledger, MR_LEDGER_STATE, 0);
    struct mr_loop_source source = {.spec = run->spec,
                                    .plan = run->plan,
                                    .result = run->result,
                                    .commit = run->commit,
                                    .keeps_lines = is_journaled(turns)};
    struct mr_account lines = {0};
    bool is_there = false;
    *has_started = fact != NULL;
    if (mr_loop_create(&source, &turns->loop, err) || !fact ||
        mr_ledger_get(&run->ledger, MR_LEDGER_LOOP, 0, 0, &lines, &is_there, err)) {
        return err->code;
    }
    if (!mr_loop_count(turns->loop, &lines.counters, err) &&
        !take_up_state(turns, fact, lines.records_out, err)) {
        (void)!write_state(turns, err);
    }
    mr_account_fini(&lines);
    return err->code;
}

bool mr_turns_needs(const struct mr_turns *turns, const char *name) {
    const char *own = strrchr(turns->state_path, '/');
    return mr_lines_needs(&turns->run->ledger, name) || (own && strcmp(own + 1, name) == 0);
}

/* ---- a turn, without the lock -----------------------------------------------------------------
 */

/* What a turn works with. */
struct turn {
    struct mr_turns *turns;
    struct mr_orders_task order;
    struct mr_hand_outcome outcome;
    uint32_t *winners;
    uint32_t broken; /* attempts whose processes spoke as none does */
    bool again;
};

static int open_results(const struct turn *turn, struct mr_run **runs, struct mr_error *err) {
    for (uint32_t i = 0; i < turn->order.winner_count && !err->code; i++) {
        struct mr_orders_task source = mr_workplace_source(&turn->order, i);
        (void)!mr_workplace_open(&turn->turns->run->place, &source, MR_MAP_OUTPUT_ALL, &runs[i],
                                 err);
    }
    return err->code;
}

/* In this thread. What is begun and fails by a file is forgotten: it is done again. */
static int do_here(struct turn *turn, struct mr_error *err) {
    struct mr_turns *turns = turn->turns;
    struct mr_turn *made = mr_loop_begin_turn(turns->loop, turn->order.pass);
    struct mr_turn_mark mark = {0};
    struct mr_run **runs = calloc(turn->order.winner_count + 1, sizeof *runs);
    if (!runs) {
        mr_error_nomem(err, "ending a pass");
    } else if (!mr_turn_set_mark(made, &mark, err) && !open_results(turn, runs, err)) {
        (void)!mr_loop_turn(turns->loop, turn->order.pass, runs, (uint32_t)turn->order.winner_count,
                            &turn->again, err);
    }
    for (size_t i = 0; runs && i < turn->order.winner_count; i++) {
        mr_run_destroy(runs[i]);
    }
    free(runs);
    turn->outcome.is_fatal = err->code != MR_OK;
    if (err->code == MR_ERR_IO) {
        turn->outcome.lost = mr_workplace_find_lost(&turns->run->place, &turn->order);
    }
    if (turn->outcome.lost.is_known) {
        mr_turn_go_back(made, &mark);
    }
    mr_turn_drop_mark(&mark);
    return err->code;
}

/* Removes what an attempt in a process left. */
static void clear_attempt(const struct turn *turn) {
    const char *dir = turn->turns->run->ledger.dir;
    struct mr_error ignored = {0};
    char path[MR_ORDERS_PATH_MAX];
    if (!mr_orders_path(dir, &turn->order, path, &ignored)) {
        (void)unlink(path); /* what stays goes with the folder */
    }
    if (!mr_orders_next_path(dir, &turn->order, path, &ignored)) {
        (void)unlink(path);
    }
}

/* Takes over the lines that an attempt left, a piece at a time: there may be more of them than
 * memory, or a file that says so. */
static int take_lines(struct turn *turn, const char *path, uint64_t len, struct mr_turn *made,
                      struct mr_error *err) {
    int fd = -1;
    uint64_t end = open_file(path, len, &fd, err) ? 0 : len;
    for (uint64_t at = 0; at < end && !err->code; at += PIECE_BYTES) {
        size_t piece = end - at < PIECE_BYTES ? (size_t)(end - at) : PIECE_BYTES;
        if (!read_piece(fd, at, piece, path, &made->text, err)) {
            (void)!mr_loop_flush_long(turn->turns->loop, err);
        }
    }
    if (fd >= 0) {
        (void)close(fd); /* only read from */
    }
    return err->code;
}

/* Takes over what an attempt in a process made: the state first, as lines may be written at once.
 */
static int take(struct turn *turn, struct mr_error *err) {
    const struct mr_orders_result *result = &turn->outcome.result;
    const char *dir = turn->turns->run->ledger.dir;
    struct mr_turn *made = mr_loop_begin_turn(turn->turns->loop, turn->order.pass);
    char path[MR_ORDERS_PATH_MAX];
    if (result->output_bytes > made->state_max) {
        return mr_error_set(err, MR_ERR_IO, "a task process gives a state that is too large");
    }
    made->has_next = result->sets_state != 0;
    made->next.len = 0;
    if (made->has_next && (mr_orders_next_path(dir, &turn->order, path, err) ||
                           take_file(path, result->output_bytes, &made->next, err))) {
        return err->code;
    }
    if (mr_loop_count(turn->turns->loop, &turn->outcome.counters, err) ||
        mr_orders_path(dir, &turn->order, path, err) ||
        take_lines(turn, path, result->bytes_out, made, err)) {
        return err->code;
    }
    made->records += result->records_out;
    return MR_OK;
}

/* In a process: one attempt. */
static int do_there(struct turn *turn, struct mr_error *err) {
    double started = mr_clock_seconds();
    struct mr_turns *turns = turn->turns;
    mr_hand_work(&turns->hand, &turn->order, &turn->outcome);
    *err = turn->outcome.err;
    if (!err->code) {
        (void)!take(turn, err);
        turn->outcome.is_fatal = err->code != MR_OK;
    }
    clear_attempt(turn);
    (void)mr_loop_begin_turn(turns->loop, turn->order.pass); /* also where it failed */
    turn->again = turn->outcome.result.again != 0;
    return mr_loop_end_turn(turns->loop, mr_clock_seconds() - started, err);
}

/* ---- trying, with the lock held ---------------------------------------------------------------
 */

static int write_order(struct turn *turn, uint64_t pass, struct mr_error *err) {
    struct mr_slots *run = turn->turns->run;
    uint32_t last = run->plan->round_count - 1;
    uint32_t partitions = mr_plan_partitions(run->plan, run->spec, last);
    uint32_t count = pass ? partitions : 0;
    turn->winners = calloc((size_t)count + 1, sizeof *turn->winners);
    if (!turn->winners) {
        return mr_error_nomem(err, "ending a pass");
    }
    for (uint32_t i = 0; i < count; i++) {
        turn->winners[i] = mr_core_winner(run->core, run->ledger.job, MR_PHASE_REDUCE, i).attempt;
    }
    turn->order = (struct mr_orders_task){.phase = MR_PHASE_LOOP,
                                          .pass = pass,
                                          .round = last,
                                          .partitions = partitions,
                                          .winners = turn->winners,
                                          .winner_count = count};
    turn->order.halvings = mr_failures_of(&run->ledger, MR_PHASE_LOOP, 0).is_short;
    mr_turns_order(turn->turns, &turn->order);
    return MR_OK;
}

static int attempt(struct turn *turn, struct mr_error *err) {
    struct mr_slots *run = turn->turns->run;
    *err = (struct mr_error){0};
    mr_hand_release(&turn->outcome);
    if (mr_slots_is_stopped(run)) {
        return mr_error_set(err, MR_ERR_INTERRUPTED, "interrupted");
    }
    pthread_mutex_unlock(&run->scribe.lock);
    (void)!(run->spec->isolate ? do_there(turn, err) : do_here(turn, err));
    pthread_mutex_lock(&run->scribe.lock);
    return err->code;
}

/* Where memory did not suffice, the next attempt has half the buffers; once. */
static void judge_memory(struct turn *turn, struct mr_error *err) {
    if (turn->outcome.is_short && turn->order.halvings) {
        turn->outcome.is_fatal = true;
        mr_error_add(err, "; with half the buffers, too");
    }
    turn->order.halvings |= turn->outcome.is_short;
}

/* A failure that may be tried again; false: it is final, as *err says. */
static bool goes_on(struct turn *turn, struct mr_error *err) {
    struct mr_slots *run = turn->turns->run;
    uint32_t most = run->spec->max_attempts ? run->spec->max_attempts : MR_RUN_MAX_ATTEMPTS;
    if (turn->outcome.is_broken && turn->broken++ < MR_HAND_BROKEN_MAX) {
        return true;
    }
    judge_memory(turn, err);
    struct mr_error failed = *err;
    struct mr_error noting = {0};
    bool is_journaled_pass = run->ledger.journal && mr_slots_may_pass(failed.code);
    if (failed.code == MR_ERR_INTERRUPTED || turn->outcome.lost.is_known ||
        (turn->outcome.is_fatal && !run->spec->isolate)) {
        return false;
    }
    struct mr_failures failures = mr_failures_of(&run->ledger, MR_PHASE_LOOP, 0);
    if (is_journaled_pass && failures.count + 1 >= most) {
        return false; /* this process ends */
    }
    struct mr_failures_row row = {.phase = MR_PHASE_LOOP,
                                  .attempt = turn->order.attempt,
                                  .counts = true,
                                  .is_short = turn->outcome.is_short,
                                  .why = &failed};
    if (mr_failures_note(&run->ledger, &row, &noting) || mr_slots_keep(run, &noting)) {
        *err = noting;
        return false;
    }
    failures = mr_failures_of(&run->ledger, MR_PHASE_LOOP, 0);
    if (turn->outcome.is_fatal || failures.count >= most) {
        mr_failures_say(&failures, turn->outcome.is_fatal ? &failed : NULL, err);
        return false;
    }
    if (run->spec->verbose) {
        fprintf(stderr, "millrace: %s; trying again\n", failed.text);
    }
    return true;
}

/* What the turn made, beside the pass that is closed by it. */
static int note(struct turn *turn, struct mr_error *err) {
    struct mr_turns *turns = turn->turns;
    struct mr_slots *run = turns->run;
    turns->pass = turn->order.pass + 1;
    if (write_state(turns, err) || note_state(turns, err) ||
        mr_ledger_drop(&run->ledger, MR_LEDGER_FAILED, mr_ledger_key((uint32_t)MR_PHASE_LOOP, 0),
                       err)) {
        return err->code;
    }
    return is_journaled(turns) ? mr_lines_note(&run->ledger, turns->loop, turn->order.pass, err)
                               : MR_OK;
}

int mr_turns_do(struct mr_turns *turns, uint64_t pass, uint32_t round, bool *again,
                struct mr_core_attempt *lost, struct mr_error *err) {
    struct mr_slots *run = turns->run;
    struct turn turn = {.turns = turns};
    *lost = (struct mr_core_attempt){0};
    if (!write_order(&turn, pass, err)) {
        do {
            turn.order.attempt = mr_failures_of(&run->ledger, MR_PHASE_LOOP, 0).count + 1;
        } while (attempt(&turn, err) && goes_on(&turn, err));
    }
    if (err->code == MR_ERR_IO && turn.outcome.lost.is_known) {
        *lost = (struct mr_core_attempt){run->ledger.job, round, MR_PHASE_REDUCE,
                                         turn.outcome.lost.task, turn.outcome.lost.attempt};
    } else if (!err->code && note(&turn, err)) {
        mr_scribe_end(&run->scribe, err); /* half of a turn is not to be written */
    }
    *again = turn.again;
    free(turn.winners);
    mr_hand_release(&turn.outcome);
    return err->code;
}

void mr_turns_tidy(struct mr_turns *turns) {
    if (*turns->old_path) {
        (void)unlink(turns->old_path); /* what stays goes with the folder */
        *turns->old_path = '\0';
    }
}

/* ---- the end ----------------------------------------------------------------------------------
 */

int mr_turns_finish(struct mr_turns *turns, struct mr_error *err) {
    struct mr_slots *run = turns->run;
    if (!is_journaled(turns)) {
        return mr_loop_finish(turns->loop, err);
    }
    return mr_lines_write_part(&run->ledger, run->commit, run->result, err);
}

int mr_turns_take_up_part(struct mr_turns *turns, bool *is_whole, struct mr_error *err) {
    return mr_lines_check_part(&turns->run->ledger, turns->run->commit, is_whole, err);
}
