/* test_manifest: the text of a manifest, and what is read back of it. */
#include "lib/output/manifest.h"
#include "lib/output/manifest_read.h"

#include "lib/base/hash.h"
#include "lib/output/tree.h"
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID "0123456789abcdef0123456789abcdef"

/* ---- a job that uses all there is ---- */

static const struct mr_param declared[] = {
    {.name = "fold", .kind = MR_PARAM_FLAG},
    {.name = "quiet", .kind = MR_PARAM_FLAG},
    {.name = "top", .kind = MR_PARAM_U64, .fallback = "0"},
    {.name = "words", .kind = MR_PARAM_CHOICE, .fallback = "letters", .choices = "letters|unicode"},
    {.name = "title", .kind = MR_PARAM_TEXT},
    {.name = "stopwords", .kind = MR_PARAM_FILE},
    {.name = "other", .kind = MR_PARAM_FILE},
    {.name = NULL},
};
static const struct mr_round rounds[] = {{.name = "count", .value = MR_SUM_U64}, {.name = "top"}};
static const struct mr_job job = {.abi = MR_JOB_ABI,
                                  .name = "wordcount",
                                  .summary = "counts words",
                                  .params = declared,
                                  .rounds = rounds,
                                  .round_count = 2};

static char stopwords[] = "/tmp/millrace-manifest-XXXXXX";

static struct mr_params *make_params(const char *title) {
    struct mr_error err = {0};
    struct mr_params *params = NULL;
    memcpy(stopwords + sizeof stopwords - 7, "XXXXXX", 6);
    int fd = mkstemp(stopwords);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, "the\nof\n", 7), 7);
    close(fd);
    const struct mr_run_param given[] = {
        {"fold", NULL}, {"top", "020"}, {"stopwords", stopwords}, {"title", title}};
    struct mr_params_source source = {.job = &job, .given = given, .count = 4};
    cr_assert_eq(mr_params_create(&source, &params, &err), 0, "%s", err.text);
    unlink(stopwords);
    return params;
}

static struct mr_run_round run_rounds[] = {
    {.name = "count",
     .books = {.records_read = 10,
               .records_mapped = 9,
               .records_skipped = 1,
               .pairs_emitted = 40,
               .pairs_combined = 30,
               .pairs_shuffled = 10,
               .bytes_spilled = UINT64_MAX},
     .map = {.seconds = 1.5, .thread_seconds = 2.75, .wait_seconds = 0.25, .bytes = 500},
     .reduce = {.seconds = 0.5}},
    {.name = "top"},
};
static struct mr_run_part run_parts[] = {{.records = 3, .bytes = 30, .xxh3 = 0xabc},
                                         {.records = UINT64_MAX, .bytes = 0, .xxh3 = UINT64_MAX}};
static struct mr_run_counter counters[] = {{"zeta", 2}, {"invalid_bytes", 7}};
static struct mr_input items[] = {
    {.path = "logs/a.txt", .size = 500, .mtime = {.tv_sec = 86400, .tv_nsec = 5}},
    {.path = "odd\xff.txt", .size = 1},
    {.path = "-", .kind = MR_INPUT_STREAM, .size = 3},
};
static const char *const facts[] = {"unicode=15.0.0", "bare", NULL};

static const struct mr_inputs inputs = {.items = items, .count = 3};
static const struct mr_run_spec spec = {.output = "counts"};
static const struct mr_run_result result = {.rounds = run_rounds,
                                            .round_count = 2,
                                            .parts = run_parts,
                                            .part_count = 2,
                                            .counters = counters,
                                            .counter_count = 2,
                                            .input_bytes = 501,
                                            .output_bytes = 30,
                                            .output_records = 3,
                                            .threads = 2,
                                            .memory_bytes = 1 << 20,
                                            .peak_rss_bytes = 1 << 19,
                                            .seconds = 2.125};

