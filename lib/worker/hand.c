/* hand: a slot that is a process: has one attempt at a time done by it, and tells how it went. */
#include "lib/worker/hand.h"

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/intern.h"
#include "lib/net/message.h"
#include "lib/worker/verdict.h"
#include <stdio.h>
#include <stdlib.h>

#define LOOK_MS 100
#define GAP_SECONDS 1.0   /* between two looks: this process itself stood still */
#define GRACE_SECONDS 2.0 /* between SIGTERM and SIGKILL */

/* An attempt under way. */
struct watch {
    struct mr_hand *hand;
    const struct mr_orders_task *task;
    struct mr_hand_outcome *outcome;
    struct mr_where last;
    double moved;      /* when it last did */
    double terminated; /* when it was asked to end; 0: it wasn't */
    double killed;     /* when its end was ordered, or last forced; 0: it wasn't */
    double looked;
    bool is_done;     /* a result or a failure came */
    bool is_complete; /* and the end */
};

/* With --verbose. */
static void say(const struct mr_hand *hand, const char *text) {
    if (hand->source->echoes) {
        fprintf(stderr, "millrace: %s\n", text);
    }
}

void mr_hand_stop(struct mr_hand *hand) {
    mr_process_stop(hand->process);
    hand->process = NULL;
}

void mr_hand_release(struct mr_hand_outcome *outcome) {
    for (size_t i = 0; i < outcome->skipped_count; i++) {
        free((char *)(uintptr_t)outcome->skipped[i].record.data);
    }
    free(outcome->skipped);
    free(outcome->counters.items);
    *outcome = (struct mr_hand_outcome){0};
}

/* ---- what the process says --------------------------------------------------------------------*/

static int take_hello(struct watch *watch, struct mr_bytes body, struct mr_error *err) {
    struct mr_message_reader *reader = NULL;
    if (mr_message_open(body, &reader, err)) {
        return err->code;
    }
    const char *version = mr_message_text(reader);
    (void)mr_message_u64(reader);
    if (mr_message_u64(reader)) {
        mr_process_note_ungrouped(watch->hand->process);
        say(watch->hand,
            "a task process could not join its cgroup: its memory is bounded by RLIMIT_AS");
    }
    if (!mr_message_end(reader, err) && strcmp(version ? version : "", MR_VERSION) != 0) {
        /* The program was installed anew beneath a daemon: its failure alone, not the job's. */
        mr_error_set(err, MR_ERR_CLUSTER,
                     "the task process is Millrace %s, and who started it is Millrace %s: start "
                     "that again",
                     version ? version : "?", MR_VERSION);
    }
    mr_message_close(reader);
    return err->code;
}

static int take_counter(struct mr_hand_outcome *outcome, struct mr_bytes body,
                        struct mr_error *err) {
    struct mr_orders_held held = {0};
    const char *name = NULL;
    uint64_t value = 0;
    if (!mr_orders_read_counter(body, &name, &value, &held, err)) {
        const char *kept = mr_intern(name);
        (void)!(kept ? mr_context_counters_add(&outcome->counters, kept, value, err)
                     : mr_error_nomem(err, "keeping a counter"));
    }
    mr_orders_release(&held);
    return err->code;
}

static int take_skipped(struct mr_hand_outcome *outcome, struct mr_bytes body,
                        struct mr_error *err) {
    struct mr_orders_held held = {0};
    struct mr_orders_skipped skipped;
    struct mr_orders_skipped *rows =
        realloc(outcome->skipped, (outcome->skipped_count + 1) * sizeof *rows);
    outcome->skipped = rows ? rows : outcome->skipped;
    if (!rows) {
        return mr_error_nomem(err, "keeping a record that was set aside");
    }
    if (!mr_orders_read_skipped(body, &skipped, &held, err)) {
        char *copy = malloc(skipped.record.len + 1);
        if (copy) {
            memcpy(copy, skipped.record.data ? skipped.record.data : "", skipped.record.len);
            skipped.record.data = copy;
            rows[outcome->skipped_count++] = skipped;
        } else {
            mr_error_nomem(err, "keeping a record that was set aside");
        }
    }
    mr_orders_release(&held);
    return err->code;
}

/* An error that another attempt would meet again. */
static bool is_hopeless(int code) {
    return code == MR_ERR_INPUT || code == MR_ERR_USAGE;
}

static int take_frame(struct watch *watch, enum mr_channel_kind kind, struct mr_bytes body,
                      struct mr_error *err) {
    struct mr_hand_outcome *outcome = watch->outcome;
    switch (kind) {
    case MR_CHANNEL_HELLO:
        return take_hello(watch, body, err);
    case MR_CHANNEL_COUNTER:
        return take_counter(outcome, body, err);
    case MR_CHANNEL_SKIPPED:
        return take_skipped(outcome, body, err);
    case MR_CHANNEL_DONE:
        watch->is_done = true;
        return mr_orders_read_result(body, &outcome->result, err);
    case MR_CHANNEL_FAILED:
        watch->is_done = true;
        (void)!mr_orders_read_failure(body, &outcome->err, &outcome->lost, err);
        outcome->is_fatal = is_hopeless(outcome->err.code);
        outcome->is_short = outcome->err.code == MR_ERR_NOMEM;
        return err->code;
    case MR_CHANNEL_END:
        watch->is_complete = watch->is_done;
        return watch->is_done ? MR_OK
                              : mr_error_set(err, MR_ERR_IO, "an answer that holds nothing");
    default:
        return mr_error_set(err, MR_ERR_IO, "a task process gives orders");
    }
}

