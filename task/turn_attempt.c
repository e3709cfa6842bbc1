/* turn_attempt: one attempt at what happens between two passes of a loop. */
#include "task/turn_attempt.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "reducer/turn.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A file for what the attempt makes, opened before the job's code can change umask or folder. One
 * of the same name is from before a crash, and nobody's. */
static int make_file(const char *path, int *fd, struct mr_error *err) {
    (void)unlink(path); /* where it can't be, opening says so */
    *fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return *fd >= 0 ? MR_OK : mr_error_errno(err, MR_ERR_IO, errno, "make \"%s\"", path);
}

static int open_results(const struct mr_workplace *place, const struct mr_orders_task *task,
                        struct mr_run **runs, struct mr_error *err) {
    for (uint32_t i = 0; i < task->winner_count && !err->code; i++) {
        struct mr_orders_task source = mr_workplace_source(task, i);
        (void)!mr_workplace_open(place, &source, MR_MAP_OUTPUT_ALL, &runs[i], err);
    }
    return err->code;
}

/* Calls the job's code and writes what it made. */
static int work(struct mr_turn *turn, const struct mr_turn_pass *pass, const int fds[2],
                struct mr_orders_result *result, struct mr_error *err) {
    bool again = false;
    if (mr_turn_call(turn, pass, &again, err) ||
        mr_file_write(fds[0], turn->text.data, turn->text.len, "the lines of a turn", err) ||
        mr_file_write(fds[1], turn->next.data, turn->next.len, "the state of a loop", err)) {
        return err->code;
    }
    result->again = again;
    result->sets_state = turn->has_next;
    result->records_out = turn->records;
    result->bytes_out = turn->text.len;
    result->output_bytes = turn->next.len;
    return MR_OK;
}

int mr_turn_attempt_run(const struct mr_workplace *place, const struct mr_orders_task *task,
                        struct mr_workplace_account *account, struct mr_error *err) {
    struct mr_context_source contexts = mr_workplace_contexts(place, task);
    struct mr_turn turn;
    char path[MR_ORDERS_PATH_MAX];
    int fds[2] = {-1, -1};
    struct mr_run **runs = calloc(task->winner_count + 1, sizeof *runs);
    mr_turn_init(&turn, &contexts, place->memory.state_max, NULL);
    if (!runs) {
        mr_error_nomem(err, "ending a pass");
        goto done;
    }
    if (mr_orders_path(place->scratch, task, path, err) || make_file(path, &fds[0], err) ||
        mr_orders_next_path(place->scratch, task, path, err) || make_file(path, &fds[1], err) ||
        open_results(place, task, runs, err)) {
        goto done;
    }
    struct mr_turn_pass pass = {.number = task->pass,
                                .loop_state = contexts.loop_state,
                                .runs = runs,
                                .count = (uint32_t)task->winner_count};
    if (!work(&turn, &pass, fds, &account->result, err)) {
        (void)!mr_workplace_count(account, &turn.context.counters, err);
    }
done:
    for (size_t i = 0; i < 2; i++) {
        struct mr_error closing = {0};
        if (mr_file_close(&fds[i], "what a turn leaves", &closing) && !err->code) {
            *err = closing;
        }
    }
    for (size_t i = 0; runs && i < task->winner_count; i++) {
        mr_run_destroy(runs[i]);
    }
    free(runs);
    mr_turn_fini(&turn);
    if (err->code == MR_ERR_IO) {
        account->lost = mr_workplace_find_lost(place, task);
    }
    return err->code;
}