static struct mr_manifest_source make_source(const struct mr_params *params) {
    struct mr_manifest_source source = {.job = &job,
                                        .params = params,
                                        .facts = facts,
                                        .partitions = 2,
                                        .inputs = &inputs,
                                        .spec = &spec,
                                        .result = &result,
                                        .id = ID,
                                        .version = "1.2.3",
                                        .started = {.tv_sec = 1, .tv_nsec = 500000000}};
    return source;
}

static char *write_manifest(const char *title) {
    struct mr_error err = {0};
    struct mr_params *params = make_params(title);
    struct mr_manifest_source source = make_source(params);
    char *json = NULL;
    cr_assert_eq(mr_manifest_write(&source, &json, &err), 0, "%s", err.text);
    mr_params_destroy(params);
    return json;
}

static bool has(const char *json, const char *text) {
    return strstr(json, text) != NULL;
}

static const char expected_start[] = "{\n"
                                     "  \"format\": 1,\n"
                                     "  \"result\": {\n"
                                     "    \"job\": \"wordcount\",\n"
                                     "    \"parameters\": {\n"
                                     "      \"fold\": true,\n"
                                     "      \"quiet\": false,\n"
                                     "      \"top\": 20,\n"
                                     "      \"words\": \"letters\",\n"
                                     "      \"title\": \"caf\xc3\xa9\",\n"
                                     "      \"stopwords\": {\n"
                                     "        \"bytes\": 7,\n"
                                     "        \"xxh3\": \"";
static const char expected_rest[] = "\"\n"
                                    "      },\n"
                                    "      \"other\": null\n"
                                    "    },\n"
                                    "    \"facts\": {\n"
                                    "      \"unicode\": \"15.0.0\",\n"
                                    "      \"bare\": \"\"\n"
                                    "    },\n"
                                    "    \"rounds\": [\n"
                                    "      {\n"
                                    "        \"name\": \"count\",\n"
                                    "        \"counters\": {\n"
                                    "          \"records_read\": 10,\n"
                                    "          \"records_mapped\": 9,\n"
                                    "          \"records_skipped\": 1,\n"
                                    "          \"pairs_emitted\": 40,\n"
                                    "          \"groups\": 0,\n";

Test(manifest, reads_well) {
    char *json = write_manifest("caf\xc3\xa9");
    char hash[32];
    size_t start_len = strlen(expected_start);
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)mr_hash_xxh3("the\nof\n", 7));
    cr_assert(strncmp(json, expected_start, start_len) == 0, "%s", json);
    cr_assert(strncmp(json + start_len, hash, 16) == 0);
    cr_assert(strncmp(json + start_len + 16, expected_rest, strlen(expected_rest)) == 0);
    cr_assert(
        has(json, "    \"counters\": {\n      \"invalid_bytes\": 7,\n      \"zeta\": 2\n    }"));
    cr_assert(has(json, "        \"name\": \"part-00001\",\n"
                        "        \"records\": \"18446744073709551615\",\n"
                        "        \"bytes\": 0,\n"
                        "        \"xxh3\": \"ffffffffffffffff\"\n"));
    cr_assert(
        has(json, "\"started\": \"1970-01-01T00:00:01.500000000Z\",\n    \"seconds\": 2.125,"));
    cr_assert(has(json, "\"path\": \"logs/a.txt\",\n        \"size\": 500,\n"
                        "        \"mtime\": \"1970-01-02T00:00:00.000000005Z\"\n"));
    cr_assert(has(json, "\"path\": {\n          \"hex\": \"6f6464ff2e747874\"\n"));
    cr_assert(has(json, "\"path\": \"-\",\n        \"size\": null,\n        \"mtime\": null\n"));
    cr_assert(has(json, "\"bytes_spilled\": \"18446744073709551615\""));
    cr_assert(has(json, "\"thread_seconds\": 2.75,"));
    cr_assert_eq(json[strlen(json) - 2], '}');
    cr_assert_eq(json[strlen(json) - 1], '\n');
    cr_assert(!has(json, stopwords)); /* the path is nobody's business */
    free(json);
}