/* ---- watching ---------------------------------------------------------------------------------*/

/* Whether anything moved since the last look. */
static bool has_moved(struct watch *watch) {
    struct mr_where now = mr_process_where(watch->hand->process);
    const struct mr_where *last = &watch->last;
    bool moved = now.offset != last->offset || now.record != last->record ||
                 now.beats != last->beats || now.task != last->task || now.phase != last->phase;
    watch->last = now;
    if (watch->task->phase == MR_PHASE_MAP) {
        atomic_store(&watch->hand->position, now.offset + now.record);
    }
    return moved;
}

static bool is_unwanted(const struct mr_hand *hand) {
    return atomic_load(&hand->stop) || (hand->run_stop && atomic_load(hand->run_stop));
}

static double kill_seconds(const struct mr_hand *hand) {
    double seconds = hand->source->kill_seconds;
    return seconds > 0 ? seconds : MR_PROCESS_KILL_SECONDS;
}

/* Orders the end of all; forces it where that does not come. */
static void end_all(struct watch *watch, double now) {
    struct mr_process *process = watch->hand->process;
    mr_process_terminate(process, true);
    if (watch->killed <= 0) {
        watch->killed = now;
    } else if (now - watch->killed > kill_seconds(watch->hand)) {
        watch->killed = now;
        mr_process_abandon(process);
    }
}

/* What nobody could look at, since all stood still perhaps, does not count as standing still, nor
 * as taking no notice. */
static void note_gap(struct watch *watch, double now) {
    double gap = now - watch->looked;
    if (watch->looked > 0 && gap > GAP_SECONDS) {
        watch->moved += gap;
        watch->terminated += watch->terminated > 0 ? gap : 0;
        watch->killed += watch->killed > 0 ? gap : 0;
    }
}

/* Ends what is not wanted, or does not move; now and then. */
static void look(struct watch *watch) {
    double now = mr_clock_seconds();
    if (now - watch->looked <= LOOK_MS / 1000.0) {
        return;
    }
    note_gap(watch, now);
    watch->looked = now;
    if (has_moved(watch)) {
        watch->moved = now;
    }
    if (is_unwanted(watch->hand) || watch->killed > 0 ||
        (watch->terminated > 0 && now - watch->terminated > GRACE_SECONDS)) {
        end_all(watch, now);
    } else if (watch->terminated <= 0 && now - watch->moved > watch->hand->source->timeout) {
        watch->terminated = now;
        mr_process_terminate(watch->hand->process, false);
    }
}

/* Waits until the answer is complete (0), the process has ended (1), or the channel fails. */
static int hear_answer(struct watch *watch, struct mr_error *err) {
    while (!watch->is_complete) {
        enum mr_process_news news;
        enum mr_channel_kind kind;
        struct mr_bytes body;
        if (mr_process_wait(watch->hand->process, LOOK_MS, &news, &kind, &body, err)) {
            return err->code;
        }
        if (news == MR_PROCESS_ENDED) {
            return 1;
        }
        if (news == MR_PROCESS_FRAME && take_frame(watch, kind, body, err)) {
            return err->code;
        }
        look(watch);
    }
    return 0;
}

/* The process does not read what it is sent: it is watched meanwhile, as ever. */
static int linger(void *arg, struct mr_error *err) {
    struct watch *watch = arg;
    int status = mr_process_tend(watch->hand->process, LOOK_MS, err);
    look(watch);
    return status;
}

/* ---- ordering ---------------------------------------------------------------------------------*/

/* Sends the job, or a task. Nobody there to read it: how it ended will be told. */
static int give_order(struct watch *watch, const struct mr_orders_task *task,
                      struct mr_error *err) {
    struct mr_hand *hand = watch->hand;
    struct mr_channel *channel = mr_process_channel(hand->process);
    struct mr_error sending = {0};
    channel->linger = linger;
    channel->linger_arg = watch;
    if (task) {
        channel->order = ++hand->orders;
    }
    int status = task ? mr_orders_send_task(channel, task, &sending)
                      : mr_orders_send_job(channel, hand->source->job, &sending);
    channel->linger = NULL;
    if (status && status != MR_ERR_CLOSED) {
        *err = sending;
    }
    return err->code;
}

