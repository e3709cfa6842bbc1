/* identity: what makes two runs the same, as text to be compared. */
#include "master/local/plan/identity.h"

#include "jobs/jobs.h"
#include "lib/base/error.h"
#include "lib/base/hash.h"
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int mr_identity_path(const char *path, char **absolute, struct mr_error *err) {
    *absolute = realpath(path, NULL);
    if (*absolute) {
        return MR_OK;
    }
    char *around = strdup(path);
    char *resolved = NULL;
    if (around) {
        size_t len = strlen(around);
        while (len > 1 && around[len - 1] == '/') {
            around[--len] = '\0';
        }
        char *slash = strrchr(around, '/');
        const char *name = slash ? path + (slash + 1 - around) : path;
        if (slash) {
            slash[slash == around] = '\0';
        }
        resolved = realpath(slash ? around : ".", NULL);
        if (resolved &&
            asprintf(absolute, "%s/%.*s", resolved, (int)(len - (size_t)(name - path)), name) < 0) {
            *absolute = NULL;
            errno = ENOMEM;
        }
    }
    if (!*absolute) {
        mr_error_errno(err, errno == ENOMEM ? MR_ERR_NOMEM : MR_ERR_USAGE, errno, "find \"%.300s\"",
                       path);
    }
    free(resolved);
    free(around);
    return err->code;
}

/* Where the job's code is from. */
static int add_code(const struct mr_plan *plan, struct mr_buffer *text, struct mr_error *err) {
    Dl_info job;
    Dl_info own;
    struct stat about;
    bool is_own =
        dladdr(plan->job, &job) && dladdr(mr_jobs, &own) && job.dli_fbase == own.dli_fbase;
    if (is_own || !dladdr(plan->job, &job) || stat(job.dli_fname, &about) != 0) {
        return mr_buffer_printf(text, err, "code %s\n", MR_VERSION);
    }
    return mr_buffer_printf(text, err, "code %s %" PRId64 " %" PRId64 ".%09ld %" PRIu64 "\n",
                            job.dli_fname, (int64_t)about.st_size, (int64_t)about.st_mtim.tv_sec,
                            about.st_mtim.tv_nsec, (uint64_t)about.st_ino);
}

/* With lengths, so that no value can look like another parameter. */
static int add_params(const struct mr_plan *plan, struct mr_buffer *text, struct mr_error *err) {
    size_t count;
    const struct mr_run_param *rows = mr_params_rows(plan->params, &count);
    for (size_t i = 0; i < count && !err->code; i++) {
        const char *value = rows[i].value;
        struct mr_bytes content = mr_params_file(plan->params, rows[i].name);
        if (content.data) {
            (void)!mr_buffer_printf(text, err, "file %s %zu %016" PRIx64 "\n", rows[i].name,
                                    content.len, mr_hash_xxh3(content.data, content.len));
        } else {
            (void)!mr_buffer_printf(text, err, "param %s %zd %s\n", rows[i].name,
                                    value ? (ssize_t)strlen(value) : -1, value ? value : "");
        }
    }
    return err->code;
}

static int add_shape(const struct mr_run_spec *spec, const struct mr_plan *plan,
                     struct mr_buffer *text, struct mr_error *err) {
    (void)!mr_buffer_printf(text, err, "splits %zu %" PRIu64 "\n", plan->splits.count,
                            plan->splits.split_bytes);
    for (uint32_t round = 0; round < plan->round_count && !err->code; round++) {
        (void)!mr_buffer_printf(
            text, err, "round %s %u %d\n", plan->rounds[round].name ? plan->rounds[round].name : "",
            mr_plan_partitions(plan, spec, round), (int)plan->rounds[round].value);
    }
    return err->code;
}

int mr_identity_job(const struct mr_run_spec *spec, const struct mr_plan *plan,
                    struct mr_buffer *text, struct mr_identity_shape *shape, struct mr_error *err) {
    char *output = NULL;
    if (!mr_identity_path(spec->output, &output, err) &&
        !mr_buffer_printf(text, err, "job %s\n", plan->job->name) && !add_code(plan, text, err) &&
        !add_params(plan, text, err)) {
        shape->begin = text->len;
        (void)!add_shape(spec, plan, text, err);
        shape->end = text->len;
    }
    if (!err->code) {
        (void)!mr_buffer_printf(text, err, "skip %u\noutput %s\n", spec->skip_bad_records, output);
    }
    free(output);
    return err->code;
}

int mr_identity_inputs(const struct mr_plan *plan, struct mr_buffer *text, struct mr_error *err) {
    if (mr_buffer_append_text(text, "", err) || mr_buffer_reserve(text, 1, err)) {
        return err->code;
    }
    text->data[text->len] = '\0';
    for (size_t i = 0; i < plan->inputs.count && !err->code; i++) {
        const struct mr_input *input = &plan->inputs.items[i];
        (void)!mr_buffer_printf(text, err, "%" PRIu64 " %" PRId64 ".%09ld %" PRIu64 " %s\n",
                                input->size, (int64_t)input->mtime.tv_sec, input->mtime.tv_nsec,
                                (uint64_t)input->ino, input->path);
    }
    return err->code;
}