/* The bytes of `result`, between its key and that of `run`. */
static char *cut_result(char *json) {
    char *start = strstr(json, "\"result\"");
    char *end = strstr(json, "\n  \"run\"");
    cr_assert_not_null(start);
    cr_assert_not_null(end);
    *end = '\0';
    return start;
}

Test(manifest, has_one_result_for_all_machines) {
    char *one = write_manifest("x");
    counters[0] = (struct mr_run_counter){"invalid_bytes", 7};
    counters[1] = (struct mr_run_counter){"zeta", 2};
    run_rounds[0].books.pairs_combined = 0;
    run_rounds[0].map.seconds = 99;
    char *two = write_manifest("x");
    cr_assert(strcmp(one, two) != 0);
    cr_assert_str_eq(cut_result(one), cut_result(two));
    free(one);
    free(two);
}

Test(manifest, keeps_text_of_any_bytes) {
    static const char *const odd[] = {"\x80",
                                      "a\xc3",
                                      "\xc0\x80",
                                      "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xe0\x80\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xff"};
    static const char *const fine[] = {
        "", "\xc2\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char *json = write_manifest(odd[i]);
        cr_assert(has(json, "\"title\": {\n        \"hex\": \""), "%zu", i);
        free(json);
    }
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        char *json = write_manifest(fine[i]);
        cr_assert(has(json, "\"title\": \""), "%zu", i);
        free(json);
    }
}

Test(manifest, of_a_stream_has_no_parts) {
    struct mr_error err = {0};
    struct mr_params *params = make_params("x");
    struct mr_manifest_source source = make_source(params);
    struct mr_run_result none = {.seconds = 0};
    struct mr_run_spec to_stream = {.output_fd = 1};
    struct mr_run_part *parts = NULL;
    size_t count = 9;
    char *json = NULL;
    source.result = &none;
    source.spec = &to_stream;
    source.facts = NULL;
    cr_assert_eq(mr_manifest_write(&source, &json, &err), 0);
    cr_assert(has(json, "\"parts\": []"));
    cr_assert(has(json, "\"facts\": {},"));
    cr_assert(has(json, "\"output\": null,"));
    cr_assert_eq(mr_manifest_read_text(json, strlen(json), &parts, &count, &err), 0);
    cr_assert_eq(count, 0u);
    cr_assert_null(parts);
    free(json);
    mr_params_destroy(params);
}

Test(manifest, refuses_names_that_are_no_keys) {
    static const char *const odd_facts[] = {"caf\xe9=1", NULL};
    struct mr_error err = {0};
    struct mr_params *params = make_params("x");
    struct mr_manifest_source source = make_source(params);
    char *json = NULL;
    source.facts = odd_facts;
    cr_assert_eq(mr_manifest_write(&source, &json, &err), MR_ERR_JOB);
    cr_assert_null(json);
    mr_params_destroy(params);
}

Test(manifest, is_made_of_its_halves) {
    struct mr_error err = {0};
    struct mr_params *params = make_params("caf\xe9 \x01");
    struct mr_manifest_source source = make_source(params);
    char *whole = NULL;
    char *description = NULL;
    char *json = NULL;
    source.loops = true;
    cr_assert_eq(mr_manifest_write(&source, &whole, &err), 0, "%s", err.text);
    source.result = NULL;
    cr_assert_eq(mr_manifest_describe(&source, &description, &err), 0, "%s", err.text);
    mr_params_destroy(params);
    cr_assert_eq(mr_manifest_finish(description, &result, &json, &err), 0, "%s", err.text);
    cr_assert_str_eq(json, whole);
    cr_assert(has(json, "\"loop\": {"));
    free(json);
    free(description);
    free(whole);
}

