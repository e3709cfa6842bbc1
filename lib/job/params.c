/* params: checks a user's parameters against a job's table and answers for their values. */
#include "lib/job/params.h"

#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/nearest.h"
#include "lib/base/number.h"
#include "lib/job/problems.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_BYTES_MAX (1 << 30)
#define FILE_PIECE ((size_t)64 << 10)

/* How much of a user's value an error repeats. */
#define SHOWN "%.60s"

struct value {
    const struct mr_param *param;
    uint64_t number;
    struct mr_buffer file;
};

struct mr_params {
    const struct mr_job *job;
    uint64_t file_bytes_max;
    size_t count;
    struct mr_run_param *rows; /* what the user gave, or the default */
    struct value *values;      /* what became of it; beside `rows` */
};

static size_t count_declared(const struct mr_job *job) {
    size_t count = 0;
    while (job->params && job->params[count].name) {
        count++;
    }
    return count;
}

static int create_defaults(const struct mr_job *job, struct mr_params **params,
                           struct mr_error *err) {
    size_t count = count_declared(job);
    struct mr_params *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "checking the parameters");
    }
    made->job = job;
    made->rows = calloc(count + 1, sizeof *made->rows);
    made->values = calloc(count + 1, sizeof *made->values);
    if (!made->rows || !made->values) {
        mr_params_destroy(made);
        return mr_error_nomem(err, "checking the parameters");
    }
    made->count = count;
    for (size_t i = 0; i < count; i++) {
        made->values[i].param = &job->params[i];
        made->rows[i].name = job->params[i].name;
        made->rows[i].value = job->params[i].fallback;
    }
    *params = made;
    return 0;
}

static int take_given(struct mr_params *params, const struct mr_run_param *given,
                      struct mr_problems *problems, struct mr_error *err);
static int settle(struct mr_params *params, size_t index, struct mr_problems *problems,
                  struct mr_error *err);

int mr_params_create(const struct mr_params_source *source, struct mr_params **params,
                     struct mr_error *err) {
    struct mr_problems problems = {0};
    struct mr_params *made = NULL;
    int status = create_defaults(source->job, &made, err);
    for (size_t i = 0; i < source->count && !status; i++) {
        status = take_given(made, &source->given[i], &problems, err);
    }
    if (!status) {
        bool is_less = source->file_bytes_max && source->file_bytes_max < FILE_BYTES_MAX;
        made->file_bytes_max = is_less ? source->file_bytes_max : FILE_BYTES_MAX;
    }
    for (size_t i = 0; !status && i < made->count; i++) {
        status = settle(made, i, &problems, err);
    }
    if (!status) {
        status = mr_problems_report(&problems, err);
    }
    if (status) {
        mr_params_destroy(made);
        return status;
    }
    *params = made;
    return 0;
}

void mr_params_destroy(struct mr_params *params) {
    if (!params) {
        return;
    }
    for (size_t i = 0; i < params->count; i++) {
        mr_buffer_fini(&params->values[i].file);
    }
    free(params->values);
    free(params->rows);
    free(params);
}

/* The index of a declared parameter, or the count of them. */
static size_t find(const struct mr_params *params, const char *name) {
    size_t i = 0;
    while (i < params->count && strcmp(params->rows[i].name, name) != 0) {
        i++;
    }
    return i;
}

const char *mr_params_text(const struct mr_params *params, const char *name) {
    size_t i = find(params, name);
    return i < params->count ? params->rows[i].value : NULL;
}

uint64_t mr_params_u64(const struct mr_params *params, const char *name) {
    size_t i = find(params, name);
    return i < params->count ? params->values[i].number : 0;
}

struct mr_bytes mr_params_file(const struct mr_params *params, const char *name) {
    size_t i = find(params, name);
    struct mr_bytes content = {NULL, 0};
    if (i < params->count) {
        content.data = params->values[i].file.data;
        content.len = params->values[i].file.len;
    }
    return content;
}

uint64_t mr_params_file_bytes(const struct mr_params *params) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < params->count; i++) {
        bytes += params->values[i].file.len;
    }
    return bytes;
}

const struct mr_run_param *mr_params_rows(const struct mr_params *params, size_t *count) {
    *count = params->count;
    return params->rows;
}

static bool is_choice(const char *choices, const char *value) {
    size_t len = strlen(value);
    while (choices) {
        size_t choice_len = strcspn(choices, "|");
        if (choice_len == len && memcmp(choices, value, len) == 0) {
            return true;
        }
        choices = choices[choice_len] ? choices + choice_len + 1 : NULL;
    }
    return false;
}

