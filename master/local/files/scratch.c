/* scratch: the directory in which the tasks of one run leave files for one another. */
#include "master/local/files/scratch.h"

#include "lib/base/error.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "millrace"

int mr_scratch_make(struct mr_scratch *scratch, const char *tmp, const char *id,
                    struct mr_error *err) {
    *scratch = (struct mr_scratch){.place = {.parent_fd = -1, .name = NAME, .shown = tmp},
                                   .is_open = true};
    char *parent = realpath(tmp, NULL);
    if (parent) {
        scratch->place.parent_fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (scratch->place.parent_fd < 0) {
        (void)(errno == ENOMEM
                   ? mr_error_nomem(err, "opening the directory for scratch files")
                   : mr_error_errno(err, MR_ERR_IO, errno, "open \"%s\" for scratch files", tmp));
        free(parent);
        return err->code;
    }
    mr_pending_clean(&scratch->place, NULL, NULL);
    if (!mr_pending_create(&scratch->place, id, &scratch->pending, err)) {
        scratch->is_made = true;
        if (asprintf(&scratch->path, "%s/%s", parent, scratch->pending.name) < 0) {
            scratch->path = NULL;
            mr_error_nomem(err, "naming the scratch directory");
        }
    }
    free(parent);
    return err->code;
}

void mr_scratch_clear(const struct mr_scratch *scratch, const char *keep) {
    DIR *dir = opendir(scratch->path);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        if (strchr(entry->d_name, '-') && strncmp(entry->d_name, keep, strlen(keep)) != 0) {
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
        }
    }
    if (dir) {
        (void)closedir(dir); /* only read from */
    }
}

void mr_scratch_remove(struct mr_scratch *scratch) {
    if (scratch->is_made) {
        mr_pending_remove(&scratch->pending);
        scratch->is_made = false;
    }
    if (scratch->is_open && scratch->place.parent_fd >= 0) {
        (void)close(scratch->place.parent_fd); /* nothing was written through it */
    }
    scratch->is_open = false;
    free(scratch->path);
    scratch->path = NULL;
}
