/* states: a loop's states as files of its job, where task processes read them. */
#include "lib/worker/node/states.h"

#include "lib/base/error.h"
#include <errno.h>
#include <unistd.h>

static int path_of(const struct mr_dossier *job, struct mr_hash_128 state,
                   char path[MR_ORDERS_PATH_MAX], struct mr_error *err) {
    struct mr_orders_task order = {.state_xxh3 = {state.high, state.low}};
    return mr_orders_state_path(job->dir, &order, path, err);
}

void mr_states_left(const struct mr_errand_around *around, const struct mr_dossier *job,
                    struct mr_hash_128 state) {
    char path[MR_ORDERS_PATH_MAX];
    struct mr_error ignored = {0};
    bool is_needed =
        mr_hash_128_is(job->loop_state, state) || mr_hash_128_is(job->kept_state, state);
    for (const struct mr_errand *at = around->all; at && !is_needed; at = at->next) {
        is_needed = at->job == job && at->state_len && mr_hash_128_is(at->loop_state, state);
    }
    if (!is_needed && !path_of(job, state, path, &ignored)) {
        (void)unlink(path);
    }
}

/* The state is here; the one before it may go. */
static void note(const struct mr_errand_around *around, const struct mr_errand *errand) {
    struct mr_dossier *job = errand->job;
    struct mr_hash_128 before = job->loop_state;
    if (errand->pass >= job->loop_pass) {
        job->loop_state = errand->loop_state;
        job->loop_pass = errand->pass;
        mr_states_left(around, job, before);
    }
}

/* The blob gets a second name. */
static int link_blob(const struct mr_errand_around *around, const struct mr_dossier *job,
                     struct mr_hash_128 state, struct mr_error *err) {
    char from[MR_BLOBS_PATH_MAX];
    char to[MR_ORDERS_PATH_MAX];
    mr_blobs_path(around->blobs, state, from);
    if (!path_of(job, state, to, err) && link(from, to) != 0 && errno != EEXIST) {
        mr_error_errno(err, MR_ERR_IO, errno, "make \"%.300s\"", to);
    }
    return err->code;
}

void mr_states_keep(const struct mr_errand_around *around, const struct mr_errand *errand) {
    struct mr_dossier *job = errand->job;
    struct mr_hash_128 before = job->kept_state;
    struct mr_error ignored = {0};
    if (errand->has_next_state && !link_blob(around, job, errand->next_state, &ignored)) {
        job->kept_state = errand->next_state;
        mr_states_left(around, job, before);
    }
}

bool mr_states_place(const struct mr_errand_around *around, struct mr_errand *errand,
                     struct mr_error *err) {
    char path[MR_ORDERS_PATH_MAX];
    bool is_here = false;
    if (errand->state_len == 0) {
        return true;
    }
    if (path_of(errand->job, errand->loop_state, path, err)) {
        return false;
    }
    if (access(path, F_OK) != 0) {
        if (mr_wants_ask(around->wants, errand->loop_state, &is_here, err) || !is_here ||
            link_blob(around, errand->job, errand->loop_state, err)) {
            return false;
        }
        mr_docket_drop_blob(around->docket, errand->loop_state);
    }
    note(around, errand);
    return true;
}
