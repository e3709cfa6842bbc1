/* test_run: whole jobs inside this process: the same bytes for any threads and memory, several runs
 * at once, and nothing left behind by those that fail. */
#include <mr/run.h>

#include "tests/unit/input/scratch.h"
#include <dirent.h>
#include <pthread.h>

#define WORDS 4000
#define LINES 400000 /* 2.4 MB: three threads */
#define MIB ((uint64_t)1 << 20)

/* ---- jobs ----------------------------------------------------------------------------------- */

static int count_line(struct mr_ctx *ctx, void *state, struct mr_bytes line) {
    (void)state;
    return mr_emit_u64(ctx, line, 1);
}

static const struct mr_round count_rounds[] = {
    {.name = "count", .map = count_line, .value = MR_SUM_U64}};
static const struct mr_job count_job = {
    .abi = MR_JOB_ABI, .name = "count", .rounds = count_rounds, .round_count = 1};

/* Words by how often they were met: a second round, whose values stand in the order of the first.
 */
static int emit_count(struct mr_ctx *ctx, void *state, struct mr_bytes word, uint64_t count) {
    char key[16];
    (void)state;
    if (mr_counter_add(ctx, "words", 1)) {
        return MR_ERR_JOB;
    }
    size_t len = (size_t)snprintf(key, sizeof key, "%03llu", (unsigned long long)count % 50);
    return mr_emit(ctx, (struct mr_bytes){key, len}, word);
}

static const struct mr_round invert_rounds[] = {{.name = "count",
                                                 .map = count_line,
                                                 .value = MR_SUM_U64,
                                                 .reduce_u64 = emit_count,
                                                 .partitions = 7},
                                                {.name = "invert", .value = MR_VALUES}};
static const struct mr_job invert_job = {
    .abi = MR_JOB_ABI, .name = "invert", .rounds = invert_rounds, .round_count = 2};

/* Every line under its first letters, in the order of the input, whoever mapped it. */
static int file_line(struct mr_ctx *ctx, void *state, struct mr_bytes line) {
    (void)state;
    return mr_emit(ctx, (struct mr_bytes){line.data, 2}, line);
}

static const struct mr_round file_rounds[] = {
    {.name = "file", .map = file_line, .value = MR_VALUES}};
static const struct mr_job file_job = {
    .abi = MR_JOB_ABI, .name = "file", .rounds = file_rounds, .round_count = 1};

static int refuse_word(struct mr_ctx *ctx, void *state, struct mr_bytes line) {
    (void)state;
    return memcmp(line.data, "w3999", 5) == 0 ? mr_fail(ctx, "not this word")
                                              : mr_emit_u64(ctx, line, 1);
}
static const struct mr_round refuse_rounds[] = {
    {.name = "refuse", .map = refuse_word, .value = MR_SUM_U64}};
static const struct mr_job refuse_job = {
    .abi = MR_JOB_ABI, .name = "refuse", .rounds = refuse_rounds, .round_count = 1};

/* ---- runs ----------------------------------------------------------------------------------- */

struct fixture {
    struct scratch scratch;
    char input[80];
    const char *inputs[1];
    uint64_t counts[WORDS];
};

static void setup(struct fixture *fixture, size_t lines) {
    *fixture = (struct fixture){0};
    scratch_make(&fixture->scratch);
    char *text = malloc(lines * 6 + 1);
    cr_assert_not_null(text);
    uint32_t random = 1;
    for (size_t i = 0; i < lines; i++) {
        random = random * 1664525U + 1013904223U;
        uint32_t word = (random >> 8) % (i % 5 ? WORDS : 7);
        snprintf(text + i * 6, 7, "w%04u\n", word);
        fixture->counts[word]++;
    }
    scratch_write(&fixture->scratch, "input", text, lines * 6);
    free(text);
    snprintf(fixture->input, sizeof fixture->input, "%s", scratch_path(&fixture->scratch, "input"));
    fixture->inputs[0] = fixture->input;
}

