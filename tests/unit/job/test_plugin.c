/* test_plugin: what a job's table must hold, and what is said of one that does not. */
#include "lib/job/plugin.h"

#include "tests/unit/test.h"

#include <stdint.h>
#include <string.h>

static int map(struct mr_ctx *ctx, void *state, struct mr_bytes record) {
    (void)ctx;
    (void)state;
    (void)record;
    return 0;
}

static int map_block(struct mr_ctx *ctx, void *state, struct mr_bytes block, uint64_t *records) {
    (void)ctx;
    (void)state;
    (void)block;
    *records = 0;
    return 0;
}

static int map_pair(struct mr_ctx *ctx, void *state, struct mr_bytes key, struct mr_bytes value) {
    (void)ctx;
    (void)state;
    (void)key;
    (void)value;
    return 0;
}

static int combine(struct mr_ctx *ctx, void *state, struct mr_bytes key, struct mr_bytes into,
                   struct mr_bytes value) {
    (void)into;
    return map_pair(ctx, state, key, value);
}

static int reduce_u64(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint64_t value) {
    (void)value;
    return map(ctx, state, key);
}

static int reduce_f64(struct mr_ctx *ctx, void *state, struct mr_bytes key, double value) {
    (void)value;
    return map(ctx, state, key);
}

/* The sentences about a job; "" where it is right. */
static const char *verdict(const struct mr_job *job) {
    static struct mr_error err;
    err = (struct mr_error){0};
    int status = mr_plugin_check(job, &err);
    cr_assert_eq(status, err.code);
    cr_assert(status == 0 || status == MR_ERR_JOB);
    return err.text;
}

static const char *verdict_of_rounds(const struct mr_round *rounds, uint32_t count) {
    struct mr_job job = {.abi = MR_JOB_ABI, .name = "job", .rounds = rounds, .round_count = count};
    return verdict(&job);
}

static const char *verdict_of_round(struct mr_round round) {
    round.name = "r";
    return verdict_of_rounds(&round, 1);
}

static const char *verdict_of_second_round(struct mr_round round) {
    const struct mr_round rounds[] = {{.name = "first", .map = map}, round};
    return verdict_of_rounds(rounds, 2);
}

static const char *verdict_of_params(const struct mr_param *params) {
    static const struct mr_round round = {.name = "r", .map = map};
    struct mr_job job = {
        .abi = MR_JOB_ABI, .name = "job", .params = params, .rounds = &round, .round_count = 1};
    return verdict(&job);
}

static const char *verdict_of_param(struct mr_param param) {
    const struct mr_param params[] = {param, {.name = NULL}};
    return verdict_of_params(params);
}

Test(plugin, reads_nothing_of_another_interface) {
    struct mr_job job = {.abi = MR_JOB_ABI + 1,
                         .name = (const char *)8}; /* a name that can't be read */
    cr_assert_str_eq(verdict(&job), "the job was built for interface version 3; this Millrace has "
                                    "2: build it again");
}

Test(plugin, accepts_right_tables) {
    const struct mr_round rounds[] = {
        {.name = "count",
         .map = map,
         .map_block = map_block,
         .value = MR_SUM_U64,
         .reduce_u64 = reduce_u64},
        {.name = "sum", .map_pair = map_pair, .value = MR_MAX_F64, .reduce_f64 = reduce_f64},
        {.name = "fold", .value = MR_COMBINED, .combine = combine},
        {.name = "top", .value = MR_FIRST},
    };
    cr_assert_str_eq(verdict_of_rounds(rounds, 4), "");
    const struct mr_param params[] = {
        {.name = "words", .kind = MR_PARAM_CHOICE, .choices = "a|b", .fallback = "b"},
        {.name = "one", .kind = MR_PARAM_CHOICE, .choices = "a"},
        {.name = "fold", .kind = MR_PARAM_FLAG},
        {.name = "min-count", .kind = MR_PARAM_U64, .fallback = "3", .least = 3},
        {.name = "title", .kind = MR_PARAM_TEXT, .fallback = ""},
        {.name = "side", .kind = MR_PARAM_FILE},
        {.name = NULL},
    };
    cr_assert_str_eq(verdict_of_params(params), "");
}

Test(plugin, wants_names_and_rounds) {
    struct mr_job job = {.abi = MR_JOB_ABI};
    cr_assert_str_eq(verdict(&job),
                     "the job's name is missing, or is not of letters, digits, '-', '_', '.'\n"
                     "the job has no rounds");
    const struct mr_round round = {.map = map};
    cr_assert_str_eq(verdict_of_rounds(&round, 1), "round 0 has no name");
    static const char *const wrong[] = {"", "a b", "a/b", "-a", ".a", "a\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const struct mr_round named = {.name = "r", .map = map};
        job = (struct mr_job){
            .abi = MR_JOB_ABI, .name = wrong[i], .rounds = &named, .round_count = 1};
        cr_assert_neq(verdict(&job)[0], '\0', "%s", wrong[i]);
    }
}