/* Behind size, time and inode of a line. */
static const char *path_of(const char *line) {
    for (int spaces = 0; *line && *line != '\n' && spaces < 3; line++) {
        spaces += *line == ' ';
    }
    return line;
}

static int line_len(const char *line) {
    return (int)strcspn(line, "\n");
}

static bool same_line(const char *a, const char *b) {
    return line_len(a) == line_len(b) && strncmp(a, b, (size_t)line_len(a)) == 0;
}

/* Goes on to the first lines that differ. */
static void skip_same_lines(const char **before, const char **now) {
    while (**before && **now && same_line(*before, *now)) {
        int len = line_len(*now);
        *before += len + ((*before)[len] == '\n');
        *now += len + ((*now)[len] == '\n');
    }
}

static bool has_path(const char *lines, const char *path) {
    while (*lines && !same_line(path_of(lines), path)) {
        lines += line_len(lines);
        lines += *lines == '\n';
    }
    return *lines != '\0';
}

static void tell_input(const char *before, const char *now, char *out, size_t size) {
    skip_same_lines(&before, &now);
    const char *is = path_of(now);
    const char *was = path_of(before);
    if (*was && same_line(was, is)) {
        snprintf(out, size, "\"%.*s\" is not as it was (size, time or inode)", line_len(is), is);
    } else if (*was && !has_path(now, was)) {
        snprintf(out, size, "\"%.*s\" is not among them any more", line_len(was), was);
    } else if (!has_path(before, is)) {
        snprintf(out, size, "\"%.*s\" is new", line_len(is), is);
    } else {
        snprintf(out, size, "\"%.*s\" is in another place", line_len(is), is);
    }
}

static bool begins(const char *line, const char *word) {
    return strncmp(line, word, strlen(word)) == 0;
}

/* The last but one number of the line of a round. */
static unsigned long partitions_of(const char *line) {
    int at = line_len(line);
    for (int spaces = 0; at > 0 && spaces < 2; at--) {
        spaces += line[at - 1] == ' ';
    }
    return strtoul(line + at + 1, NULL, 10);
}

static void tell_job(const char *before, const char *now, char *out, size_t size) {
    skip_same_lines(&before, &now);
    if (begins(now, "job ") || !*before) {
        snprintf(out, size, "another job");
    } else if (begins(now, "code ")) {
        snprintf(out, size, "the job's code is not as it was");
    } else if (begins(now, "param ") || begins(now, "file ")) {
        const char *name = strchr(now, ' ') + 1;
        snprintf(out, size, "--%.*s differs", (int)strcspn(name, " \n"), name);
    } else if (begins(now, "round ") && begins(before, "round ")) {
        snprintf(out, size, "it has --partitions %lu, not %lu", partitions_of(before),
                 partitions_of(now));
    } else if (begins(now, "skip ") && begins(before, "skip ")) {
        snprintf(out, size, "it has --skip-bad-records %.*s, not %.*s", line_len(before) - 5,
                 before + 5, line_len(now) - 5, now + 5);
    } else if (begins(now, "output ") && begins(before, "output ")) {
        snprintf(out, size, "its output is \"%.*s\"", line_len(before) - 7, before + 7);
    } else {
        snprintf(out, size, "it is cut otherwise");
    }
}

/* That all of two texts but the shape is the same. */
static bool same_but_shape(const char *before, const char *now,
                           const struct mr_identity_shape *shape) {
    size_t len = strlen(before);
    size_t rest = strlen(now) - shape->end;
    return len >= shape->begin + rest && memcmp(before, now, shape->begin) == 0 &&
           memcmp(before + len - rest, now + shape->end, rest) == 0;
}

enum mr_identity_relation mr_identity_compare(const struct mr_identity_texts *before,
                                              const struct mr_identity_texts *now,
                                              const struct mr_identity_shape *shape, char *out,
                                              size_t size) {
    bool has_inputs = strcmp(before->inputs, now->inputs) == 0;
    out[0] = '\0';
    if (has_inputs && strcmp(before->job, now->job) == 0) {
        return MR_IDENTITY_SAME;
    }
    if (!has_inputs && same_but_shape(before->job, now->job, shape)) {
        tell_input(before->inputs, now->inputs, out, size);
        return MR_IDENTITY_INPUTS;
    }
    tell_job(before->job, now->job, out, size);
    return MR_IDENTITY_OTHER;
}

int mr_identity_label(const struct mr_run_spec *spec, struct mr_buffer *text,
                      struct mr_error *err) {
    (void)!mr_buffer_printf(text, err, "%s", spec->job->name);
    for (size_t i = 0; i < spec->param_count && !err->code; i++) {
        (void)!mr_buffer_printf(text, err, " --%s%s%s", spec->params[i].name,
                                spec->params[i].value ? " " : "",
                                spec->params[i].value ? spec->params[i].value : "");
    }
    for (size_t i = 0; i < spec->input_count && i < 8 && !err->code; i++) {
        (void)!mr_buffer_printf(text, err, " %s", i == 7 ? "..." : spec->inputs[i]);
    }
    return err->code ? err->code : mr_buffer_printf(text, err, " -o %s", spec->output);
}