bool mr_params_accepts(const struct mr_param *param, const char *value) {
    uint64_t number;
    switch (param->kind) {
    case MR_PARAM_FLAG:
        return !value;
    case MR_PARAM_U64:
        return value && mr_number_read_u64(value, &number) && number >= param->least;
    case MR_PARAM_CHOICE:
        return value && is_choice(param->choices, value);
    case MR_PARAM_TEXT:
    case MR_PARAM_FILE:
        return value;
    }
    return false;
}

static int refuse_name(const struct mr_params *params, const char *name,
                       struct mr_problems *problems, struct mr_error *err);
static int refuse_value(const struct mr_param *param, const char *value,
                        struct mr_problems *problems, struct mr_error *err);

static int take_given(struct mr_params *params, const struct mr_run_param *given,
                      struct mr_problems *problems, struct mr_error *err) {
    size_t i = find(params, given->name);
    if (i == params->count) {
        return refuse_name(params, given->name, problems, err);
    }
    const struct mr_param *param = params->values[i].param;
    if (!mr_params_accepts(param, given->value)) {
        return refuse_value(param, given->value, problems, err);
    }
    params->rows[i].value = param->kind == MR_PARAM_FLAG ? "" : given->value;
    return 0;
}

/* Appends `items[0], items[1]`, each with `prefix`. */
static int append_list(struct mr_buffer *list, const char *prefix, const char *const *items,
                       size_t count, struct mr_error *err) {
    int status = 0;
    for (size_t i = 0; i < count && !status; i++) {
        status = mr_buffer_printf(list, err, "%s%s%s", i > 0 ? ", " : "", prefix, items[i]);
    }
    return status;
}

static int refuse_name(const struct mr_params *params, const char *name,
                       struct mr_problems *problems, struct mr_error *err) {
    const char *job = params->job->name;
    int status = 0;
    struct mr_buffer list = {0};
    const char **names = calloc(params->count + 1, sizeof *names);
    if (!names) {
        status = mr_error_nomem(err, "looking for a parameter's name");
        goto done;
    }
    for (size_t i = 0; i < params->count; i++) {
        names[i] = params->rows[i].name;
    }
    const char *nearest = mr_nearest(name, names, params->count);
    status = append_list(&list, "--", names, params->count, err);
    if (status) {
        goto done;
    }
    if (nearest) {
        mr_problems_add(problems, MR_ERR_USAGE,
                        "unknown parameter --" SHOWN " of %s: did you mean --%s?", name, job,
                        nearest);
    } else if (params->count > 0) {
        mr_problems_add(problems, MR_ERR_USAGE, "unknown parameter --" SHOWN " of %s: it has %s",
                        name, job, list.data);
    } else {
        mr_problems_add(problems, MR_ERR_USAGE,
                        "unknown parameter --" SHOWN " of %s: it has no parameters", name, job);
    }
done:
    mr_buffer_fini(&list);
    free(names);
    return status;
}

static int refuse_choice(const struct mr_param *param, const char *value,
                         struct mr_problems *problems, struct mr_error *err);

static int refuse_value(const struct mr_param *param, const char *value,
                        struct mr_problems *problems, struct mr_error *err) {
    switch (param->kind) {
    case MR_PARAM_FLAG:
        mr_problems_add(problems, MR_ERR_USAGE, "--%s takes no value, not \"" SHOWN "\"",
                        param->name, value);
        return 0;
    case MR_PARAM_U64:
        mr_problems_add(problems, MR_ERR_USAGE, "--%s wants a number from %" PRIu64 "%s" SHOWN "%s",
                        param->name, param->least, value ? ", not \"" : "", value ? value : "",
                        value ? "\"" : "");
        return 0;
    case MR_PARAM_CHOICE:
        return refuse_choice(param, value, problems, err);
    case MR_PARAM_TEXT:
        mr_problems_add(problems, MR_ERR_USAGE, "--%s wants a value", param->name);
        return 0;
    case MR_PARAM_FILE:
        mr_problems_add(problems, MR_ERR_USAGE, "--%s wants a file", param->name);
        return 0;
    }
    return 0;
}

/* Cuts "a|b" in place into names. */
static size_t cut_choices(char *text, const char **names) {
    size_t count = 0;
    char *rest = NULL;
    for (char *name = strtok_r(text, "|", &rest); name; name = strtok_r(NULL, "|", &rest)) {
        names[count++] = name;
    }
    return count;
}

