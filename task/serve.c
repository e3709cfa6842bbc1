/* serve: what a task process does from its start to its end: hears orders, obeys, answers. */
#include "task/serve.h"

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/net/message.h"
#include "lib/worker/supervisor.h"
#include "mapper/map_attempt.h"
#include "reducer/reduce_attempt.h"
#include "task/session.h"
#include "task/surroundings.h"
#include "task/turn_attempt.h"
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define GROUPS_MAX 8

struct server {
    const struct mr_job *job;
    struct mr_surroundings surroundings;
    struct mr_channel channel;
    struct mr_session session;
    struct mr_error failure; /* of the job's beginning: the answer to every task */
};

/* What the engine wrote behind `task`. */
struct bounds {
    uint64_t memory_bytes;
    bool is_by_group; /* the groups bound it, where they can be joined */
    const char *groups[GROUPS_MAX + 1];
    size_t group_count;
};

static void read_args(char *const *args, struct bounds *bounds) {
    for (; args && *args; args++) {
        if (strncmp(*args, "memory=", 7) == 0) {
            bounds->memory_bytes = strtoull(*args + 7, NULL, 10);
        } else if (strncmp(*args, "memory-by-group=", 16) == 0) {
            bounds->memory_bytes = strtoull(*args + 16, NULL, 10);
            bounds->is_by_group = true;
        } else if (strncmp(*args, "group=", 6) == 0 && bounds->group_count < GROUPS_MAX) {
            bounds->groups[bounds->group_count++] = *args + 6;
        }
    }
}

static int say_hello(struct server *server, bool is_ungrouped, struct mr_error *err) {
    struct mr_message *message = mr_message_create();
    struct mr_bytes body;
    mr_message_put_text(message, MR_VERSION);
    mr_message_put_u64(message, (uint64_t)getpid());
    mr_message_put_u64(message, is_ungrouped);
    if (!mr_message_body(message, &body, err)) {
        (void)!mr_channel_send(&server->channel, MR_CHANNEL_HELLO, body, err);
    }
    mr_message_destroy(message);
    return err->code;
}

static int send_account(struct server *server, const struct mr_workplace_account *account,
                        struct mr_error *err) {
    for (size_t i = 0; i < account->counters.count; i++) {
        const struct mr_run_counter *counter = &account->counters.items[i];
        if (mr_orders_send_counter(&server->channel, counter->name, counter->value, err)) {
            return err->code;
        }
    }
    return mr_orders_send_result(&server->channel, &account->result, err);
}

/* Tells the engine of a record that was set aside. */
static int set_aside(void *arg, const struct mr_orders_skipped *skipped, struct mr_error *err) {
    struct server *server = arg;
    mr_surroundings_meet(server->surroundings.where);
    return mr_orders_send_skipped(&server->channel, skipped, err);
}

static int attempt(struct server *server, const struct mr_orders_task *task,
                   struct mr_workplace_account *account, struct mr_error *failure) {
    struct mr_workplace place = mr_session_workplace(&server->session);
    place.set_aside = set_aside;
    place.arg = server;
    switch (task->phase) {
    case MR_PHASE_MAP:
        return mr_map_attempt_run(&place, task, account, failure);
    case MR_PHASE_REDUCE:
        return mr_reduce_attempt_run(&place, task, account, failure);
    case MR_PHASE_LOOP:
        return mr_turn_attempt_run(&place, task, account, failure);
    }
    return mr_error_set(failure, MR_ERR_INTERNAL, "a task of no phase");
}

/* Does a task; *failure tells how it went. */
static void do_task(struct server *server, struct mr_orders_task *task, struct mr_bytes body,
                    struct mr_workplace_account *account, struct mr_error *failure) {
    struct mr_session *session = &server->session;
    struct mr_orders_memory whole = session->order.memory;
    struct mr_orders_held held = {0};
    double start = mr_clock_seconds();
    mr_surroundings_restore(&server->surroundings);
    if (!mr_orders_read_task(body, task, &held, failure) &&
        !mr_session_check(session, task, failure) &&
        !(session->job->round_done && mr_session_take_state(session, task, failure))) {
        mr_orders_halve(&session->order.memory, task->halvings);
        (void)!attempt(server, task, account, failure);
        session->order.memory = whole;
    }
    account->result.busy_us = (uint64_t)((mr_clock_seconds() - start) * 1e6);
    mr_orders_release(&held);
}

