/* listing: the names in a directory, or those that match a pattern, in byte order. */
#include "lib/input/listing.h"

#include "lib/base/error.h"
#include "lib/input/feed.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#define CAP_FIRST 16

static int add(struct mr_listing *listing, const char *name, struct mr_error *err) {
    if (listing->count == listing->cap) {
        size_t cap = listing->cap ? 2 * listing->cap : CAP_FIRST;
        char **names = realloc(listing->names, cap * sizeof *names);
        if (!names) {
            return mr_error_nomem(err, "listing the inputs");
        }
        listing->names = names;
        listing->cap = cap;
    }
    char *copy = strdup(name);
    if (!copy) {
        return mr_error_nomem(err, "listing the inputs");
    }
    listing->names[listing->count++] = copy;
    return MR_OK;
}

/* strcmp compares bytes, whatever the locale. */
static int compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(struct mr_listing *listing) {
    if (listing->count > 1) {
        qsort(listing->names, listing->count, sizeof *listing->names, compare);
    }
}

static bool is_self_or_parent(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int mr_listing_read(const char *directory, struct mr_listing *listing, struct mr_error *err) {
    DIR *dir = opendir(directory);
    if (!dir) {
        return mr_error_errno(err, mr_feed_status(errno), errno, "open \"%s\"", directory);
    }
    int status = MR_OK;
    while (status == MR_OK) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) {
            if (errno != 0) {
                status = mr_error_errno(err, MR_ERR_IO, errno, "read \"%s\"", directory);
            }
            break;
        }
        if (!is_self_or_parent(entry->d_name)) {
            status = add(listing, entry->d_name, err);
        }
    }
    closedir(dir); /* only read from: nothing can be lost */
    sort(listing);
    return status;
}

/* Called by glob for a directory that it can't read; a path that leads nowhere is only no match. */
static int stops_matching(const char *path, int cause) {
    (void)path;
    errno = cause;
    return cause != ENOENT && cause != ENOTDIR && cause != ELOOP;
}

int mr_listing_match(const char *pattern, struct mr_listing *listing, struct mr_error *err) {
    glob_t found = {0};
    errno = 0;
    int result = glob(pattern, GLOB_NOSORT, stops_matching, &found);
    int cause = errno ? errno : EIO;
    int status = MR_OK;
    if (result == GLOB_NOSPACE) {
        status = mr_error_nomem(err, "matching a pattern");
    } else if (result == GLOB_ABORTED) {
        status = mr_error_errno(err, mr_feed_status(cause), cause, "match \"%s\"", pattern);
    }
    for (size_t i = 0; status == MR_OK && i < found.gl_pathc; i++) {
        status = add(listing, found.gl_pathv[i], err);
    }
    globfree(&found);
    sort(listing);
    return status;
}

bool mr_listing_is_pattern(const char *name) {
    return strpbrk(name, "*?[") != NULL;
}

void mr_listing_fini(struct mr_listing *listing) {
    for (size_t i = 0; i < listing->count; i++) {
        free(listing->names[i]);
    }
    free(listing->names);
    *listing = (struct mr_listing){0};
}
