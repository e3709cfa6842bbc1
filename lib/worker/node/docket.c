/* docket: the jobs that a worker knows, what of them it has, and what it holds for them. */
#include "lib/worker/node/docket.h"

#include "lib/base/error.h"
#include "lib/output/tree.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct mr_docket {
    struct mr_folder *folder;
    struct mr_wants *wants;
    void (*changed)(void *user, struct mr_dossier *job);
    void *user;
    struct mr_dossier *jobs;
};

static void set_state(struct mr_dossier *job, enum mr_dossier_state state) {
    job->state = state;
}

/* ---- what a job needs -------------------------------------------------------------------------*/

static struct mr_hash_128 plugin_of(const struct mr_dossier *job) {
    return (struct mr_hash_128){job->spec.plugin_high, job->spec.plugin_low};
}

static bool has_plugin(const struct mr_dossier *job) {
    return job->spec.plugin_high || job->spec.plugin_low;
}

static struct mr_hash_128 file_of(const struct mr_spec_param *param) {
    return (struct mr_hash_128){param->file_high, param->file_low};
}

static bool needs(const struct mr_dossier *job, struct mr_hash_128 hash) {
    if (mr_hash_128_is(job->spec_hash, hash)) {
        return true;
    }
    if (job->has_spec && has_plugin(job) && mr_hash_128_is(plugin_of(job), hash)) {
        return true;
    }
    for (size_t i = 0; job->has_spec && i < job->spec.params_count; i++) {
        if (job->spec.params[i].is_file && mr_hash_128_is(file_of(&job->spec.params[i]), hash)) {
            return true;
        }
    }
    return false;
}

static bool is_needed(void *arg, struct mr_hash_128 hash) {
    const struct mr_docket *docket = arg;
    for (const struct mr_dossier *job = docket->jobs; job; job = job->next) {
        if (!job->is_forgotten && needs(job, hash)) {
            return true;
        }
    }
    return false;
}

/* Of what an earlier life left: a disk that lost its power may have kept a name without the bytes.
 */
static bool is_needed_and_right(void *arg, struct mr_hash_128 hash) {
    struct mr_docket *docket = arg;
    struct mr_error ignored = {0};
    return is_needed(docket, hash) && !mr_blobs_check(docket->folder->blobs, hash, &ignored);
}

void mr_docket_drop_blob(struct mr_docket *docket, struct mr_hash_128 hash) {
    if (!is_needed(docket, hash)) {
        mr_blobs_remove(docket->folder->blobs, hash);
    }
}

/* ---- getting ready ----------------------------------------------------------------------------*/

static int link_blob(struct mr_docket *docket, struct mr_hash_128 hash, const char *path,
                     struct mr_error *err) {
    char from[MR_BLOBS_PATH_MAX];
    mr_blobs_path(docket->folder->blobs, hash, from);
    return link(from, path) == 0 || errno == EEXIST
               ? MR_OK
               : mr_error_errno(err, MR_ERR_IO, errno, "make \"%.300s\"", path);
}

static int make_folder(struct mr_docket *docket, struct mr_dossier *job, struct mr_error *err) {
    char path[MR_FOLDER_PATH_MAX + 300];
    snprintf(path, sizeof path, "%s/own", job->dir);
    if ((mkdir(job->dir, 0700) != 0 && errno != EEXIST) ||
        (mkdir(path, 0700) != 0 && errno != EEXIST)) {
        return mr_error_errno(err, MR_ERR_IO, errno, "make \"%.300s\"", path);
    }
    snprintf(path, sizeof path, "%s/spec", job->dir);
    return link_blob(docket, job->spec_hash, path, err);
}

