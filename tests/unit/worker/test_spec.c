/* test_spec: a job's description comes back as it was; what makes no sense is refused. */
#include "lib/worker/spec.h"

#include "tests/unit/test.h"
#include <stdlib.h>

static const struct mr_spec_param params[] = {
    {.name = "fold"},
    {.name = "stop", .value = "/words", .is_file = 1, .file_high = 1, .file_low = UINT64_MAX}};
static const struct mr_spec_round rounds[] = {{"count", 4}, {"best", 1}};
static const struct mr_spec_input inputs[] = {{"/data/a", 0, 10, 1, 2, 3},
                                              {"/data/b", 2, 5, 1, 0, 4}};
static const struct mr_spec_split splits[] = {{0, 0, 5}, {0, 5, 10}, {1, 0, UINT64_MAX}};

static struct mr_spec example(void) {
    return (struct mr_spec){.version = "1",
                            .job = "wordcount",
                            .label = "wordcount logs",
                            .params = params,
                            .params_count = 2,
                            .rounds = rounds,
                            .rounds_count = 2,
                            .inputs = inputs,
                            .inputs_count = 2,
                            .splits = splits,
                            .splits_count = 3,
                            .max_attempts = 4,
                            .output = "/out",
                            .manifest = {"{}", 2}};
}

static int encode_and_decode(const struct mr_spec *spec, struct mr_spec *got,
                             struct mr_layout_held *held, struct mr_buffer *bytes) {
    struct mr_error err = {0};
    cr_assert_eq(mr_spec_encode(spec, bytes, &err), 0, "%s", err.text);
    int status = mr_spec_decode((struct mr_bytes){bytes->data, bytes->len}, got, held, &err);
    cr_assert(!status || err.text[0]);
    return status;
}

Test(spec, comes_back) {
    struct mr_spec spec = example();
    struct mr_spec got;
    struct mr_layout_held held;
    struct mr_buffer bytes = {0};
    cr_assert_eq(encode_and_decode(&spec, &got, &held, &bytes), 0);
    cr_assert_str_eq(got.job, "wordcount");
    cr_assert(got.params_count == 2 && !got.params[0].value &&
              got.params[1].file_low == UINT64_MAX);
    cr_assert(got.rounds_count == 2 && got.rounds[1].partitions == 1);
    cr_assert(got.inputs_count == 2 && got.inputs[1].inode == 4);
    cr_assert(got.splits_count == 3 && got.splits[2].end == UINT64_MAX);
    cr_assert(got.manifest.len == 2 && memcmp(got.manifest.data, "{}", 2) == 0);
    mr_layout_release(&held);
    mr_buffer_fini(&bytes);
}

Test(spec, what_makes_no_sense_is_refused) {
    static const struct mr_spec_split outside[] = {{2, 0, 5}};
    static const struct mr_spec_split backwards[] = {{0, 5, 4}};
    static const struct mr_spec_round empty[] = {{"count", 0}};
    static const struct mr_spec_input relative[] = {{"data", 0, 10, 1, 2, 3},
                                                    {"/data/b", 2, 5, 1, 0, 4}};
    struct mr_spec bad[8];
    for (size_t i = 0; i < 8; i++) {
        bad[i] = example();
    }
    bad[0].splits = outside;
    bad[0].splits_count = 1;
    bad[1].splits = backwards;
    bad[1].splits_count = 1;
    bad[2].rounds = empty;
    bad[2].rounds_count = 1;
    bad[3].inputs = relative;
    bad[4].output = "out";
    bad[5].job = NULL;
    bad[6].splits_count = 0;
    bad[7].max_attempts = 0;
    for (size_t i = 0; i < 8; i++) {
        struct mr_spec got;
        struct mr_layout_held held;
        struct mr_buffer bytes = {0};
        cr_assert_eq(encode_and_decode(&bad[i], &got, &held, &bytes), MR_ERR_IO, "%zu", i);
        mr_layout_release(&held);
        mr_buffer_fini(&bytes);
    }
}

/* More than a control message may hold. */
Test(spec, may_be_long) {
    enum { COUNT = 100000 };
    struct mr_spec spec = example();
    struct mr_spec_split *many = calloc(COUNT, sizeof *many);
    struct mr_spec got;
    struct mr_layout_held held;
    struct mr_buffer bytes = {0};
    cr_assert(many);
    for (uint64_t i = 0; i < COUNT; i++) {
        many[i] = (struct mr_spec_split){0, i << 40, (i + 1) << 40};
    }
    spec.splits = many;
    spec.splits_count = COUNT;
    cr_assert_eq(encode_and_decode(&spec, &got, &held, &bytes), 0);
    cr_assert(bytes.len > (1 << 20) && got.splits_count == COUNT);
    cr_assert(got.splits[COUNT - 1].end == (uint64_t)COUNT << 40);
    mr_layout_release(&held);
    mr_buffer_fini(&bytes);
    free(many);
}