Test(manifest, refuses_a_description_that_is_none) {
    static const char *const wrong[] = {
        "",
        "[]",
        "{\"format\": 1}",
        "{\"format\": 1, \"job\": \"j\", \"parameters\": 1, \"facts\": {}, \"loops\": false, "
        "\"partitions\": 1, \"id\": \"i\", \"version\": \"1\", \"started\": \"\", \"output\": "
        "null, "
        "\"inputs\": []}",
        "{\"format\": 2, \"job\": \"j\", \"parameters\": {}, \"facts\": {}, \"loops\": false, "
        "\"partitions\": 1, \"id\": \"i\", \"version\": \"1\", \"started\": \"\", \"output\": "
        "null, "
        "\"inputs\": []}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct mr_error err = {0};
        char *json = NULL;
        cr_assert_eq(mr_manifest_finish(wrong[i], &result, &json, &err), MR_ERR_INPUT, "%zu", i);
        cr_assert_null(json);
    }
}

Test(manifest, is_read_back) {
    struct mr_error err = {0};
    struct mr_run_part *parts = NULL;
    size_t count = 0;
    char *json = write_manifest("x");
    cr_assert_eq(mr_manifest_read_text(json, strlen(json), &parts, &count, &err), 0, "%s",
                 err.text);
    cr_assert_eq(count, 2u);
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(parts[i].records, run_parts[i].records);
        cr_assert_eq(parts[i].bytes, run_parts[i].bytes);
        cr_assert_eq(parts[i].xxh3, run_parts[i].xxh3);
    }
    free(parts);
    for (size_t len = 0; len + 2 < strlen(json); len++) { /* cut anywhere, it is none */
        err = (struct mr_error){0};
        cr_assert_eq(mr_manifest_read_text(json, len, &parts, &count, &err), MR_ERR_INPUT, "%zu",
                     len);
    }
    free(json);
}

#define PART(name, records, bytes, xxh3)                                                           \
    "{\"format\":1,\"result\":{\"parts\":[{\"name\":" name ",\"records\":" records                 \
    ",\"bytes\":" bytes ",\"xxh3\":" xxh3 "}]}}"
#define HASH "\"0123456789abcdef\""

/* Texts that are no manifest, and the words for it. */
static const struct {
    const char *text;
    const char *words;
} hostile[] = {
    {"", "line 1, column 0: it isn't JSON"},
    {"nonsense", "line 1, column 8: it isn't JSON"},
    {"{\"format\":1,\"format\":1}", "line 1, column 20: it isn't JSON"},
    {"[]", "it is no manifest of Millrace's"},
    {"{}", "it is no manifest of Millrace's"},
    {"{\"format\":\"1\"}", "it is no manifest of Millrace's"},
    {"{\"format\":-1}", "it is no manifest of Millrace's"},
    {"{\"format\":2}", "its format is 2, and this version reads 1"},
    {"{\"format\":1}", "it has no list of parts"},
    {"{\"format\":1,\"result\":[]}", "it has no list of parts"},
    {"{\"format\":1,\"result\":{\"parts\":{}}}", "it has no list of parts"},
    {"{\"format\":1,\"result\":{\"parts\":[7]}}", "part 0 of its list is malformed"},
    {PART("\"part-00001\"", "1", "1", HASH), "part 0 of its list is malformed"},
    {PART("\"../../etc/passwd\"", "1", "1", HASH), "part 0 of its list is malformed"},
    {PART("null", "1", "1", HASH), "part 0 of its list is malformed"},
    {PART("\"part-00000\"", "-1", "1", HASH), "part 0 of its list is malformed"},
    {PART("\"part-00000\"", "1.5", "1", HASH), "part 0 of its list is malformed"},
    {PART("\"part-00000\"", "1", "\"18446744073709551616\"", HASH),
     "part 0 of its list is malformed"},
    {PART("\"part-00000\"", "1", "1", "\"0123456789ABCDEF\""), "part 0 of its list is malformed"},
    {PART("\"part-00000\"", "1", "1", "\"0123456789abcdef0\""), "part 0 of its list is malformed"},
    {PART("\"part-00000\"", "1", "1", "7"), "part 0 of its list is malformed"},
};

