/* plugin: loads a job from a shared object, and checks a job's table before it is trusted. */
#include "lib/job/plugin.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/job/params.h"
#include "lib/job/problems.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_LEN_MAX 63

enum family { BYTES, U64, I64, F64 };

static const struct {
    const char *name;
    enum family family;
} values[MR_VALUE_KINDS] = {
    [MR_VALUES] = {"MR_VALUES", BYTES}, [MR_SUM_U64] = {"MR_SUM_U64", U64},
    [MR_MIN_U64] = {"MR_MIN_U64", U64}, [MR_MAX_U64] = {"MR_MAX_U64", U64},
    [MR_SUM_I64] = {"MR_SUM_I64", I64}, [MR_MIN_I64] = {"MR_MIN_I64", I64},
    [MR_MAX_I64] = {"MR_MAX_I64", I64}, [MR_SUM_F64] = {"MR_SUM_F64", F64},
    [MR_MIN_F64] = {"MR_MIN_F64", F64}, [MR_MAX_F64] = {"MR_MAX_F64", F64},
    [MR_FIRST] = {"MR_FIRST", BYTES},   [MR_COMBINED] = {"MR_COMBINED", BYTES},
};

static int open_object(const char *path, void **handle, struct mr_error *err);

int mr_plugin_load(const char *path, const struct mr_job **job, struct mr_error *err) {
    void *handle = NULL;
    int status = open_object(path, &handle, err);
    if (status) {
        return status;
    }
    const struct mr_job *found = dlsym(handle, "mr_plugin_job");
    struct mr_error why = {0};
    if (!found) {
        mr_error_set(&why, MR_ERR_JOB,
                     "does not export mr_plugin_job: end it with MR_PLUGIN = {…}");
    } else if (!mr_plugin_check(found, &why)) {
        *job = found;
        return 0;
    }
    dlclose(handle);
    return mr_error_set(err, why.code, "plugin \"%s\": %s", path, why.text);
}

/* A file that was cut off while it was copied would crash the loader. Its section headers stand at
 * the end; what is no ELF file, or has none, is the loader's to judge. */
static int check_whole(const char *path, const char *whole, uint64_t size, struct mr_error *err) {
    ElfW(Ehdr) header;
    size_t got = 0;
    int fd = open(whole, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return mr_error_errno(err, MR_ERR_INPUT, errno, "open plugin \"%s\"", path);
    }
    int status = mr_file_read(fd, 0, &header, sizeof header, path, &got, err);
    (void)close(fd); /* only read from: nothing can be lost */
    bool is_elf = got == sizeof header && memcmp(header.e_ident, ELFMAG, SELFMAG) == 0;
    if (status || !is_elf || !header.e_shoff) {
        return status;
    }
    uint64_t end = header.e_shoff + (uint64_t)header.e_shnum * header.e_shentsize;
    return end <= size ? 0
                       : mr_error_set(err, MR_ERR_JOB, "plugin \"%s\" is cut off at byte %" PRIu64,
                                      path, size);
}

/* dlopen takes a path without a slash for a name to search for, so it gets the whole path. */
static int open_object(const char *path, void **handle, struct mr_error *err) {
    int status = 0;
    struct stat about;
    char *whole = realpath(path, NULL);
    if (!whole || stat(whole, &about)) {
        status = mr_error_errno(err, MR_ERR_INPUT, errno, "open plugin \"%s\"", path);
        goto done;
    }
    if (!S_ISREG(about.st_mode)) {
        status = mr_error_set(err, MR_ERR_INPUT, "open plugin \"%s\": not a regular file", path);
        goto done;
    }
    status = check_whole(path, whole, (uint64_t)about.st_size, err);
    if (status) {
        goto done;
    }
    *handle = dlopen(whole, RTLD_NOW | RTLD_LOCAL);
    if (!*handle) {
        const char *why = dlerror();
        status = mr_error_set(err, MR_ERR_JOB, "load plugin \"%s\": %s", path,
                              why ? why : "the loader gives no reason");
    }
done:
    free(whole);
    return status;
}

static void check_round(struct mr_problems *problems, const struct mr_round *round, uint32_t index);
static void check_param(struct mr_problems *problems, const struct mr_job *job, size_t index);

/* Letters, digits, and marks that mean nothing in a path or a command line. */
static bool is_name(const char *name) {
    size_t len = name ? strlen(name) : 0;
    size_t i = 0;
    while (i < len && (isalnum((unsigned char)name[i]) || (i > 0 && strchr("-_.", name[i])))) {
        i++;
    }
    return len > 0 && i == len && len <= NAME_LEN_MAX;
}

int mr_plugin_check(const struct mr_job *job, struct mr_error *err) {
    if (job->abi != MR_JOB_ABI) { /* nothing behind the number can be read */
        return mr_error_set(err, MR_ERR_JOB,
                            "the job was built for interface version %u; this Millrace has %u: "
                            "build it again",
                            job->abi, MR_JOB_ABI);
    }
    struct mr_problems problems = {0};
    if (!is_name(job->name)) {
        mr_problems_add(&problems, MR_ERR_JOB,
                        "the job's name is missing, or is not of letters, digits, '-', '_', '.'");
    }
    if (!job->rounds || job->round_count == 0) {
        mr_problems_add(&problems, MR_ERR_JOB, "the job has no rounds");
    }
    for (uint32_t i = 0; job->rounds && i < job->round_count; i++) {
        check_round(&problems, &job->rounds[i], i);
    }
    if (job->start && !job->round_done) {
        mr_problems_add(&problems, MR_ERR_JOB,
                        "start is for jobs that loop: round_done is missing");
    }
    for (size_t i = 0; job->params && job->params[i].name; i++) {
        check_param(&problems, job, i);
    }
    return mr_problems_report(&problems, err);
}

