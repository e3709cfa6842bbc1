/* dossier: a job as a worker knows it, and the files that it has of it. */
#include "lib/worker/node/dossier.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/output/tree.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWN "own"
#define LARGE_BYTES (1 << 20)
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* ---- names ------------------------------------------------------------------------------------*/

struct mr_orders_task mr_dossier_order(const struct mr_dossier *job,
                                       const struct mr_wire_row_held *row) {
    uint32_t rounds = job->spec.rounds_count ? (uint32_t)job->spec.rounds_count : 1;
    uint32_t round = (uint32_t)row->round;
    bool loops = job->spec.loops != 0;
    return (struct mr_orders_task){.phase = row->phase == MR_DOSSIER_MAP ? MR_PHASE_MAP
                                                                         : MR_PHASE_REDUCE,
                                   .round = loops ? round % rounds : round,
                                   .task = (uint32_t)row->task,
                                   .attempt = (uint32_t)row->attempt,
                                   .pass = loops ? round / rounds + 1 : 0};
}

int mr_dossier_path(const struct mr_dossier *job, const char *dir,
                    const struct mr_wire_row_held *row, char path[MR_ORDERS_PATH_MAX],
                    struct mr_error *err) {
    struct mr_orders_task order = mr_dossier_order(job, row);
    if (row->phase != MR_DOSSIER_PART) {
        return mr_orders_path(dir, &order, path, err);
    }
    int len = snprintf(path, MR_ORDERS_PATH_MAX, "%s/out-%" PRIu32 "-%" PRIu32, dir, order.task,
                       order.attempt);
    return len < MR_ORDERS_PATH_MAX
               ? MR_OK
               : mr_error_set(err, MR_ERR_USAGE, "the path of the scratch directory is too long");
}

/* The output that a name in the folder is of; false: of none. */
static bool read_name(const struct mr_dossier *job, const char *name,
                      struct mr_wire_row_held *row) {
    static const struct {
        const char *format;
        unsigned phase;
        int numbers;
    } forms[] = {{"map-%" SCNu64 "-%" SCNu64 "-%" SCNu64 "-%" SCNu64, MR_DOSSIER_MAP, 3},
                 {"pairs-%" SCNu64 "-%" SCNu64 "-%" SCNu64 "-%" SCNu64, MR_DOSSIER_PAIRS, 3},
                 {"out-%" SCNu64 "-%" SCNu64 "-%" SCNu64 "-%" SCNu64, MR_DOSSIER_PART, 2}};
    struct mr_error ignored = {0};
    char path[MR_ORDERS_PATH_MAX];
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        uint64_t n[4] = {0};
        bool loops = job->spec.loops && forms[i].phase != MR_DOSSIER_PART;
        const uint64_t *at = loops ? n + 1 : n;
        if (sscanf(name, forms[i].format, &n[0], &n[1], &n[2], &n[3]) != forms[i].numbers + loops) {
            continue;
        }
        *row = (struct mr_wire_row_held){.phase = forms[i].phase};
        if (forms[i].phase == MR_DOSSIER_PART) {
            row->round = job->spec.rounds_count - 1;
            row->task = at[0];
            row->attempt = at[1];
        } else {
            row->round = loops ? (n[0] - 1) * job->spec.rounds_count + at[0] : at[0];
            row->task = at[1];
            row->attempt = at[2];
        }
        return !mr_dossier_path(job, "", row, path, &ignored) && strcmp(path + 1, name) == 0;
    }
    return false;
}

/* ---- opening ----------------------------------------------------------------------------------*/

int mr_dossier_open(const struct mr_dossier *job, const char *dir,
                    const struct mr_wire_row_held *row, struct mr_map_output **output,
                    struct mr_error *err) {
    struct mr_orders_task order = mr_dossier_order(job, row);
    struct mr_map_output_identity found;
    struct mr_map_output_identity wanted = {
        .round = order.round,
        .task = order.task,
        .attempt = order.attempt,
        .partitions = row->phase == MR_DOSSIER_MAP && order.round < job->spec.rounds_count
                          ? (uint32_t)job->spec.rounds[order.round].partitions
                          : 1,
        .order = row->phase == MR_DOSSIER_MAP ? MR_MAP_OUTPUT_BY_KEY : MR_MAP_OUTPUT_BY_ARRIVAL};
    char path[MR_ORDERS_PATH_MAX];
    mr_orders_id_bytes(job->id, wanted.job);
    if (mr_dossier_path(job, dir, row, path, err) || mr_map_output_identify(path, &found, err)) {
        return err->code;
    }
    wanted.value = found.value; /* only the job's code knows */
    return mr_map_output_open(path, &wanted, output, err);
}

