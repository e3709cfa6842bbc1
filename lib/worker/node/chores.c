/* chores: removes what nobody needs, in a thread of the pool: disks take their time. */
#include "lib/worker/node/chores.h"

#include "lib/base/error.h"
#include "lib/output/commit.h"
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum kind { ATTEMPT, JOB, OUTPUT, TRASH };

struct chore {
    struct chore *next; /* in its lane */
    enum kind kind;
    char *dir; /* of an output; NULL: the folder's trash */
    char *id;
    uint32_t task;
    uint32_t attempt;
    enum mr_pending_left left; /* of an output */
};

/* Chores that are done one after the other. */
struct lane {
    uv_work_t work; /* on the first */
    struct mr_chores *chores;
    struct chore *first;
    struct chore *last;
};

struct mr_chores {
    struct mr_chores_options options;
    struct lane outputs;
    struct lane own;
    uint64_t trashed; /* what the folder had moved to its trash when that was last emptied */
    bool is_closing;
    void (*closed)(void *user);
    void *user;
};

int mr_chores_create(const struct mr_chores_options *options, struct mr_chores **chores,
                     struct mr_error *err) {
    struct mr_chores *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "starting a worker");
    }
    made->options = *options;
    made->outputs.chores = made->own.chores = made;
    made->outputs.work.data = &made->outputs;
    made->own.work.data = &made->own;
    *chores = made;
    return MR_OK;
}

/* ---- in a thread of the pool ------------------------------------------------------------------*/

static void discard(const struct mr_folder *folder, const struct chore *chore) {
    struct mr_commit *commit = NULL;
    struct mr_error ignored = {0};
    if (!mr_commit_join(chore->dir, chore->id, folder->name, &commit, &ignored)) {
        (void)!mr_commit_discard(commit, chore->task, chore->attempt, &ignored);
        mr_commit_leave(commit);
    }
}

static void do_chore(uv_work_t *work) {
    const struct lane *lane = work->data;
    const struct mr_folder *folder = lane->chores->options.folder;
    struct chore *chore = lane->first;
    struct mr_error ignored = {0};
    if (chore->kind == TRASH) {
        mr_folder_empty_trash(folder);
    } else if (chore->kind == ATTEMPT) {
        discard(folder, chore);
    } else {
        (void)!mr_commit_drop(chore->dir, chore->id, &chore->left, &ignored);
    }
}

/* ---- the loop's thread ------------------------------------------------------------------------*/

static void destroy(struct chore *chore) {
    free(chore->dir);
    free(chore->id);
    free(chore);
}

static void finish_close(struct mr_chores *chores) {
    if (chores->is_closing && !chores->outputs.first && !chores->own.first) {
        void (*closed)(void *user) = chores->closed;
        void *user = chores->user;
        free(chores);
        closed(user);
    }
}

static struct chore *take_first(struct lane *lane) {
    struct chore *chore = lane->first;
    lane->first = chore->next;
    lane->last = lane->first ? lane->last : NULL;
    return chore;
}

static void did_chore(uv_work_t *work, int status);

static void go_on(struct lane *lane) {
    while (lane->first &&
           uv_queue_work(lane->chores->options.loop, &lane->work, do_chore, did_chore) != 0) {
        destroy(take_first(lane));
    }
}

static void did_chore(uv_work_t *work, int status) {
    struct lane *lane = work->data;
    struct mr_chores *chores = lane->chores;
    struct chore *chore = take_first(lane);
    (void)status;
    go_on(lane);
    if (chore->kind == OUTPUT && !chores->is_closing) {
        chores->options.cleared(chores->options.user, chore->id, chore->left);
    }
    destroy(chore);
    finish_close(chores);
}

static void begin(struct mr_chores *chores, enum kind kind, const char *dir, const char *id,
                  struct chore about) {
    struct lane *lane = dir ? &chores->outputs : &chores->own;
    struct chore *chore = calloc(1, sizeof *chore);
    if (!chore) {
        return;
    }
    *chore = about;
    chore->kind = kind;
    chore->dir = dir ? strdup(dir) : NULL;
    chore->id = id ? strdup(id) : NULL;
    if ((id && !chore->id) || (dir && !chore->dir)) {
        destroy(chore);
        return;
    }
    bool is_idle = !lane->first;
    *(is_idle ? &lane->first : &lane->last->next) = chore;
    lane->last = chore;
    if (is_idle) {
        go_on(lane);
    }
}

void mr_chores_discard(struct mr_chores *chores, const char *dir, const char *id, uint32_t task,
                       uint32_t attempt) {
    begin(chores, ATTEMPT, dir, id, (struct chore){.task = task, .attempt = attempt});
}

void mr_chores_empty_trash(struct mr_chores *chores) {
    if (chores->trashed != chores->options.folder->trashed) {
        chores->trashed = chores->options.folder->trashed;
        begin(chores, TRASH, NULL, NULL, (struct chore){0});
    }
}

void mr_chores_clear(struct mr_chores *chores, const char *dir, const char *id) {
    mr_chores_empty_trash(chores);
    if (dir) {
        begin(chores, JOB, dir, id, (struct chore){0});
    }
}

void mr_chores_clear_output(struct mr_chores *chores, const char *dir, const char *id) {
    begin(chores, OUTPUT, dir, id, (struct chore){0});
}

void mr_chores_close(struct mr_chores *chores, void (*closed)(void *user), void *user) {
    chores->is_closing = true;
    chores->closed = closed;
    chores->user = user;
    finish_close(chores);
}
