/* chores: removes what nobody needs, in a thread of the pool: disks take their time. */
#include "lib/worker/node/chores.h"

#include "lib/base/error.h"
#include "lib/output/commit.h"
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum kind { ATTEMPT, TRASH, JOB, OUTPUT };

struct chore {
    struct chore *next; /* in the queue */
    struct mr_chores *chores;
    enum kind kind;
    char *dir; /* NULL: none */
    char *id;  /* NULL: none */
    uint32_t task;
    uint32_t attempt;
    enum mr_pending_left left; /* of an output */
};

struct mr_chores {
    struct mr_chores_options options;
    uv_work_t work; /* on the first of the queue */
    struct chore *first;
    struct chore *last;
    uint64_t trashed; /* what the folder had moved to its trash when the last chore was begun */
    bool is_closing;
    void (*closed)(void *user);
    void *user;
};

int mr_chores_create(const struct mr_chores_options *options, struct mr_chores **chores,
                     struct mr_error *err) {
    *chores = calloc(1, sizeof **chores);
    if (!*chores) {
        return mr_error_nomem(err, "starting a worker");
    }
    (*chores)->options = *options;
    return MR_OK;
}

/* ---- in a thread of the pool ------------------------------------------------------------------*/

static void discard(const struct chore *chore) {
    const char *node = chore->chores->options.folder->name;
    struct mr_commit *commit = NULL;
    struct mr_error ignored = {0};
    if (!mr_commit_join(chore->dir, chore->id, node, &commit, &ignored)) {
        (void)!mr_commit_discard(commit, chore->task, chore->attempt, &ignored);
        mr_commit_leave(commit);
    }
}

static void do_chore(uv_work_t *work) {
    const struct mr_chores *chores = work->data;
    struct chore *chore = chores->first;
    struct mr_error ignored = {0};
    if (chore->kind == ATTEMPT) {
        discard(chore);
        return;
    }
    if (chore->kind == TRASH || chore->kind == JOB) {
        mr_folder_empty_trash(chores->options.folder);
    }
    if (chore->dir) {
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
    if (chores->is_closing && !chores->first) {
        void (*closed)(void *user) = chores->closed;
        void *user = chores->user;
        free(chores);
        closed(user);
    }
}

static struct chore *take_first(struct mr_chores *chores) {
    struct chore *chore = chores->first;
    chores->first = chore->next;
    chores->last = chores->first ? chores->last : NULL;
    return chore;
}

static void did_chore(uv_work_t *work, int status);

/* Does the first of the queue. */
static void go_on(struct mr_chores *chores) {
    chores->work.data = chores;
    while (chores->first &&
           uv_queue_work(chores->options.loop, &chores->work, do_chore, did_chore) != 0) {
        destroy(take_first(chores));
    }
}

static void did_chore(uv_work_t *work, int status) {
    struct mr_chores *chores = work->data;
    struct chore *chore = take_first(chores);
    (void)status;
    go_on(chores);
    if (chore->kind == OUTPUT && !chores->is_closing) {
        chores->options.cleared(chores->options.user, chore->id, chore->left);
    }
    destroy(chore);
    finish_close(chores);
}

static void begin(struct mr_chores *chores, enum kind kind, const char *dir, const char *id,
                  struct chore about) {
    struct chore *chore = calloc(1, sizeof *chore);
    if (!chore) {
        return;
    }
    *chore = about;
    chore->kind = kind;
    chore->chores = chores;
    chore->dir = dir ? strdup(dir) : NULL;
    chore->id = id ? strdup(id) : NULL;
    if ((id && !chore->id) || (dir && !chore->dir)) {
        destroy(chore);
        return;
    }
    bool is_idle = !chores->first;
    *(is_idle ? &chores->first : &chores->last->next) = chore;
    chores->last = chore;
    if (is_idle) {
        go_on(chores);
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
    begin(chores, JOB, dir, id, (struct chore){0});
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
