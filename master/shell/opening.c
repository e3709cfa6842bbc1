/* opening: what a master does before it listens: its folder, its journal, what that holds. */
#include "master/shell/opening.h"

#include "lib/base/error.h"
#include "master/shell/couriers.h"
#include "master/shell/ending.h"
#include "master/shell/exits.h"
#include "master/shell/loading.h"
#include "master/shell/logs.h"
#include "master/shell/turning.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN "%.300s"

/* ---- the folder -------------------------------------------------------------------------------*/

static int lock_folder(struct mr_master *master, int *exit_status, struct mr_error *err) {
    struct mr_buffer path = {0};
    if (mkdir(master->state, 0700) != 0 && errno != EEXIST) {
        *exit_status = MR_MASTER_EXIT_CONFIG;
        return mr_error_errno(err, MR_ERR_IO, errno, "make \"" SHOWN "\"", master->state);
    }
    if (mr_buffer_printf(&path, err, "%s/lock", master->state)) {
        return err->code;
    }
    master->lock_fd = open(path.data, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (master->lock_fd < 0) {
        *exit_status = MR_MASTER_EXIT_CONFIG;
        mr_error_errno(err, MR_ERR_IO, errno, "open \"" SHOWN "\"", path.data);
    } else if (flock(master->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        *exit_status = MR_MASTER_EXIT_IN_USE;
        mr_error_set(err, MR_ERR_IO, "another master uses the state in \"" SHOWN "\"",
                     master->state);
    }
    mr_buffer_fini(&path);
    return err->code;
}

static int open_blobs(struct mr_master *master, struct mr_error *err) {
    struct mr_buffer path = {0};
    if (!mr_buffer_printf(&path, err, "%s/blobs", master->state)) {
        (void)!mr_blobs_open(path.data, true, &master->blobs, err);
    }
    mr_buffer_fini(&path);
    return err->code;
}

/* ---- what the journal tells -------------------------------------------------------------------*/

/* Made with the journal: a worker's scratch belongs to one cluster. */
static int take_cluster(struct mr_master *master, struct mr_error *err) {
    const char *known = mr_notes_text(master->journal, 0, MR_NOTES_CLUSTER, 0);
    uint64_t random[2];
    if (known) {
        snprintf(master->cluster, sizeof master->cluster, "%s", known);
        return MR_OK;
    }
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        return mr_error_errno(err, MR_ERR_IO, errno, "make a random number");
    }
    snprintf(master->cluster, sizeof master->cluster, "%016" PRIx64 "%016" PRIx64, random[0],
             random[1]);
    return mr_journal_put(master->journal, 0, MR_NOTES_CLUSTER, 0, master->cluster,
                          strlen(master->cluster), err);
}

/* All that the core waits for is under way again. */
static int resume(struct mr_master *master, struct mr_error *err) {
    struct mr_core_effects effects;
    if (mr_core_outstanding(mr_journal_core(master->journal), &effects, err)) {
        return err->code;
    }
    for (size_t i = 0; i < effects.count; i++) {
        const struct mr_core_effect *effect = &effects.items[i];
        struct mr_jobs_row *job = mr_jobs_find(&master->jobs, effect->job);
        struct mr_runs_row *row = NULL;
        if (!job) {
            return mr_error_set(err, MR_ERR_INPUT,
                                "the journal is damaged: it does not tell what job %u is",
                                effect->job);
        }
        if (effect->kind == MR_CORE_START || effect->kind == MR_CORE_STOP) {
            row =
                mr_runs_add(&master->runs, &effect->attempt, effect->worker, uv_now(master->loop));
            if (!row) {
                return mr_error_nomem(err, "going on with jobs");
            }
            row->is_stopping = effect->kind == MR_CORE_STOP;
        } else if (effect->kind == MR_CORE_PUBLISH) {
            job->publishes = true;
            master->has_to_publish = true;
        } else {
            master->has_to_close = true;
        }
    }
    master->has_to_sweep = true; /* what was written and never named */
    return MR_OK;
}

int mr_opening_open(struct mr_master *master, const char *state, int *exit_status,
                    struct mr_error *err) {
    *exit_status = MR_MASTER_EXIT_IO;
    master->state = strdup(state);
    if (!master->state) {
        mr_error_nomem(err, "opening a master's state");
    } else if (!lock_folder(master, exit_status, err) &&
               !mr_journal_open(state, MR_JOURNAL_BEGIN, &master->journal, err) &&
               !open_blobs(master, err)) {
        master->core = mr_journal_core(master->journal);
        struct mr_core_options options = {
            .lease_ms = master->lease_ms,
            .tick_ms = master->lease_ms / 4 < 1000 ? master->lease_ms / 4 + 1 : 1000};
        mr_core_configure(mr_journal_core(master->journal), &options);
        (void)!(mr_epochs_begin(&master->epochs, master->journal, err) ||
                take_cluster(master, err) || mr_journal_commit(master->journal, err) ||
                mr_roster_load(&master->roster, master->journal, err) ||
                mr_turning_load(master->journal, master->blobs, err) ||
                mr_loading_jobs(&master->jobs, master->journal, master->blobs, err) ||
                mr_journal_commit(master->journal, err) || /* what it found to be forgotten */
                resume(master, err));
    }
    if (err->code == MR_ERR_INPUT) {
        *exit_status = MR_MASTER_EXIT_CORRUPT;
    } else if (err->code == MR_ERR_NOMEM) {
        *exit_status = MR_MASTER_EXIT_MEMORY;
    }
    return err->code;
}

void mr_opening_undo(struct mr_master *master) {
    mr_couriers_fini(master);
    mr_turning_fini(master);
    mr_logs_fini(master);
    mr_ending_fini(master);
    mr_jobs_fini(&master->jobs);
    mr_runs_fini(&master->runs);
    mr_roster_fini(&master->roster);
    mr_blobs_close(master->blobs);
    mr_journal_close(master->journal);
    if (master->lock_fd >= 0) {
        (void)close(master->lock_fd); /* nothing was written; lets the lock go */
    }
    free(master->lost);
    free(master->state);
}