Test(manifest, refuses_hostile_text) {
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        struct mr_error err = {0};
        struct mr_run_part *parts = NULL;
        size_t count = 0;
        const char *text = hostile[i].text;
        cr_assert_eq(mr_manifest_read_text(text, strlen(text), &parts, &count, &err), MR_ERR_INPUT);
        cr_assert_str_eq(err.text, hostile[i].words);
        cr_assert_null(parts);
    }
    struct mr_error err = {0};
    struct mr_run_part *parts = NULL;
    size_t count = 0;
    const char *good = PART("\"part-00000\"", "1", "\"1\"", HASH);
    cr_assert_eq(mr_manifest_read_text(good, strlen(good), &parts, &count, &err), 0);
    free(parts);
}

Test(manifest, survives_depth) {
    struct mr_error err = {0};
    struct mr_run_part *parts = NULL;
    size_t count = 0;
    size_t len = 1 << 20;
    char *deep = malloc(len);
    cr_assert_not_null(deep);
    memset(deep, '[', len);
    cr_assert_eq(mr_manifest_read_text(deep, len, &parts, &count, &err), MR_ERR_INPUT);
    free(deep);
}

static int try_read(const char *dir, struct mr_error *err) {
    struct mr_run_part *parts = NULL;
    size_t count = 0;
    *err = (struct mr_error){0};
    int status = mr_manifest_read(dir, &parts, &count, err);
    free(parts);
    return status;
}

Test(manifest, is_a_file_in_the_directory) {
    struct mr_error err = {0};
    char dir[] = "/tmp/millrace-manifest-XXXXXX";
    char wanted[256];
    cr_assert_eq(try_read("/nowhere/counts", &err), MR_ERR_INPUT);
    cr_assert_str_eq(err.text, "open \"/nowhere/counts\": No such file or directory");
    cr_assert_not_null(mkdtemp(dir));
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_eq(try_read(dir, &err), MR_ERR_INPUT);
    snprintf(wanted, sizeof wanted, "\"%s\" is no output of Millrace: it holds no _manifest.json",
             dir);
    cr_assert_str_eq(err.text, wanted);

    cr_assert_eq(mkfifoat(dir_fd, "_manifest.json", 0600), 0);
    cr_assert_eq(try_read(dir, &err), MR_ERR_INPUT); /* and waits for nobody */
    cr_assert_eq(unlinkat(dir_fd, "_manifest.json", 0), 0);
    cr_assert_eq(symlinkat("/etc/passwd", dir_fd, "_manifest.json"), 0);
    cr_assert_eq(try_read(dir, &err), MR_ERR_INPUT);
    cr_assert_eq(unlinkat(dir_fd, "_manifest.json", 0), 0);

    int fd = openat(dir_fd, "_manifest.json", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_eq(try_read(dir, &err), MR_ERR_INPUT); /* empty */
    cr_assert_eq(write(fd, "{}\n", 3), 3);
    cr_assert_eq(try_read(dir, &err), MR_ERR_INPUT);
    snprintf(wanted, sizeof wanted, "it is no manifest of Millrace's (in \"%s/_manifest.json\")",
             dir);
    cr_assert_str_eq(err.text, wanted);
    cr_assert_eq(ftruncate(fd, (off_t)MR_MANIFEST_READ_BYTES_MAX + 1), 0); /* sparse */
    cr_assert_eq(try_read(dir, &err), MR_ERR_INPUT);
    cr_assert_not_null(strstr(err.text, "larger than 256 MiB"));
    close(fd);
    close(dir_fd);
    err = (struct mr_error){0};
    cr_assert_eq(mr_tree_remove(AT_FDCWD, dir, &err), 0);
}
