/* outlet: where output goes: the part of an attempt, or the caller's stream. */
#include "master/local/common/outlet.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int mr_outlet_open(struct mr_outlet *outlet, const struct mr_outlet_source *source,
                   uint32_t partition, uint32_t attempt, struct mr_error *err) {
    char name[MR_PART_NAME_MAX];
    if (!source->commit) {
        int status = mr_part_stream(&outlet->part, source->output_fd, err);
        outlet->part.stop = source->stop;
        return status;
    }
    mr_part_name(name, sizeof name, partition);
    if (mr_commit_attempt(source->commit, partition, attempt, &outlet->dir_fd, err)) {
        return err->code;
    }
    return mr_part_create(&outlet->part, outlet->dir_fd, name, err);
}

int mr_outlet_finish(struct mr_outlet *outlet, uint64_t records, struct mr_run_part *done,
                     struct mr_error *err) {
    struct mr_run_part finished = {0};
    if (mr_part_finish(&outlet->part, &finished, err)) {
        return err->code;
    }
    if (outlet->dir_fd < 0) {
        return MR_OK;
    }
    finished.records = records;
    *done = finished;
    return mr_file_sync(outlet->dir_fd, "the directory of an attempt", err);
}

int mr_outlet_close(struct mr_outlet *outlet, struct mr_error *err) {
    struct mr_error met = {0};
    mr_part_abandon(&outlet->part);
    if (mr_file_close(&outlet->dir_fd, "the directory of an attempt", &met) && !err->code) {
        *err = met;
    }
    return err->code;
}

int mr_outlet_copy(const struct mr_outlet_source *source, const char *path, struct mr_error *err) {
    struct mr_part part;
    struct mr_run_part ignored;
    char text[65536];
    size_t got = sizeof text;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "open \"%s\"", path);
    }
    if (!mr_part_stream(&part, source->output_fd, err)) {
        part.stop = source->stop;
        while (got == sizeof text && !mr_file_read(fd, -1, text, sizeof text, path, &got, err) &&
               !mr_part_write(&part, text, got, err)) {
        }
        if (!err->code) {
            (void)!mr_part_finish(&part, &ignored, err);
        }
        mr_part_abandon(&part);
    }
    (void)close(fd); /* only read from */
    return err->code;
}
