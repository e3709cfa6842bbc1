/* blobs: a folder of immutable files, each named by the XXH3-128 of its bytes. */
#include "lib/worker/blobs.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_LEN 32
#define SHOWN "%.300s"

/* A blob that comes in. */
struct coming {
    struct coming *next;
    struct mr_hash_128 hash;
    int fd;
    bool is_light;
    uint64_t number; /* of its temporary name */
    uint64_t total;
    uint64_t got;
};

struct mr_blobs {
    char *dir;
    int dir_fd;
    bool durable;
    uint64_t names; /* of unfinished files so far */
    struct coming *coming;
    struct mr_hash_128 *light; /* those that are not on disk yet: a few */
    size_t light_count;
    size_t light_capacity;
};

static void name_of(struct mr_hash_128 hash, char name[NAME_LEN + 1]) {
    snprintf(name, NAME_LEN + 1, "%016" PRIx64 "%016" PRIx64, hash.high, hash.low);
}

static void temporary(uint64_t number, char name[NAME_LEN + 1]) {
    snprintf(name, NAME_LEN + 1, "new-%" PRIu64, number);
}

static bool read_name(const char *name, struct mr_hash_128 *hash) {
    char same[NAME_LEN + 1];
    if (strlen(name) != NAME_LEN ||
        sscanf(name, "%16" SCNx64 "%16" SCNx64, &hash->high, &hash->low) != 2) {
        return false;
    }
    name_of(*hash, same);
    return strcmp(same, name) == 0;
}

static int fail(const struct mr_blobs *blobs, const char *what, struct mr_hash_128 hash,
                struct mr_error *err) {
    char name[NAME_LEN + 1];
    name_of(hash, name);
    return mr_error_errno(err, MR_ERR_IO, errno, "%s \"" SHOWN "/%s\"", what, blobs->dir, name);
}

/* ---- the folder -------------------------------------------------------------------------------*/

int mr_blobs_open(const char *dir, bool durable, struct mr_blobs **blobs, struct mr_error *err) {
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return mr_error_errno(err, MR_ERR_IO, errno, "make \"" SHOWN "\"", dir);
    }
    struct mr_blobs *made = calloc(1, sizeof *made);
    char *copy = strdup(dir);
    if (!made || !copy) {
        free(made);
        free(copy);
        return mr_error_nomem(err, "opening a folder of blobs");
    }
    *made = (struct mr_blobs){.dir = copy, .durable = durable};
    made->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (made->dir_fd < 0) {
        mr_error_errno(err, MR_ERR_IO, errno, "open \"" SHOWN "\"", dir);
        mr_blobs_close(made);
        return err->code;
    }
    mr_blobs_sweep(made, NULL, NULL);
    *blobs = made;
    return MR_OK;
}

static void drop(struct mr_blobs *blobs, struct coming *coming) {
    for (struct coming **at = &blobs->coming; *at; at = &(*at)->next) {
        if (*at == coming) {
            *at = coming->next;
            break;
        }
    }
    char name[NAME_LEN + 1];
    temporary(coming->number, name);
    (void)unlinkat(blobs->dir_fd, name, 0); /* gone already, where it was whole */
    (void)close(coming->fd);
    free(coming);
}

void mr_blobs_close(struct mr_blobs *blobs) {
    if (!blobs) {
        return;
    }
    while (blobs->coming) {
        drop(blobs, blobs->coming);
    }
    if (blobs->dir_fd >= 0) {
        (void)close(blobs->dir_fd); /* nothing was written through it */
    }
    free(blobs->light);
    free(blobs->dir);
    free(blobs);
}

bool mr_blobs_has(const struct mr_blobs *blobs, struct mr_hash_128 hash) {
    char name[NAME_LEN + 1];
    struct stat about;
    name_of(hash, name);
    return fstatat(blobs->dir_fd, name, &about, AT_SYMLINK_NOFOLLOW) == 0;
}

void mr_blobs_path(const struct mr_blobs *blobs, struct mr_hash_128 hash,
                   char path[MR_BLOBS_PATH_MAX]) {
    char name[NAME_LEN + 1];
    name_of(hash, name);
    snprintf(path, MR_BLOBS_PATH_MAX, "%s/%s", blobs->dir, name);
}

/* ---- those that are not on disk ---------------------------------------------------------------*/

static size_t find_light(const struct mr_blobs *blobs, struct mr_hash_128 hash) {
    size_t at = 0;
    while (at < blobs->light_count && !mr_hash_128_is(blobs->light[at], hash)) {
        at++;
    }
    return at;
}

bool mr_blobs_is_light(const struct mr_blobs *blobs, struct mr_hash_128 hash) {
    return find_light(blobs, hash) < blobs->light_count;
}

static void drop_light(struct mr_blobs *blobs, struct mr_hash_128 hash) {
    size_t at = find_light(blobs, hash);
    if (at < blobs->light_count) {
        blobs->light[at] = blobs->light[--blobs->light_count];
    }
}