/* The plugin as a file with a name that its user knows. */
static int place_plugin(struct mr_docket *docket, struct mr_dossier *job, struct mr_error *err) {
    char path[MR_FOLDER_PATH_MAX + 300];
    const char *slash = strrchr(job->spec.job, '/');
    if (!has_plugin(job)) {
        job->orders.job = job->spec.job;
        return MR_OK;
    }
    snprintf(path, sizeof path, "%s/code", job->dir);
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return mr_error_errno(err, MR_ERR_IO, errno, "make \"%.300s\"", path);
    }
    snprintf(path, sizeof path, "%s/code/%.200s", job->dir, slash ? slash + 1 : job->spec.job);
    free(job->names);
    job->names = strdup(path);
    job->orders.job = job->names;
    return job->names ? link_blob(docket, plugin_of(job), path, err)
                      : mr_error_nomem(err, "keeping a plugin");
}

static void free_params(struct mr_dossier *job) {
    for (size_t i = 0; job->orders.params && i < job->spec.params_count; i++) {
        if (job->spec.params[i].is_file) {
            free((char *)(uintptr_t)job->orders.params[i].value);
        }
    }
    free(job->orders.params);
    job->orders.params = NULL;
}

/* Files among the parameters are blobs here. */
static int place_params(struct mr_docket *docket, struct mr_dossier *job, struct mr_error *err) {
    size_t count = job->spec.params_count;
    job->orders.params = calloc(count + 1, sizeof *job->orders.params);
    job->orders.param_count = count;
    for (size_t i = 0; job->orders.params && i < count; i++) {
        const struct mr_spec_param *param = &job->spec.params[i];
        char path[MR_BLOBS_PATH_MAX];
        job->orders.params[i] = (struct mr_run_param){param->name, param->value};
        if (param->is_file) {
            mr_blobs_path(docket->folder->blobs, file_of(param), path);
            job->orders.params[i].value = strdup(path);
            if (!job->orders.params[i].value) {
                return mr_error_nomem(err, "keeping a job");
            }
        }
    }
    return job->orders.params ? MR_OK : mr_error_nomem(err, "keeping a job");
}

static int place(struct mr_docket *docket, struct mr_dossier *job, struct mr_error *err) {
    const struct mr_spec *spec = &job->spec;
    free_params(job);
    job->orders = (struct mr_orders_job){.id = job->id,
                                         .files_xxh3 = spec->files_xxh3,
                                         .rounds = (uint32_t)spec->rounds_count,
                                         .verbose = spec->is_verbose,
                                         .scratch = job->dir};
#define TAKE_MEMORY(name, least) job->orders.memory.name = spec->name;
    MR_ORDERS_MEMORY_TABLE(TAKE_MEMORY)
#undef TAKE_MEMORY
    return make_folder(docket, job, err) || place_plugin(docket, job, err) ||
                   place_params(docket, job, err)
               ? err->code
               : MR_OK;
}

static int read_spec(struct mr_docket *docket, struct mr_dossier *job, struct mr_error *err) {
    if (mr_blobs_read(docket->folder->blobs, job->spec_hash, &job->spec_bytes, err)) {
        return err->code;
    }
    struct mr_bytes bytes = {job->spec_bytes.data, job->spec_bytes.len};
    job->has_spec = !mr_spec_decode(bytes, &job->spec, &job->spec_held, err);
    return err->code;
}

/* Asks for what is missing; *is_all: nothing is. */
static int gather(struct mr_docket *docket, struct mr_dossier *job, bool *is_all,
                  struct mr_error *err) {
    bool is_here = false;
    *is_all = false;
    if (!job->has_spec) {
        if (mr_wants_ask(docket->wants, job->spec_hash, &is_here, err) || !is_here ||
            read_spec(docket, job, err)) {
            return err->code;
        }
    }
    *is_all = true;
    if (has_plugin(job) && !mr_wants_ask(docket->wants, plugin_of(job), &is_here, err)) {
        *is_all &= is_here;
    }
    for (size_t i = 0; i < job->spec.params_count && !err->code; i++) {
        const struct mr_spec_param *param = &job->spec.params[i];
        if (param->is_file && !mr_wants_ask(docket->wants, file_of(param), &is_here, err)) {
            *is_all &= is_here;
        }
    }
    return err->code;
}