static void check_map(struct mr_problems *problems, const struct mr_round *round, uint32_t index);
static void check_reduce(struct mr_problems *problems, const struct mr_round *round,
                         uint32_t index);

static void check_round(struct mr_problems *problems, const struct mr_round *round,
                        uint32_t index) {
    if (!round->name || !*round->name) {
        mr_problems_add(problems, MR_ERR_JOB, "round %u has no name", index);
    }
    if ((unsigned)round->value >= MR_VALUE_KINDS) {
        mr_problems_add(problems, MR_ERR_JOB, "round %u: there is no value type %u", index,
                        (unsigned)round->value);
        return;
    }
    check_map(problems, round, index);
    if (round->value == MR_COMBINED && !round->combine) {
        mr_problems_add(problems, MR_ERR_JOB, "round %u: MR_COMBINED needs combine", index);
    }
    if (round->value != MR_COMBINED && round->combine) {
        mr_problems_add(problems, MR_ERR_JOB, "round %u: combine is for MR_COMBINED, not for %s",
                        index, values[round->value].name);
    }
    check_reduce(problems, round, index);
}

static void check_map(struct mr_problems *problems, const struct mr_round *round, uint32_t index) {
    bool maps_records = round->map || round->map_block;
    if (index == 0 && !maps_records) {
        mr_problems_add(problems, MR_ERR_JOB,
                        "round 0: the first round reads the input and needs map or map_block");
    }
    if (index == 0 && round->map_pair) {
        mr_problems_add(
            problems, MR_ERR_JOB,
            "round 0: map_pair is for later rounds, there is no round before the first");
    }
    if (index > 0 && maps_records) {
        mr_problems_add(
            problems, MR_ERR_JOB,
            "round %u: map and map_block are for the first round; this one has pairs to "
            "read, by map_pair",
            index);
    }
    if (index > 0 && !round->map_pair && values[round->value].family != BYTES) {
        mr_problems_add(problems, MR_ERR_JOB,
                        "round %u: %s needs map_pair: a pair's value is bytes, not a number", index,
                        values[round->value].name);
    }
}

static void check_reduce(struct mr_problems *problems, const struct mr_round *round,
                         uint32_t index) {
    const struct {
        const char *name;
        enum family family;
        bool is_set;
    } typed[] = {
        {"reduce_u64", U64, round->reduce_u64 != NULL},
        {"reduce_i64", I64, round->reduce_i64 != NULL},
        {"reduce_f64", F64, round->reduce_f64 != NULL},
    };
    for (size_t i = 0; i < sizeof typed / sizeof *typed; i++) {
        if (typed[i].is_set && typed[i].family != values[round->value].family) {
            mr_problems_add(problems, MR_ERR_JOB, "round %u: %s does not fit %s", index,
                            typed[i].name, values[round->value].name);
        }
    }
}

/* One or more names between '|', none of them empty. */
static bool has_choices(const struct mr_param *param) {
    const char *at = param->choices;
    while (at && *at && *at != '|') {
        at += strcspn(at, "|");
        if (!*at) {
            return true;
        }
        at++;
    }
    return false;
}

static bool is_repeated(const struct mr_param *params, size_t index) {
    size_t i = 0;
    while (i < index && strcmp(params[i].name, params[index].name) != 0) {
        i++;
    }
    return i < index;
}

static void check_param(struct mr_problems *problems, const struct mr_job *job, size_t index) {
    const struct mr_param *param = &job->params[index];
    const char *fallback = param->fallback;
    if (!is_name(param->name)) {
        mr_problems_add(problems, MR_ERR_JOB,
                        "parameter %zu: its name is not of letters, digits, '-', '_', '.'", index);
        return;
    }
    if (is_repeated(job->params, index)) {
        mr_problems_add(problems, MR_ERR_JOB, "parameter --%s stands twice in the table",
                        param->name);
    }
    if ((unsigned)param->kind > MR_PARAM_FILE) {
        mr_problems_add(problems, MR_ERR_JOB, "parameter --%s: there is no kind %u", param->name,
                        (unsigned)param->kind);
    } else if (param->kind == MR_PARAM_CHOICE && !has_choices(param)) {
        mr_problems_add(problems, MR_ERR_JOB,
                        "parameter --%s: its choices are not names with '|' between", param->name);
    } else if (param->kind == MR_PARAM_FLAG && fallback) {
        mr_problems_add(problems, MR_ERR_JOB, "parameter --%s: a flag is off, it has no default",
                        param->name);
    } else if (fallback && !mr_params_accepts(param, fallback)) {
        mr_problems_add(problems, MR_ERR_JOB,
                        "parameter --%s: its default \"%.60s\" is no value of its kind",
                        param->name, fallback);
    }
}