int mr_blobs_note_light(struct mr_blobs *blobs, struct mr_hash_128 hash, struct mr_error *err) {
    if (!blobs->durable || mr_blobs_is_light(blobs, hash)) {
        return MR_OK;
    }
    if (blobs->light_count == blobs->light_capacity) {
        size_t capacity = 2 * blobs->light_capacity + 16;
        struct mr_hash_128 *light = realloc(blobs->light, capacity * sizeof *light);
        if (!light) {
            return mr_error_nomem(err, "receiving a blob");
        }
        blobs->light = light;
        blobs->light_capacity = capacity;
    }
    blobs->light[blobs->light_count++] = hash;
    return MR_OK;
}

int mr_blobs_settle(struct mr_blobs *blobs, struct mr_hash_128 hash, struct mr_error *err) {
    int fd = -1;
    uint64_t size = 0;
    if (!mr_blobs_is_light(blobs, hash)) {
        return MR_OK;
    }
    if (!mr_blobs_open_one(blobs, hash, &fd, &size, err)) {
        (void)(mr_file_sync(fd, blobs->dir, err) || mr_file_sync(blobs->dir_fd, blobs->dir, err));
        (void)close(fd); /* nothing was written */
    }
    if (!err->code) {
        drop_light(blobs, hash);
    }
    return err->code;
}

void mr_blobs_remove(struct mr_blobs *blobs, struct mr_hash_128 hash) {
    char name[NAME_LEN + 1];
    name_of(hash, name);
    (void)unlinkat(blobs->dir_fd, name, 0); /* what stays does no harm */
    drop_light(blobs, hash);
}