static void break_off(struct mr_docket *docket, struct mr_dossier *job,
                      const struct mr_error *why) {
    job->err = *why;
    set_state(job, MR_DOSSIER_BROKEN);
    docket->changed(docket->user, job);
}

static void advance(struct mr_docket *docket, struct mr_dossier *job) {
    struct mr_error err = {0};
    bool is_all = false;
    if (gather(docket, job, &is_all, &err) || (is_all && place(docket, job, &err))) {
        break_off(docket, job, &err);
    } else if (is_all) {
        set_state(job, MR_DOSSIER_READY);
        docket->changed(docket->user, job);
    }
}

static void begin(struct mr_docket *docket, struct mr_dossier *job) {
    job->err = (struct mr_error){0};
    set_state(job, MR_DOSSIER_COMING);
    advance(docket, job);
}

void mr_docket_came(struct mr_docket *docket, struct mr_hash_128 hash, const struct mr_error *err) {
    for (struct mr_dossier *job = docket->jobs; job; job = job->next) {
        if (job->state == MR_DOSSIER_COMING && !job->is_forgotten && needs(job, hash)) {
            if (err->code) {
                break_off(docket, job, err);
            } else {
                advance(docket, job);
            }
        }
    }
}

/* ---- entering and leaving ---------------------------------------------------------------------*/

static struct mr_dossier *add(struct mr_docket *docket, const char *id) {
    struct mr_dossier *job = calloc(1, sizeof *job);
    if (job) {
        snprintf(job->id, sizeof job->id, "%s", id);
        snprintf(job->dir, sizeof job->dir, "%.4000s/jobs/%s", docket->folder->path, id);
        job->next = docket->jobs;
        docket->jobs = job;
    }
    return job;
}

static void destroy(struct mr_docket *docket, struct mr_dossier *job) {
    for (struct mr_dossier **at = &docket->jobs; *at; at = &(*at)->next) {
        if (*at == job) {
            *at = job->next;
            break;
        }
    }
    free_params(job);
    free(job->names);
    mr_held_fini(&job->held);
    mr_layout_release(&job->spec_held);
    mr_buffer_fini(&job->spec_bytes);
    free(job);
}

struct mr_dossier *mr_docket_first(const struct mr_docket *docket) {
    return docket->jobs;
}

struct mr_dossier *mr_docket_find(const struct mr_docket *docket, uint32_t number) {
    struct mr_dossier *job = docket->jobs;
    while (job && (job->number != number || job->is_forgotten || number == 0)) {
        job = job->next;
    }
    return job;
}

struct mr_dossier *mr_docket_find_id(const struct mr_docket *docket, const char *id) {
    struct mr_dossier *job = docket->jobs;
    while (job && (strcmp(job->id, id) != 0 || job->is_forgotten)) {
        job = job->next;
    }
    return job;
}

static bool is_id(const char *id) {
    return id && strlen(id) == MR_ORDERS_ID_LEN && strspn(id, "0123456789abcdef") == strlen(id);
}

int mr_docket_enter(struct mr_docket *docket, const struct mr_wire_job *message,
                    struct mr_dossier **job, struct mr_error *err) {
    if (!is_id(message->id) || message->job == 0) {
        return mr_error_set(err, MR_ERR_IO, "the master names a job that is none");
    }
    struct mr_dossier *found = mr_docket_find_id(docket, message->id);
    struct mr_hash_128 spec = {message->spec_high, message->spec_low};
    if (found && found->has_spec && !mr_hash_128_is(found->spec_hash, spec)) {
        if (found->uses > 0) {
            return mr_error_set(err, MR_ERR_IO, "the master gives two jobs one id");
        }
        mr_docket_forget(docket, found); /* what lay in the folder is not what was submitted */
        found = NULL;
    }
    if (!found && !(found = add(docket, message->id))) {
        return mr_error_nomem(err, "taking in a job");
    }
    found->number = (uint32_t)message->job;
    found->spec_hash = spec;
    *job = found;
    if (found->state != MR_DOSSIER_READY) {
        begin(docket, found);
    }
    return MR_OK;
}