Test(plugin, wants_the_right_map) {
    cr_assert_str_eq(verdict_of_round((struct mr_round){0}),
                     "round 0: the first round reads the input and needs map or map_block");
    cr_assert_str_eq(verdict_of_round((struct mr_round){.map = map, .map_pair = map_pair}),
                     "round 0: map_pair is for later rounds, there is no round before the first");
    cr_assert_str_eq(
        verdict_of_second_round((struct mr_round){.name = "r", .map_block = map_block}),
        "round 1: map and map_block are for the first round; this one has pairs to "
        "read, by map_pair");
    cr_assert_str_eq(verdict_of_second_round((struct mr_round){.name = "r", .value = MR_MIN_I64}),
                     "round 1: MR_MIN_I64 needs map_pair: a pair's value is bytes, not a number");
}

Test(plugin, wants_callbacks_that_fit_the_values) {
    cr_assert_str_eq(verdict_of_round((struct mr_round){.map = map, .value = MR_COMBINED}),
                     "round 0: MR_COMBINED needs combine");
    cr_assert_str_eq(verdict_of_round((struct mr_round){.map = map, .combine = combine}),
                     "round 0: combine is for MR_COMBINED, not for MR_VALUES");
    cr_assert_str_eq(verdict_of_round((struct mr_round){
                         .map = map, .value = MR_SUM_U64, .reduce_f64 = reduce_f64}),
                     "round 0: reduce_f64 does not fit MR_SUM_U64");
    cr_assert_str_eq(verdict_of_round((struct mr_round){.map = map, .reduce_u64 = reduce_u64}),
                     "round 0: reduce_u64 does not fit MR_VALUES");
    cr_assert_str_eq(verdict_of_round((struct mr_round){.map = map, .value = (enum mr_value)99}),
                     "round 0: there is no value type 99");
}

Test(plugin, wants_parameters_that_can_be_given) {
    const struct mr_param twice[] = {{.name = "a"}, {.name = "b"}, {.name = "a"}, {.name = NULL}};
    cr_assert_str_eq(verdict_of_params(twice), "parameter --a stands twice in the table");
    cr_assert_str_eq(verdict_of_param((struct mr_param){.name = "--a"}),
                     "parameter 0: its name is not of letters, digits, '-', '_', '.'");
    cr_assert_str_eq(
        verdict_of_param((struct mr_param){.name = "a", .kind = (enum mr_param_kind)9}),
        "parameter --a: there is no kind 9");
    cr_assert_str_eq(verdict_of_param((struct mr_param){.name = "a", .fallback = "1"}),
                     "parameter --a: a flag is off, it has no default");
    cr_assert_str_eq(verdict_of_param((struct mr_param){
                         .name = "a", .kind = MR_PARAM_U64, .fallback = "2", .least = 3}),
                     "parameter --a: its default \"2\" is no value of its kind");
    cr_assert_str_eq(verdict_of_param((struct mr_param){
                         .name = "a", .kind = MR_PARAM_CHOICE, .choices = "x|y", .fallback = "z"}),
                     "parameter --a: its default \"z\" is no value of its kind");
    static const char *const wrong[] = {NULL, "", "|", "a|", "|a", "a||b"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_str_eq(verdict_of_param((struct mr_param){
                             .name = "a", .kind = MR_PARAM_CHOICE, .choices = wrong[i]}),
                         "parameter --a: its choices are not names with '|' between");
    }
}

Test(plugin, refuses_files_that_are_no_plugin) {
    const struct mr_job *job = NULL;
    struct mr_error err = {0};
    cr_assert_eq(mr_plugin_load("/nowhere/job.so", &job, &err), MR_ERR_INPUT);
    cr_assert_str_eq(err.text, "open plugin \"/nowhere/job.so\": No such file or directory");
    err = (struct mr_error){0};
    cr_assert_eq(mr_plugin_load("/", &job, &err), MR_ERR_INPUT);
    cr_assert_str_eq(err.text, "open plugin \"/\": not a regular file");
    err = (struct mr_error){0};
    cr_assert_eq(mr_plugin_load("/etc/passwd", &job, &err), MR_ERR_JOB);
    cr_assert_not_null(strstr(err.text, "load plugin \"/etc/passwd\": "));
    cr_assert_null(job);
}