void mr_blobs_sweep(struct mr_blobs *blobs, bool (*is_needed)(void *arg, struct mr_hash_128 hash),
                    void *arg) {
    int fd = openat(blobs->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    if (!dir) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    while ((entry = readdir(dir))) {
        struct mr_hash_128 hash;
        bool is_blob = read_name(entry->d_name, &hash);
        bool is_unfinished = strncmp(entry->d_name, "new-", 4) == 0;
        /* While the folder is open, what is unfinished is about to come. */
        if ((is_unfinished && !is_needed) || (is_blob && is_needed && !is_needed(arg, hash))) {
            (void)unlinkat(blobs->dir_fd, entry->d_name, 0);
            if (is_blob) {
                drop_light(blobs, hash);
            }
        }
    }
    (void)closedir(dir);
}

/* ---- putting in -------------------------------------------------------------------------------*/

static int begin(struct mr_blobs *blobs, struct mr_hash_128 hash, uint64_t total,
                 struct coming **coming, struct mr_error *err) {
    struct coming *made = calloc(1, sizeof *made);
    char name[NAME_LEN + 1];
    if (!made) {
        return mr_error_nomem(err, "receiving a blob");
    }
    *made = (struct coming){
        .hash = hash, .total = total, .number = ++blobs->names, .next = blobs->coming};
    temporary(made->number, name);
    made->fd = openat(blobs->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (made->fd < 0) {
        fail(blobs, "make", hash, err);
        free(made);
        return err->code;
    }
    blobs->coming = made;
    *coming = made;
    return MR_OK;
}

/* Whether the bytes in the file are those of the name. */
static int check(const struct mr_blobs *blobs, int fd, uint64_t size, struct mr_hash_128 hash,
                 struct mr_error *err) {
    struct mr_hash_128 found = mr_hash_xxh3_128(NULL, 0);
    if (size > 0) {
        void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED) {
            return fail(blobs, "map", hash, err);
        }
        found = mr_hash_xxh3_128(map, size);
        (void)munmap(map, size);
    }
    if (!mr_hash_128_is(found, hash)) {
        char name[NAME_LEN + 1];
        name_of(hash, name);
        return mr_error_set(err, MR_ERR_IO, "blob %s is damaged", name);
    }
    return MR_OK;
}

/* The file that is whole gets its name. */
static int settle(struct mr_blobs *blobs, const struct coming *coming, struct mr_error *err) {
    char from[NAME_LEN + 1];
    char to[NAME_LEN + 1];
    bool has_to_sync = blobs->durable && !coming->is_light;
    temporary(coming->number, from);
    name_of(coming->hash, to);
    if (check(blobs, coming->fd, coming->total, coming->hash, err) ||
        (has_to_sync && mr_file_sync(coming->fd, to, err)) ||
        (coming->is_light && mr_blobs_note_light(blobs, coming->hash, err))) {
        return err->code;
    }
    if (renameat(blobs->dir_fd, from, blobs->dir_fd, to) != 0) {
        return fail(blobs, "name", coming->hash, err);
    }
    if (has_to_sync && !mr_file_sync(blobs->dir_fd, blobs->dir, err)) {
        drop_light(blobs, coming->hash);
    }
    return err->code;
}

static struct coming *find(const struct mr_blobs *blobs, struct mr_hash_128 hash) {
    struct coming *at = blobs->coming;
    while (at && !mr_hash_128_is(at->hash, hash)) {
        at = at->next;
    }
    return at;
}

void mr_blobs_abandon(struct mr_blobs *blobs, struct mr_hash_128 hash) {
    struct coming *coming = find(blobs, hash);
    if (coming) {
        drop(blobs, coming);
    }
}

static int take(struct mr_blobs *blobs, struct coming *coming, uint64_t offset,
                struct mr_bytes piece, bool *is_whole, struct mr_error *err) {
    char name[NAME_LEN + 1];
    name_of(coming->hash, name);
    if (offset != coming->got || piece.len > coming->total - coming->got ||
        (piece.len == 0 && coming->total > 0)) {
        return mr_error_set(err, MR_ERR_IO, "the pieces of blob %s are not in order", name);
    }
    if (mr_file_write_at(coming->fd, offset, piece.data, piece.len, blobs->dir, err)) {
        return err->code;
    }
    coming->got += piece.len;
    *is_whole = coming->got == coming->total;
    return *is_whole ? settle(blobs, coming, err) : MR_OK;
}

static int take_any(struct mr_blobs *blobs, struct mr_hash_128 hash, uint64_t total,
                    uint64_t offset, struct mr_bytes piece, bool is_light, bool *is_whole,
                    struct mr_error *err) {
    struct coming *coming = find(blobs, hash);
    *is_whole = false;
    if (offset == 0 && coming) {
        drop(blobs, coming);
        coming = NULL;
    }
    if (total > MR_BLOBS_BYTES_MAX || (!coming && offset > 0)) {
        return mr_error_set(err, MR_ERR_IO, "a piece of a blob that is too long, or not coming");
    }
    if (!coming && begin(blobs, hash, total, &coming, err)) {
        return err->code;
    }
    coming->is_light = is_light;
    if (take(blobs, coming, offset, piece, is_whole, err) || *is_whole) {
        drop(blobs, coming);
    }
    *is_whole = *is_whole && !err->code;
    return err->code;
}

int mr_blobs_take(struct mr_blobs *blobs, struct mr_hash_128 hash, uint64_t total, uint64_t offset,
                  struct mr_bytes piece, bool *is_whole, struct mr_error *err) {
    return take_any(blobs, hash, total, offset, piece, false, is_whole, err);
}

int mr_blobs_take_light(struct mr_blobs *blobs, struct mr_hash_128 hash, uint64_t total,
                        uint64_t offset, struct mr_bytes piece, bool *is_whole,
                        struct mr_error *err) {
    return take_any(blobs, hash, total, offset, piece, true, is_whole, err);
}

int mr_blobs_put(struct mr_blobs *blobs, struct mr_bytes bytes, struct mr_hash_128 *hash,
                 struct mr_error *err) {
    bool is_whole;
    *hash = mr_hash_xxh3_128(bytes.data, bytes.len);
    return mr_blobs_has(blobs, *hash)
               ? mr_blobs_settle(blobs, *hash, err)
               : mr_blobs_take(blobs, *hash, bytes.len, 0, bytes, &is_whole, err);
}

int mr_blobs_adopt(struct mr_blobs *blobs, const char *path, struct mr_hash_128 hash,
                   struct mr_error *err) {
    char name[NAME_LEN + 1];
    name_of(hash, name);
    if (blobs->durable) {
        return mr_error_set(err, MR_ERR_INTERNAL, "a file is adopted that may not be on disk");
    }
    return linkat(AT_FDCWD, path, blobs->dir_fd, name, 0) == 0 || errno == EEXIST
               ? MR_OK
               : fail(blobs, "make", hash, err);
}

/* ---- reading ----------------------------------------------------------------------------------*/

int mr_blobs_open_one(const struct mr_blobs *blobs, struct mr_hash_128 hash, int *fd,
                      uint64_t *size, struct mr_error *err) {
    char name[NAME_LEN + 1];
    struct stat about;
    name_of(hash, name);
    *fd = openat(blobs->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &about) != 0) {
        fail(blobs, "open", hash, err);
        if (*fd >= 0) {
            (void)close(*fd);
        }
        *fd = -1;
        return err->code;
    }
    *size = (uint64_t)about.st_size;
    return MR_OK;
}

int mr_blobs_check(const struct mr_blobs *blobs, struct mr_hash_128 hash, struct mr_error *err) {
    int fd = -1;
    uint64_t size = 0;
    if (mr_blobs_open_one(blobs, hash, &fd, &size, err)) {
        return err->code;
    }
    (void)!check(blobs, fd, size, hash, err);
    (void)close(fd); /* nothing was written */
    return err->code;
}

int mr_blobs_read(struct mr_blobs *blobs, struct mr_hash_128 hash, struct mr_buffer *bytes,
                  struct mr_error *err) {
    int fd = -1;
    uint64_t size = 0;
    size_t got = 0;
    if (mr_blobs_open_one(blobs, hash, &fd, &size, err)) {
        return err->code;
    }
    size_t before = bytes->len;
    if (check(blobs, fd, size, hash, err)) {
        mr_blobs_remove(blobs, hash);
    } else if (!mr_buffer_reserve(bytes, (size_t)size + 1, err) &&
               !mr_file_read(fd, 0, bytes->data + before, (size_t)size, blobs->dir, &got, err)) {
        bytes->len += got;
    }
    (void)close(fd); /* nothing was written */
    return err->code;
}
