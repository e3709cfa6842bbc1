/* chores: removes what nobody needs, in threads of its own: disks take their time. */
#include "lib/worker/node/chores.h"

#include "lib/base/error.h"
#include "lib/output/commit.h"
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct chore {
    uv_work_t work;
    struct mr_chores *chores;
    char *dir; /* NULL: none */
    char *id;
    bool is_job; /* all of it; else one attempt */
    uint32_t task;
    uint32_t attempt;
};

struct mr_chores {
    struct uv_loop_s *loop;
    const struct mr_folder *folder;
    unsigned under_way;
    bool is_closing;
    void (*closed)(void *user);
    void *user;
};

int mr_chores_create(struct uv_loop_s *loop, const struct mr_folder *folder,
                     struct mr_chores **chores, struct mr_error *err) {
    *chores = calloc(1, sizeof **chores);
    if (!*chores) {
        return mr_error_nomem(err, "starting a worker");
    }
    **chores = (struct mr_chores){.loop = loop, .folder = folder};
    return MR_OK;
}

static void discard(const struct chore *chore) {
    struct mr_commit *commit = NULL;
    struct mr_error ignored = {0};
    if (!mr_commit_join(chore->dir, chore->id, chore->chores->folder->name, &commit, &ignored)) {
        (void)!mr_commit_discard(commit, chore->task, chore->attempt, &ignored);
        mr_commit_leave(commit);
    }
}

static void do_chore(uv_work_t *work) {
    const struct chore *chore = work->data;
    struct mr_error ignored = {0};
    if (!chore->is_job) {
        discard(chore);
        return;
    }
    mr_folder_empty_trash(chore->chores->folder);
    if (chore->dir) {
        (void)!mr_commit_drop(chore->dir, chore->id, &ignored);
    }
}

static void destroy(struct chore *chore) {
    free(chore->dir);
    free(chore->id);
    free(chore);
}

static void finish_close(struct mr_chores *chores) {
    if (chores->is_closing && chores->under_way == 0) {
        void (*closed)(void *user) = chores->closed;
        void *user = chores->user;
        free(chores);
        closed(user);
    }
}

static void did_chore(uv_work_t *work, int status) {
    struct chore *chore = work->data;
    struct mr_chores *chores = chore->chores;
    (void)status;
    destroy(chore);
    chores->under_way--;
    finish_close(chores);
}

static void begin(struct mr_chores *chores, const struct chore *about) {
    struct chore *chore = calloc(1, sizeof *chore);
    if (!chore) {
        return;
    }
    *chore = *about;
    chore->work.data = chore;
    chore->chores = chores;
    chore->dir = about->dir ? strdup(about->dir) : NULL;
    chore->id = strdup(about->id);
    if (!chore->id || (about->dir && !chore->dir) ||
        uv_queue_work(chores->loop, &chore->work, do_chore, did_chore) != 0) {
        destroy(chore);
        return;
    }
    chores->under_way++;
}

void mr_chores_discard(struct mr_chores *chores, const char *dir, const char *id, uint32_t task,
                       uint32_t attempt) {
    struct chore about = {.dir = (char *)(uintptr_t)dir,
                          .id = (char *)(uintptr_t)id,
                          .task = task,
                          .attempt = attempt};
    begin(chores, &about);
}

void mr_chores_clear(struct mr_chores *chores, const char *dir, const char *id) {
    struct chore about = {
        .dir = (char *)(uintptr_t)dir, .id = (char *)(uintptr_t)id, .is_job = true};
    begin(chores, &about);
}

void mr_chores_close(struct mr_chores *chores, void (*closed)(void *user), void *user) {
    chores->is_closing = true;
    chores->closed = closed;
    chores->user = user;
    finish_close(chores);
}