static int refuse_choice(const struct mr_param *param, const char *value,
                         struct mr_problems *problems, struct mr_error *err) {
    int status = 0;
    struct mr_buffer list = {0};
    char *text = strdup(param->choices);
    const char **names = calloc(strlen(param->choices) + 1, sizeof *names);
    if (!text || !names) {
        status = mr_error_nomem(err, "listing a parameter's choices");
        goto done;
    }
    size_t count = cut_choices(text, names);
    status = append_list(&list, "", names, count, err);
    if (status) {
        goto done;
    }
    const char *nearest = value ? mr_nearest(value, names, count) : NULL;
    if (!value) {
        mr_problems_add(problems, MR_ERR_USAGE, "--%s must be one of %s", param->name, list.data);
    } else {
        mr_problems_add(problems, MR_ERR_USAGE, "--%s must be one of %s, not \"" SHOWN "\"%s%s%s",
                        param->name, list.data, value, nearest ? ": did you mean " : "",
                        nearest ? nearest : "", nearest ? "?" : "");
    }
done:
    mr_buffer_fini(&list);
    free(names);
    free(text);
    return status;
}

static int read_file(const char *path, uint64_t limit, struct mr_buffer *content,
                     struct mr_error *err);

/* Turns the text of a parameter into what callbacks ask for. */
static int settle(struct mr_params *params, size_t index, struct mr_problems *problems,
                  struct mr_error *err) {
    struct value *value = &params->values[index];
    const char *text = params->rows[index].value;
    if (value->param->kind == MR_PARAM_FLAG) {
        value->number = text ? 1 : 0;
    } else if (text && value->param->kind == MR_PARAM_U64) {
        (void)mr_number_read_u64(text, &value->number); /* it was accepted before */
    } else if (text && value->param->kind == MR_PARAM_FILE) {
        struct mr_error why = {0};
        uint64_t limit = params->file_bytes_max - mr_params_file_bytes(params);
        int status = read_file(text, limit, &value->file, &why);
        if (status == MR_ERR_NOMEM) {
            return mr_error_set(err, status, "%s (reading --%s)", why.text, value->param->name);
        }
        if (status) {
            mr_buffer_fini(&value->file);
            mr_problems_add(problems, MR_ERR_INPUT, "%s (reading --%s)", why.text,
                            value->param->name);
        }
    }
    return 0;
}

static int refuse_size(const char *path, uint64_t limit, struct mr_error *err) {
    char text[MR_NUMBER_TEXT_MAX];
    if (limit == FILE_BYTES_MAX) {
        return mr_error_set(err, MR_ERR_INPUT, "read \"%s\": it is larger than 1 GiB", path);
    }
    mr_number_put_size(text, sizeof text, limit);
    return mr_error_set(err, MR_ERR_INPUT,
                        "read \"%s\": it is larger than %s, which is what --memory has room for",
                        path, text);
}

/* Reads to the end: a pipe has no size beforehand, and a file's may be old. */
static int read_all(int fd, const char *path, uint64_t limit, struct mr_buffer *content,
                    struct mr_error *err) {
    size_t got;
    do {
        int status = mr_buffer_reserve(content, FILE_PIECE, err);
        if (status) {
            return status;
        }
        status = mr_file_read(fd, -1, content->data + content->len, FILE_PIECE, path, &got, err);
        if (status) {
            return status;
        }
        content->len += got;
        if (content->len > limit) {
            return refuse_size(path, limit, err);
        }
    } while (got > 0);
    return 0;
}

static int read_file(const char *path, uint64_t limit, struct mr_buffer *content,
                     struct mr_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return mr_error_errno(err, MR_ERR_INPUT, errno, "open \"%s\"", path);
    }
    int status = 0;
    struct stat about;
    if (fstat(fd, &about)) {
        status = mr_error_errno(err, MR_ERR_INPUT, errno, "stat \"%s\"", path);
        goto done;
    }
    if (S_ISREG(about.st_mode) && (uint64_t)about.st_size > limit) {
        status = refuse_size(path, limit, err);
    } else if (S_ISREG(about.st_mode)) {
        status = mr_buffer_reserve(content, (size_t)about.st_size + FILE_PIECE, err);
    }
    if (!status) {
        status = read_all(fd, path, limit, content, err);
    }
done:;
    int closed = mr_file_close(&fd, path, err);
    return status ? status : closed;
}