int mr_dossier_load(struct mr_dossier *job, struct mr_error *err) {
    char path[MR_DOSSIER_DIR_MAX + 16];
    struct stat about;
    size_t got = 0;
    snprintf(path, sizeof path, "%s/spec", job->dir);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) != 0 || (uint64_t)about.st_size > MR_SPEC_BYTES_MAX) {
        mr_error_errno(err, MR_ERR_IO, errno, "open \"%.300s\"", path);
    } else if (!mr_buffer_reserve(&job->spec_bytes, (size_t)about.st_size + 1, err) &&
               !mr_file_read(fd, 0, job->spec_bytes.data, (size_t)about.st_size, path, &got, err)) {
        job->spec_bytes.len = got;
        struct mr_bytes bytes = {job->spec_bytes.data, got};
        job->has_spec = !mr_spec_decode(bytes, &job->spec, &job->spec_held, err);
    }
    if (fd >= 0) {
        (void)close(fd); /* only read from */
    }
    return err->code;
}

/* ---- what is held -----------------------------------------------------------------------------*/

/* Parts are of the last round, whatever round who asks for one has heard of. */
static struct mr_wire_row_held key_of(const struct mr_dossier *job,
                                      const struct mr_wire_row_held *row) {
    struct mr_wire_row_held key = *row;
    if (key.phase == MR_DOSSIER_PART) {
        key.round = job->spec.rounds_count - 1;
    }
    return key;
}

bool mr_dossier_holds(const struct mr_dossier *job, const struct mr_wire_row_held *row) {
    struct mr_wire_row_held key = key_of(job, row);
    return mr_held_has(&job->held, &key);
}

static int note(struct mr_dossier *job, const struct mr_wire_row_held *row, struct mr_error *err) {
    struct mr_wire_row_held key = key_of(job, row);
    return mr_held_add(&job->held, &key, err);
}

static int own_dir(const struct mr_dossier *job, char dir[MR_DOSSIER_DIR_MAX]) {
    return snprintf(dir, MR_DOSSIER_DIR_MAX, "%.4000s/" OWN, job->dir);
}

/* The mark of a part: a file that says its checksum. */
static int mark_part(const char *path, uint64_t digest, struct mr_error *err) {
    char text[32];
    int len = snprintf(text, sizeof text, "%016" PRIx64 "\n", digest);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "make \"%.300s\"", path);
    }
    int status = mr_file_write(fd, text, (size_t)len, path, err);
    int closed = mr_file_close(&fd, path, err);
    return status ? status : closed;
}

int mr_dossier_hold(struct mr_dossier *job, const struct mr_wire_row_held *row,
                    struct mr_error *err) {
    char dir[MR_DOSSIER_DIR_MAX];
    char from[MR_ORDERS_PATH_MAX];
    char to[MR_ORDERS_PATH_MAX];
    own_dir(job, dir);
    if (mr_dossier_path(job, job->dir, row, from, err) || mr_dossier_path(job, dir, row, to, err)) {
        return err->code;
    }
    if (row->phase == MR_DOSSIER_PART) {
        return mark_part(to, row->digest, err) ? err->code : note(job, row, err);
    }
    if (mr_file_link(from, to) != 0) { /* what was in its place was of an earlier life */
        return mr_error_errno(err, MR_ERR_IO, errno, "make \"%.300s\"", to);
    }
    return note(job, row, err);
}

/* Unlinking a large file takes as long as it is large. */
static bool is_large(const char *path) {
    struct stat about;
    return lstat(path, &about) == 0 && (S_ISDIR(about.st_mode) || about.st_size > LARGE_BYTES);
}

/* `trash`: takes what would be long in going; NULL: all goes here and now. */
static void remove_files(const struct mr_dossier *job, const struct mr_wire_row_held *row,
                         struct mr_folder *trash) {
    char dirs[2][MR_DOSSIER_DIR_MAX];
    char path[MR_ORDERS_PATH_MAX];
    own_dir(job, dirs[0]); /* first: what has no mark counts for nothing */
    snprintf(dirs[1], sizeof dirs[1], "%s", job->dir);
    for (size_t i = 0; i < 2; i++) {
        struct mr_error ignored = {0};
        if (mr_dossier_path(job, dirs[i], row, path, &ignored)) {
            continue;
        }
        if (trash && i == 1 && is_large(path)) {
            mr_folder_trash(trash, path);
        } else {
            (void)!mr_tree_remove(AT_FDCWD, path, &ignored);
        }
    }
}

