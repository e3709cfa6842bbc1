/* session: the job as a task process knows it. */
#include "task/session.h"

#include "jobs/jobs.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "lib/job/plugin.h"
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static int find_job(const char *name, const struct mr_job **job, struct mr_error *err) {
    if (strchr(name, '/')) {
        return mr_plugin_load(name, job, err);
    }
    for (size_t i = 0; mr_jobs[i]; i++) {
        if (strcmp(mr_jobs[i]->name, name) == 0) {
            *job = mr_jobs[i];
            return MR_OK;
        }
    }
    return mr_error_set(err, MR_ERR_USAGE, "the task process knows no job named %s", name);
}

uint64_t mr_session_files_xxh3(const struct mr_job *job, const struct mr_params *params) {
    uint64_t chain[2] = {0, 0};
    for (const struct mr_param *param = job->params; param && param->name; param++) {
        if (param->kind == MR_PARAM_FILE) {
            struct mr_bytes content = mr_params_file(params, param->name);
            chain[1] = htole64(mr_hash_xxh3(content.data, content.len));
            chain[0] = htole64(mr_hash_xxh3(chain, sizeof chain));
        }
    }
    return le64toh(chain[0]);
}

/* Whether this process made the same of the job as the engine did. */
static int compare(const struct mr_session *session, struct mr_error *err) {
    const struct mr_orders_job *order = &session->order;
    if (mr_session_files_xxh3(session->job, session->params) != order->files_xxh3) {
        return mr_error_set(err, MR_ERR_INPUT,
                            "%s: a file that a parameter names changed since the run began",
                            session->job->name);
    }
    if (session->chosen.round_count != order->rounds) {
        return mr_error_set(err, MR_ERR_JOB, "%s: plan gave %u rounds, and then %u",
                            session->job->name, order->rounds, session->chosen.round_count);
    }
    return MR_OK;
}

static int make_params(struct mr_session *session, struct mr_error *err) {
    struct mr_params_source source = {
        .job = session->job, .given = session->order.params, .count = session->order.param_count};
    return mr_params_create(&source, &session->params, err); /* the engine saw that they fit */
}

int mr_session_begin(struct mr_session *session, const struct mr_job *job, struct mr_bytes order,
                     struct mr_where *where, struct mr_error *err) {
    *session = (struct mr_session){.job = job, .where = where};
    session->text = malloc(order.len + 1);
    if (!session->text) {
        return mr_error_nomem(err, "beginning a job");
    }
    memcpy(session->text, order.data, order.len);
    if (mr_orders_read_job((struct mr_bytes){session->text, order.len}, &session->order,
                           &session->held, err) ||
        (!job && find_job(session->order.job, &session->job, err)) || make_params(session, err) ||
        mr_planning_ask(session->job, session->params, &session->chosen, err) ||
        compare(session, err)) {
        return err->code;
    }
    return mr_pool_create(&session->pool, err);
}

void mr_session_fini(struct mr_session *session) {
    mr_params_destroy(session->params);
    mr_pool_destroy(session->pool);
    mr_orders_release(&session->held);
    mr_buffer_fini(&session->state);
    free(session->text);
    *session = (struct mr_session){0};
}

struct mr_workplace mr_session_workplace(const struct mr_session *session) {
    struct mr_workplace place = {.job = session->job,
                                 .params = session->params,
                                 .rounds = session->chosen.rounds,
                                 .round_count = session->chosen.round_count,
                                 .verbose = session->order.verbose,
                                 .scratch = session->order.scratch,
                                 .tmp = session->order.scratch,
                                 .memory = session->order.memory,
                                 .threads = 1,
                                 .pool = session->pool,
                                 .loop_state = {session->state.data, session->state.len},
                                 .where = session->where};
    mr_orders_id_bytes(session->order.id, place.id);
    return place;
}

static bool is_named(const struct mr_session *session, const uint64_t name[2]) {
    struct mr_hash_128 hash = mr_hash_xxh3_128(session->state.data, session->state.len);
    return hash.high == name[0] && hash.low == name[1];
}

int mr_session_take_state(struct mr_session *session, const struct mr_orders_task *task,
                          struct mr_error *err) {
    char path[MR_ORDERS_PATH_MAX];
    size_t got = 0;
    bool is_here = memcmp(session->state_xxh3, task->state_xxh3, sizeof task->state_xxh3) == 0;
    if (is_here && session->state.len == task->state_len) {
        return MR_OK;
    }
    session->state.len = 0;
    memcpy(session->state_xxh3, task->state_xxh3, sizeof task->state_xxh3);
    if (!task->state_len) {
        return MR_OK;
    }
    if (mr_buffer_reserve(&session->state, task->state_len, err) ||
        mr_orders_state_path(session->order.scratch, task, path, err)) {
        return err->code;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "open \"%s\"", path);
    }
    (void)!mr_file_read(fd, 0, session->state.data, task->state_len, path, &got, err);
    (void)close(fd); /* only read from */
    session->state.len = got;
    if (!err->code && (got != task->state_len || !is_named(session, task->state_xxh3))) {
        session->state.len = 0;
        mr_error_set(err, MR_ERR_IO, "\"%s\" does not hold the state of its name", path);
    }
    return err->code;
}

int mr_session_check(const struct mr_session *session, const struct mr_orders_task *task,
                     struct mr_error *err) {
    bool is_reduce = task->phase == MR_PHASE_REDUCE;
    bool is_map = task->phase == MR_PHASE_MAP;
    bool is_turn = task->phase == MR_PHASE_LOOP;
    if (task->round >= session->chosen.round_count ||
        (is_reduce && (task->task >= task->partitions || (task->is_last && !task->output))) ||
        (is_map && task->round == 0 && !task->input.path) ||
        (is_map && task->round > 0 && task->winner_count != 1) ||
        (is_turn && (!session->job->round_done ||
                     (task->pass > 0 && task->winner_count != task->partitions)))) {
        return mr_error_set(err, MR_ERR_INTERNAL, "a task that is none of the job's");
    }
    return MR_OK;
}