static int start_process(struct watch *watch, struct mr_error *err) {
    struct mr_hand *hand = watch->hand;
    char name[64];
    snprintf(name, sizeof name, "millrace-%.12s-%u-%u", hand->source->id, hand->number,
             hand->started++);
    struct mr_process_options options = {.program = hand->source->program,
                                         .name = name,
                                         .memory_bytes = hand->source->memory_bytes,
                                         .echoes = hand->source->echoes,
                                         .kill_seconds = hand->source->kill_seconds};
    if (mr_process_start(&options, &hand->process, err)) {
        return err->code;
    }
    if (hand->started == 1 && hand->number == 0 && hand->source->echoes) {
        fprintf(stderr, "millrace: task processes are bounded: %s\n",
                mr_process_bounds(hand->process));
    }
    watch->last = mr_process_where(hand->process);
    return give_order(watch, NULL, err);
}

/* Waits until what the attempt before left is gone; a process that can't be used again is stopped.
 */
static void settle(struct watch *watch) {
    struct mr_hand *hand = watch->hand;
    double until = mr_clock_seconds() + kill_seconds(hand);
    while (!mr_process_is_swept(hand->process, LOOK_MS)) {
        if (is_unwanted(hand) || mr_clock_seconds() > until) {
            break;
        }
    }
    if (!mr_process_is_idle(hand->process)) {
        say(hand, "a task process is not as it should be after a task: starting another");
        mr_hand_stop(hand);
    }
}

/* Has a process that is there, and idle. */
static int get_ready(struct watch *watch, struct mr_error *err) {
    struct mr_hand *hand = watch->hand;
    if (hand->process) {
        settle(watch);
    }
    if (is_unwanted(hand)) {
        return mr_error_set(err, MR_ERR_INTERRUPTED, "interrupted");
    }
    watch->moved = mr_clock_seconds();
    return hand->process ? MR_OK : start_process(watch, err);
}

/* Where the code failed, by crash or by a word. */
static void note_place(struct watch *watch, const struct mr_where *where) {
    struct mr_hand_outcome *outcome = watch->outcome;
    struct mr_verdict verdict = {.task = watch->task, .where = *where};
    outcome->has_place = mr_verdict_has_place(&verdict);
    outcome->is_exact = where->is_exact;
    outcome->block = where->offset;
    outcome->offset = where->offset + where->record;
}

/* What is to be said of a process that ended before it answered. */
static void judge(struct watch *watch) {
    struct mr_hand *hand = watch->hand;
    struct mr_hand_outcome *outcome = watch->outcome;
    struct mr_where where = mr_process_where(hand->process);
    struct mr_verdict verdict = {.job = hand->source->job_name,
                                 .task = watch->task,
                                 .where = where,
                                 .report = *mr_process_report(hand->process),
                                 .memory_bytes = hand->source->memory_bytes,
                                 .is_grouped = mr_process_is_grouped(hand->process),
                                 .timeout = watch->terminated > 0 ? hand->source->timeout : 0};
    outcome->err = (struct mr_error){0};
    outcome->is_crash = true;
    note_place(watch, &where);
    if (is_unwanted(hand)) {
        mr_error_set(&outcome->err, MR_ERR_INTERRUPTED, "interrupted");
        return;
    }
    outcome->is_short = mr_verdict_is_short(&verdict);
    mr_verdict_say(&verdict, &outcome->err);
    mr_log_add(mr_process_log(hand->process), &outcome->err);
}

/* The channel failed: what came over it is worth nothing, and tells nothing of the task. */
static void note_broken(struct mr_hand_outcome *outcome, const struct mr_error *err) {
    outcome->err = *err;
    outcome->is_fatal = is_hopeless(err->code);
    outcome->is_broken = err->code == MR_ERR_IO;
}

void mr_hand_work(struct mr_hand *hand, const struct mr_orders_task *task,
                  struct mr_hand_outcome *outcome) {
    struct watch watch = {.hand = hand, .task = task, .outcome = outcome};
    struct mr_error err = {0};
    *outcome = (struct mr_hand_outcome){0};
    if (get_ready(&watch, &err)) {
        outcome->is_fatal = is_hopeless(err.code);
        outcome->err = err;
        if (err.code != MR_ERR_INTERRUPTED) {
            mr_hand_stop(hand);
        }
        return;
    }
    mr_log_begin(mr_process_log(hand->process), hand->log);
    watch.last = mr_process_where(hand->process);
    int ended = give_order(&watch, task, &err) ? err.code : hear_answer(&watch, &err);
    if (outcome->err.code == MR_ERR_JOB) {
        struct mr_where where = mr_process_where(hand->process);
        note_place(&watch, &where);
    }
    if (ended == 1) {
        judge(&watch);
    } else if (ended < 0) {
        note_broken(outcome, &err);
    }
    mr_log_end(mr_process_log(hand->process), outcome->err.code != 0);
    if (outcome->err.code) { /* the next attempt begins afresh */
        mr_hand_stop(hand);
    } else {
        mr_process_sweep(hand->process);
    }
}

void mr_hand_prepare(struct mr_hand *hand) {
    struct mr_orders_task none = {.phase = MR_PHASE_REDUCE};
    struct mr_hand_outcome outcome = {0};
    struct watch watch = {.hand = hand, .task = &none, .outcome = &outcome};
    struct mr_error err = {0};
    watch.moved = mr_clock_seconds();
    if (!hand->process && start_process(&watch, &err)) {
        mr_hand_stop(hand);
    }
}
