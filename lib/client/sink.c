/* sink: where a collected output goes: a directory that appears whole, or a stream.
 *
 * A directory is made as any output is (lib/output/commit.h): parts into directories of their
 * attempts, then all appears at once. The part of a stream is kept in a scratch file until it is
 * here and right: nobody sees half of one that is then made again. */
#include "lib/client/sink.h"

#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/output/commit.h"
#include "lib/output/part.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ASIDE_NAME "_skipped"
#define COPY_BYTES ((size_t)1 << 20)

struct mr_sink {
    const struct mr_sink_place *place;
    struct mr_commit *commit; /* of a directory */
    bool is_done;
    bool is_enough;
    int scratch_fd;    /* the part of a stream; -1: none */
    char scratch[320]; /* what that is called */
};

int mr_sink_open(const struct mr_sink_place *place, const char *id, struct mr_sink **sink,
                 struct mr_error *err) {
    struct mr_sink *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "collecting the output");
    }
    *made = (struct mr_sink){.place = place, .scratch_fd = -1};
    if (place->output && !mr_commit_is_done(place->output, id, &made->is_done, err) &&
        !made->is_done) {
        (void)!mr_commit_begin(place->output, place->overwrite, id, &made->commit, err);
    }
    if (err->code) {
        mr_sink_close(made);
        return err->code;
    }
    *sink = made;
    return MR_OK;
}

void mr_sink_close(struct mr_sink *sink) {
    if (sink) {
        if (sink->scratch_fd >= 0) {
            (void)close(sink->scratch_fd); /* nobody reads it any more */
        }
        mr_commit_end(sink->commit);
        free(sink);
    }
}

bool mr_sink_is_done(const struct mr_sink *sink) {
    return sink->is_done;
}

bool mr_sink_is_directory(const struct mr_sink *sink) {
    return sink->commit != NULL;
}

bool mr_sink_is_enough(const struct mr_sink *sink) {
    return sink->is_enough;
}

/* ---- one part ---------------------------------------------------------------------------------*/

static int write_part(void *to, struct mr_bytes bytes, struct mr_error *err) {
    return mr_part_write(to, bytes.data, bytes.len, err);
}

static int take_to_directory(struct mr_sink *sink, const struct mr_sink_part *part,
                             struct mr_run_part *done, struct mr_error *err) {
    struct mr_part file = {.fd = -1};
    char name[MR_PART_NAME_MAX];
    int dir_fd = -1;
    mr_part_name(name, sizeof name, part->task);
    if (mr_commit_discard(sink->commit, part->task, part->attempt, err) ||
        mr_commit_attempt(sink->commit, part->task, part->attempt, &dir_fd, err)) {
        return err->code;
    }
    if (!mr_part_create(&file, dir_fd, name, err) &&
        !part->fill(part->arg, write_part, &file, err) && !mr_part_finish(&file, done, err)) {
        (void)!mr_file_sync(dir_fd, name, err);
    }
    mr_part_abandon(&file);
    (void)close(dir_fd); /* nothing was written through it */
    return err->code;
}

static int write_scratch(void *to, struct mr_bytes bytes, struct mr_error *err) {
    const struct mr_sink *sink = to;
    return mr_file_write(sink->scratch_fd, bytes.data, bytes.len, sink->scratch, err);
}

static int take_to_scratch(struct mr_sink *sink, const struct mr_sink_part *part,
                           struct mr_error *err) {
    const char *set = getenv("TMPDIR");
    const char *tmp = set && *set ? set : "/tmp";
    snprintf(sink->scratch, sizeof sink->scratch, "%.280s/(a scratch file)", tmp);
    if (sink->scratch_fd < 0 && mr_file_scratch(tmp, &sink->scratch_fd, err)) {
        return err->code;
    }
    if (ftruncate(sink->scratch_fd, 0) != 0 || lseek(sink->scratch_fd, 0, SEEK_SET) != 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "empty \"%s\"", sink->scratch);
    }
    return part->fill(part->arg, write_scratch, sink, err);
}

int mr_sink_take(struct mr_sink *sink, const struct mr_sink_part *part, struct mr_run_part *done,
                 struct mr_error *err) {
    *done = (struct mr_run_part){0};
    return sink->commit ? take_to_directory(sink, part, done, err)
                        : take_to_scratch(sink, part, err);
}

/* ---- all of it --------------------------------------------------------------------------------*/

static int copy_stream(struct mr_sink *sink, struct mr_error *err) {
    struct mr_buffer piece = {0};
    uint64_t at = 0;
    size_t got = 1;
    if (mr_buffer_reserve(&piece, COPY_BYTES, err)) {
        return err->code;
    }
    for (; got > 0 && !err->code; at += got) {
        got = 0;
        if (!mr_file_read(sink->scratch_fd, (int64_t)at, piece.data, COPY_BYTES, sink->scratch,
                          &got, err)) {
            int status =
                mr_file_write(sink->place->output_fd, piece.data, got, "standard output", err);
            sink->is_enough = status == MR_ERR_CLOSED;
        }
    }
    mr_buffer_fini(&piece);
    return err->code;
}

static int publish(struct mr_sink *sink, const struct mr_sink_content *content,
                   struct mr_error *err) {
    if (content->aside.len > 0 && mr_commit_add(sink->commit, ASIDE_NAME, content->aside, err)) {
        return err->code;
    }
    int status = mr_commit_publish(sink->commit, content->parts, content->winners, content->count,
                                   content->manifest, err);
    sink->is_enough = status == MR_ERR_USAGE;
    return status;
}

int mr_sink_finish(struct mr_sink *sink, const struct mr_sink_content *content,
                   struct mr_error *err) {
    if (sink->commit) {
        return publish(sink, content, err);
    }
    return sink->scratch_fd >= 0 ? copy_stream(sink, err) : MR_OK;
}