static struct mr_run_spec spec_of(const struct fixture *fixture, const struct mr_job *job) {
    return (struct mr_run_spec){.job = job,
                                .inputs = fixture->inputs,
                                .input_count = 1,
                                .output_fd = -1,
                                .threads = 3,
                                .memory_bytes = 64 * MIB};
}

struct text {
    char *data;
    size_t len;
};

static void read_all(int fd, struct text *text) {
    size_t cap = 0;
    ssize_t got = 1;
    while (got > 0) {
        if (text->len + 65536 > cap) {
            cap = text->len * 2 + 65536;
            text->data = realloc(text->data, cap);
        }
        got = read(fd, text->data + text->len, 65536);
        text->len += got > 0 ? (size_t)got : 0;
    }
}

/* The reader's end of a pipe. */
struct reader {
    int fd;
    struct text text;
};

static void *read_pipe(void *arg) {
    struct reader *reader = arg;
    read_all(reader->fd, &reader->text);
    close(reader->fd);
    return NULL;
}

/* Runs to a pipe that another thread reads. */
static int run_to_pipe(struct mr_run_spec spec, struct mr_run_result *result, struct mr_error *err,
                       struct text *text) {
    int ends[2];
    pthread_t thread;
    if (pipe(ends)) {
        return MR_ERR_IO;
    }
    struct reader reader = {.fd = ends[0]};
    if (pthread_create(&thread, NULL, read_pipe, &reader)) {
        return MR_ERR_IO;
    }
    spec.output_fd = ends[1];
    int status = mr_run(&spec, result, err);
    close(ends[1]);
    pthread_join(thread, NULL);
    *text = reader.text;
    return status;
}

/* Compares text with the counts of all words. */
static bool is_count(const struct fixture *fixture, struct text text) {
    size_t at = 0;
    for (uint32_t word = 0; word < WORDS; word++) {
        char line[40];
        size_t len = (size_t)snprintf(line, sizeof line, "w%04u\t%llu\n", word,
                                      (unsigned long long)fixture->counts[word]);
        if (fixture->counts[word]) {
            if (len > text.len - at || memcmp(text.data + at, line, len) != 0) {
                return false;
            }
            at += len;
        }
    }
    return at == text.len;
}

Test(run, to_a_pipe) {
    struct fixture fixture;
    setup(&fixture, LINES);
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct mr_run_result result;
        struct mr_error err = {0};
        struct text text = {0};
        struct mr_run_spec spec = spec_of(&fixture, &count_job);
        spec.threads = threads;
        cr_assert_eq(run_to_pipe(spec, &result, &err, &text), 0, "%s", err.text);
        cr_assert(is_count(&fixture, text));
        cr_assert_eq(result.threads, threads < 3 ? threads : 3u);
        cr_assert_eq(result.rounds[0].books.records_mapped, (uint64_t)LINES);
        cr_assert_eq(result.output_bytes, (uint64_t)text.len);
        cr_assert_eq(result.part_count, (size_t)0);
        cr_assert_not_null(result.manifest);
        mr_run_result_fini(&result);
        free(text.data);
    }
    scratch_remove(&fixture.scratch);
}