static int answer_task(struct server *server, enum mr_phase phase, struct mr_bytes body,
                       struct mr_error *err) {
    struct mr_orders_task task = {.phase = phase};
    struct mr_workplace_account account = {0};
    struct mr_error failure = server->failure;
    if (!failure.code) {
        do_task(server, &task, body, &account, &failure);
    }
    mr_surroundings_meet(server->surroundings.where);
    server->channel.gathers = true; /* the answer: the engine wakes once for it */
    int status = failure.code
                     ? mr_orders_send_failure(&server->channel, &failure, &account.lost, err)
                     : send_account(server, &account, err);
    free(account.counters.items);
    return status ? status : mr_channel_send_end(&server->channel, err);
}

static void begin_job(struct server *server, struct mr_bytes body) {
    mr_session_fini(&server->session);
    server->failure = (struct mr_error){0};
    mr_surroundings_restore(&server->surroundings);
    (void)!mr_session_begin(&server->session, server->job, body, server->surroundings.where,
                            &server->failure);
}

/* Obeys one order; *ends: it was the last. */
static int obey(struct server *server, enum mr_channel_kind kind, struct mr_bytes body, bool *ends,
                struct mr_error *err) {
    switch (kind) {
    case MR_CHANNEL_JOB:
        begin_job(server, body);
        return MR_OK;
    case MR_CHANNEL_MAP:
        return answer_task(server, MR_PHASE_MAP, body, err);
    case MR_CHANNEL_REDUCE:
        return answer_task(server, MR_PHASE_REDUCE, body, err);
    case MR_CHANNEL_TURN:
        return answer_task(server, MR_PHASE_LOOP, body, err);
    case MR_CHANNEL_QUIT:
        *ends = true;
        return MR_OK;
    default:
        return mr_error_set(err, MR_ERR_INTERNAL, "an order that is none");
    }
}

static int serve(struct server *server, bool is_ungrouped, struct mr_error *err) {
    bool ends = false;
    mr_error_set(&server->failure, MR_ERR_INTERNAL, "a task came before its job");
    (void)!say_hello(server, is_ungrouped, err);
    while (!err->code && !ends) {
        enum mr_channel_kind kind;
        struct mr_bytes body;
        int got = mr_channel_receive(&server->channel, &kind, &body, err);
        if (got == 1) {
            (void)!obey(server, kind, body, &ends, err);
        } else if (got == 0) {
            mr_error_set(err, MR_ERR_CLOSED, "the engine is gone");
        }
    }
    mr_surroundings_restore(&server->surroundings);
    return err->code;
}

int mr_serve_task(const struct mr_job *job, char *const *args, struct mr_error *err) {
    struct mr_supervisor_worker worker = {0};
    struct bounds bounds = {0};
    struct server server = {.job = job};
    if (!mr_surroundings_are_there()) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "task is what `millrace run --isolate` starts by itself");
    }
    read_args(args, &bounds);
    struct mr_supervisor_options options = {.cgroups = bounds.groups};
    if (mr_supervisor_run(&options, &worker, err) || !worker.is_it) {
        return err->code;
    }
    bool is_ungrouped = bounds.is_by_group && !worker.has_joined;
    uint64_t memory_bytes = bounds.is_by_group && !is_ungrouped ? 0 : bounds.memory_bytes;
    if (!mr_surroundings_enter(&server.surroundings, memory_bytes, err)) {
        server.channel.fd = server.surroundings.channel_fd;
        (void)!serve(&server, is_ungrouped, err);
    }
    mr_session_fini(&server.session);
    mr_channel_close(&server.channel);
    if (err->code == MR_ERR_CLOSED) { /* the engine died, so do we, before the supervisor has to */
        (void)raise(SIGKILL);
    }
    return err->code;
}