void mr_dossier_discard(struct mr_dossier *job, const struct mr_wire_row_held *row,
                        struct mr_folder *trash) {
    remove_files(job, row, trash);
    struct mr_wire_row_held key = key_of(job, row);
    mr_held_remove(&job->held, &key);
}

/* What a walk through the folder is for. */
struct walk {
    struct mr_dossier *job;
    struct mr_folder *trash;
    uint32_t round;
    uint32_t phase;
};

static int visit_round(void *arg, const char *name, struct mr_error *err) {
    const struct walk *walk = arg;
    struct mr_wire_row_held row;
    (void)err;
    if (read_name(walk->job, name, &row) && row.round == walk->round && row.phase == walk->phase) {
        mr_dossier_discard(walk->job, &row, walk->trash);
    }
    return 0;
}

void mr_dossier_discard_round(struct mr_dossier *job, uint32_t round, uint32_t phase,
                              struct mr_folder *trash) {
    struct walk walk = {.job = job, .trash = trash, .round = round, .phase = phase};
    struct mr_error ignored = {0};
    int fd = open(job->dir, DIR_FLAGS);
    if (fd >= 0) {
        (void)!mr_tree_each(fd, visit_round, &walk, &ignored);
        (void)close(fd);
    }
}

/* ---- after a restart --------------------------------------------------------------------------*/

static bool read_mark(const char *path, uint64_t *digest) {
    FILE *file = fopen(path, "re");
    bool is_read = file && fscanf(file, "%16" SCNx64, digest) == 1;
    if (file) {
        (void)fclose(file); /* only read from */
    }
    return is_read;
}

/* Whether what a mark stands for is there, and well; stores its digest. */
static bool is_well(const struct mr_dossier *job, struct mr_wire_row_held *row) {
    char dir[MR_DOSSIER_DIR_MAX];
    char mark[MR_ORDERS_PATH_MAX];
    char path[MR_ORDERS_PATH_MAX];
    struct mr_error ignored = {0};
    struct mr_map_output *output = NULL;
    own_dir(job, dir);
    if (mr_dossier_path(job, dir, row, mark, &ignored) ||
        mr_dossier_path(job, job->dir, row, path, &ignored)) {
        return false;
    }
    if (row->phase == MR_DOSSIER_PART) {
        return read_mark(mark, &row->digest) && access(path, F_OK) == 0;
    }
    if (mr_dossier_open(job, job->dir, row, &output, &ignored)) {
        return false;
    }
    row->digest = mr_map_output_summary(output).digest;
    mr_map_output_close(output);
    return true;
}

static int visit_own(void *arg, const char *name, struct mr_error *err) {
    struct walk *walk = arg;
    struct mr_wire_row_held row;
    bool is_name = read_name(walk->job, name, &row);
    if (is_name && is_well(walk->job, &row)) {
        return note(walk->job, &row, err);
    }
    if (is_name) {
        remove_files(walk->job, &row, NULL);
    }
    return 0;
}

/* What is neither held, nor a log, nor the spec. The job's code is placed anew, from its blob. */
static int visit_rest(void *arg, const char *name, struct mr_error *err) {
    struct walk *walk = arg;
    struct mr_wire_row_held row;
    char path[MR_DOSSIER_DIR_MAX + 300];
    bool is_kept = strcmp(name, OWN) == 0 || strcmp(name, "spec") == 0 ||
                   strncmp(name, "log-", 4) == 0 ||
                   (read_name(walk->job, name, &row) && mr_dossier_holds(walk->job, &row));
    if (!is_kept) {
        snprintf(path, sizeof path, "%s/%s", walk->job->dir, name);
        return mr_tree_remove(AT_FDCWD, path, err);
    }
    return 0;
}

int mr_dossier_scan(struct mr_dossier *job, struct mr_error *err) {
    struct walk walk = {.job = job};
    char own[MR_DOSSIER_DIR_MAX];
    own_dir(job, own);
    int own_fd = open(own, DIR_FLAGS);
    int dir_fd = open(job->dir, DIR_FLAGS);
    if (own_fd < 0 || dir_fd < 0) {
        mr_error_errno(err, MR_ERR_IO, errno, "open \"%.300s\"", own);
    } else if (!mr_tree_each(own_fd, visit_own, &walk, err)) {
        (void)!mr_tree_each(dir_fd, visit_rest, &walk, err);
    }
    if (own_fd >= 0) {
        (void)close(own_fd); /* only read from */
    }
    if (dir_fd >= 0) {
        (void)close(dir_fd);
    }
    return err->code;
}