void mr_docket_mend(struct mr_docket *docket, struct mr_dossier *job) {
    if (job->state == MR_DOSSIER_BROKEN) {
        begin(docket, job);
    }
}

void mr_docket_use(struct mr_dossier *job) {
    job->uses++;
}

void mr_docket_leave(struct mr_docket *docket, struct mr_dossier *job) {
    if (--job->uses == 0 && job->is_forgotten) {
        destroy(docket, job);
    }
}

void mr_docket_forget(struct mr_docket *docket, struct mr_dossier *job) {
    if (job->is_forgotten) {
        return;
    }
    job->is_forgotten = true;
    mr_folder_trash_job(docket->folder, job->id);
    mr_docket_drop_blob(docket, job->spec_hash);
    if (job->has_spec && has_plugin(job)) {
        mr_docket_drop_blob(docket, plugin_of(job));
    }
    for (size_t i = 0; job->has_spec && i < job->spec.params_count; i++) {
        if (job->spec.params[i].is_file) {
            mr_docket_drop_blob(docket, file_of(&job->spec.params[i]));
        }
    }
    job->uses++; /* may be the last to */
    mr_docket_leave(docket, job);
}

/* ---- life -------------------------------------------------------------------------------------*/

/* A job's folder that an earlier life of this worker left: its spec is there, and right, or all of
 * it goes. */
static void take_in(struct mr_docket *docket, const char *id) {
    struct mr_dossier *job = is_id(id) ? add(docket, id) : NULL;
    struct mr_error err = {0};
    if (!job) {
        mr_folder_trash_job(docket->folder, id);
        return;
    }
    if (!mr_dossier_load(job, &err) && !mr_dossier_scan(job, &err)) {
        job->spec_hash = mr_hash_xxh3_128(job->spec_bytes.data, job->spec_bytes.len);
    } else { /* it is made again */
        mr_docket_forget(docket, job);
    }
}

static int visit_job(void *arg, const char *name, struct mr_error *err) {
    (void)err;
    take_in(arg, name);
    return 0;
}

int mr_docket_create(struct mr_folder *folder, struct mr_wants *wants,
                     void (*changed)(void *user, struct mr_dossier *job), void *user,
                     struct mr_docket **docket, struct mr_error *err) {
    struct mr_docket *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "starting a worker");
    }
    *made = (struct mr_docket){.folder = folder, .wants = wants, .changed = changed, .user = user};
    int fd = openat(folder->dir_fd, "jobs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || mr_tree_each(fd, visit_job, made, err)) {
        mr_error_errno(err, MR_ERR_IO, errno, "read \"%.300s/jobs\"", folder->path);
    }
    if (fd >= 0) {
        (void)close(fd); /* only read from */
    }
    if (err->code) {
        mr_docket_destroy(made);
        return err->code;
    }
    mr_blobs_sweep(folder->blobs, is_needed_and_right, made);
    *docket = made;
    return MR_OK;
}

size_t mr_docket_list(const struct mr_docket *docket, size_t from, struct mr_wire_row_held *rows,
                      size_t most) {
    size_t count = 0;
    for (const struct mr_dossier *job = docket->jobs; job; job = job->next) {
        const struct mr_wire_row_held nothing = {.phase = MR_DOSSIER_NOTHING};
        size_t rows_of_job = job->held.count ? job->held.count : 1;
        for (size_t i = 0; i < rows_of_job && !job->is_forgotten && count < most; i++) {
            if (from > 0) {
                from--;
            } else {
                rows[count] = job->held.count ? job->held.rows[i] : nothing;
                rows[count++].id = job->id;
            }
        }
    }
    return count;
}

void mr_docket_destroy(struct mr_docket *docket) {
    while (docket && docket->jobs) {
        destroy(docket, docket->jobs);
    }
    free(docket);
}