static int is_named(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

/* Reads all files of a directory but those that tell of the run, in order, names included. */
static void read_directory(const char *path, struct text *text) {
    struct dirent **names;
    char file[400];
    int count = scandir(path, &names, is_named, alphasort);
    cr_assert_geq(count, 1);
    for (int i = 0; i < count; i++) {
        if (names[i]->d_name[0] == 'p') {
            size_t len = strlen(names[i]->d_name);
            text->data = realloc(text->data, text->len + len + 65536);
            memcpy(text->data + text->len, names[i]->d_name, len);
            text->len += len;
            snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
            int fd = open(file, O_RDONLY | O_CLOEXEC);
            cr_assert_geq(fd, 0);
            struct text one = {0};
            read_all(fd, &one);
            close(fd);
            text->data = realloc(text->data, text->len + one.len + 1);
            memcpy(text->data + text->len, one.data, one.len);
            text->len += one.len;
            free(one.data);
        }
        free(names[i]);
    }
    free(names);
}

/* Promise 1, of every kind of job. */
Test(run, the_same_bytes_for_any_threads_and_memory) {
    static const struct mr_job *const jobs[] = {&count_job, &invert_job, &file_job};
    struct fixture fixture;
    setup(&fixture, LINES);
    for (size_t j = 0; j < 3; j++) {
        struct text first = {0};
        for (unsigned i = 0; i < 6; i++) {
            struct mr_run_result result;
            struct mr_error err = {0};
            struct text text = {0};
            struct mr_run_spec spec = spec_of(&fixture, jobs[j]);
            char output[100];
            snprintf(output, sizeof output, "%s/out-%zu-%u", fixture.scratch.path, j, i);
            spec.output = output;
            spec.partitions = 4;
            spec.threads = 1 + i % 3;
            spec.memory_bytes = (i < 3 ? 16 : 256) * MIB;
            cr_assert_eq(mr_run(&spec, &result, &err), 0, "%s", err.text);
            cr_assert_eq(result.part_count, (size_t)4);
            cr_assert_eq(result.counter_count, (size_t)(j == 1));
            mr_run_result_fini(&result);
            cr_assert_eq(mr_run_verify(output, &result, &err), 0, "%s", err.text);
            mr_run_result_fini(&result);
            read_directory(output, &text);
            if (i == 0) {
                first = text;
                cr_assert_gt(first.len, (size_t)WORDS);
            } else {
                cr_assert_eq(text.len, first.len);
                cr_assert_eq(memcmp(text.data, first.data, text.len), 0, "job %zu, run %u", j, i);
                free(text.data);
            }
        }
        free(first.data);
    }
    scratch_remove(&fixture.scratch);
}

/* ---- several at once ------------------------------------------------------------------------ */

struct run {
    const struct fixture *fixture;
    unsigned number;
    bool is_right;
    struct mr_error err;
};

static void *run_in_thread(void *arg) {
    struct run *run = arg;
    struct mr_run_result result;
    struct text text = {0};
    char output[100];
    int status;
    bool refuses = run->number % 3 == 2;
    struct mr_run_spec spec = spec_of(run->fixture, refuses ? &refuse_job : &count_job);
    spec.memory_bytes = 32 * MIB;
    if (run->number % 2) {
        snprintf(output, sizeof output, "%s/at-once-%u", run->fixture->scratch.path, run->number);
        spec.output = output;
        status = mr_run(&spec, &result, &run->err);
        run->is_right = refuses ? access(output, F_OK) != 0
                                : result.output_records == result.rounds[0].books.groups;
    } else {
        status = run_to_pipe(spec, &result, &run->err, &text);
        run->is_right = refuses || is_count(run->fixture, text);
    }
    run->is_right = run->is_right && status == (refuses ? MR_ERR_JOB : MR_OK);
    mr_run_result_fini(&result);
    free(text.data);
    return NULL;
}

Test(run, several_at_once) {
    struct fixture fixture;
    struct run runs[6];
    pthread_t threads[6];
    setup(&fixture, LINES);
    for (unsigned i = 0; i < 6; i++) {
        runs[i] = (struct run){.fixture = &fixture, .number = i};
        cr_assert_eq(pthread_create(&threads[i], NULL, run_in_thread, &runs[i]), 0);
    }
    for (unsigned i = 0; i < 6; i++) {
        pthread_join(threads[i], NULL);
    }
    for (unsigned i = 0; i < 6; i++) {
        cr_assert(runs[i].is_right, "run %u: %s", i, runs[i].err.text);
    }
    scratch_remove(&fixture.scratch);
}

/* ---- failures -------------------------------------------------------------------------------- */

static int count_entries(const char *path) {
    struct dirent **names;
    int count = scandir(path, &names, is_named, NULL);
    for (int i = 0; i < count; i++) {
        free(names[i]);
    }
    free(names);
    return count;
}

static int run_to_directory(const struct fixture *fixture, struct mr_run_spec spec,
                            struct mr_error *err) {
    struct mr_run_result result;
    char output[100];
    snprintf(output, sizeof output, "%s/out", fixture->scratch.path);
    spec.output = output;
    *err = (struct mr_error){0};
    int status = mr_run(&spec, &result, err);
    cr_assert_eq(status, err->code);
    mr_run_result_fini(&result);
    return status;
}

Test(run, leaves_nothing_where_it_fails) {
    static const size_t lines[] = {5000, LINES}; /* in the calling thread, and in others */
    for (size_t i = 0; i < 2; i++) {
        struct fixture fixture;
        struct mr_error err;
        atomic_bool stop = true;
        setup(&fixture, lines[i]);
        struct mr_run_spec spec = spec_of(&fixture, &refuse_job);
        cr_assert_eq(run_to_directory(&fixture, spec, &err), MR_ERR_JOB);
        cr_assert_not_null(strstr(err.text, "not this word"), "%s", err.text);
        cr_assert_not_null(strstr(err.text, fixture.input), "%s", err.text);
        spec.job = &count_job;
        spec.stop = &stop;
        cr_assert_eq(run_to_directory(&fixture, spec, &err), MR_ERR_INTERRUPTED);
        cr_assert_eq(count_entries(fixture.scratch.path), 1);
        spec.stop = NULL;
        cr_assert_eq(run_to_directory(&fixture, spec, &err), 0, "%s", err.text);
        cr_assert_eq(run_to_directory(&fixture, spec, &err), MR_ERR_USAGE);
        spec.overwrite = true;
        cr_assert_eq(run_to_directory(&fixture, spec, &err), 0, "%s", err.text);
        cr_assert_eq(count_entries(fixture.scratch.path), 2);
        scratch_remove(&fixture.scratch);
    }
}

Test(run, of_no_records) {
    struct fixture fixture;
    struct mr_run_result result;
    struct mr_error err = {0};
    struct text text = {0};
    setup(&fixture, 0);
    cr_assert_eq(run_to_pipe(spec_of(&fixture, &invert_job), &result, &err, &text), 0, "%s",
                 err.text);
    cr_assert_eq(text.len, (size_t)0);
    mr_run_result_fini(&result);
    free(text.data);
    scratch_remove(&fixture.scratch);
}

/* ---- watching -------------------------------------------------------------------------------- */

struct watcher {
    pthread_t thread;
    unsigned calls[2]; /* by phase */
    unsigned strange;
    uint64_t records;
    double seconds;
};

static void watch(void *arg, const struct mr_run_progress *progress) {
    struct watcher *watcher = arg;
    watcher->calls[progress->phase]++;
    watcher->strange += !pthread_equal(pthread_self(), watcher->thread);
    watcher->strange += progress->bytes_done > progress->bytes_total;
    watcher->strange += progress->seconds < watcher->seconds;
    watcher->strange += strcmp(progress->job, "count") != 0;
    watcher->strange += progress->records < watcher->records;
    watcher->records = progress->records;
    watcher->seconds = progress->seconds;
}

Test(run, tells_its_progress) {
    struct fixture fixture;
    struct mr_error err = {0};
    struct watcher watcher = {.thread = pthread_self()};
    setup(&fixture, LINES);
    struct mr_run_spec spec = spec_of(&fixture, &count_job);
    spec.progress = watch;
    spec.progress_arg = &watcher;
    cr_assert_eq(run_to_directory(&fixture, spec, &err), 0, "%s", err.text);
    cr_assert_eq(watcher.strange, 0u);
    cr_assert_geq(watcher.calls[MR_PHASE_REDUCE], 1u);
    cr_assert_eq(watcher.records, (uint64_t)LINES);
    scratch_remove(&fixture.scratch);
}

Test(run, finds_jobs) {
    const struct mr_job *job = NULL;
    struct mr_error err = {0};
    cr_assert_eq(mr_run_find_job("wordcount", &job, &err), 0);
    cr_assert_str_eq(job->name, "wordcount");
    cr_assert_eq(mr_run_find_job("wordcuont", &job, &err), MR_ERR_USAGE);
    cr_assert_not_null(strstr(err.text, "wordcount"), "%s", err.text);
    cr_assert_eq(mr_run_jobs()[0] != NULL, true);
}
