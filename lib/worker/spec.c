/* spec: a job as it was submitted: all that master and workers need to know to have it done. */
#include "lib/worker/spec.h"

#include "lib/base/error.h"
#include "lib/net/message.h"

#define ROW_LAYOUT(row, NAME)                                                                      \
    static const struct mr_layout_field fields_##row[] = {MR_SPEC_##NAME##_FIELDS(                 \
        mr_spec_##row, MR_LAYOUT_N, MR_LAYOUT_T, MR_LAYOUT_B, MR_LAYOUT_R)};                       \
    static const struct mr_layout row_##row = {#row, sizeof(struct mr_spec_##row), fields_##row,   \
                                               MR_LAYOUT_COUNT(fields_##row)};
MR_SPEC_ROW_TABLE(ROW_LAYOUT)

static const struct mr_layout_field fields[] = {
    MR_SPEC_FIELDS(mr_spec, MR_LAYOUT_N, MR_LAYOUT_T, MR_LAYOUT_B, MR_LAYOUT_R)};
static const struct mr_layout layout = {"job", sizeof(struct mr_spec), fields,
                                        MR_LAYOUT_COUNT(fields)};

int mr_spec_encode(const struct mr_spec *spec, struct mr_buffer *bytes, struct mr_error *err) {
    struct mr_message *message = mr_message_create();
    struct mr_bytes body;
    if (!message) {
        return mr_error_nomem(err, "describing a job");
    }
    if (!mr_layout_put(&layout, spec, message, err) &&
        !mr_message_body_within(message, MR_SPEC_BYTES_MAX, &body, err)) {
        (void)!mr_buffer_append(bytes, body.data, body.len, err);
    }
    mr_message_destroy(message);
    return err->code;
}

static int refuse(const char *why, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_IO, "the description of a job is malformed: %s", why);
}

static int check(const struct mr_spec *spec, struct mr_error *err) {
    if (!spec->version || !spec->job || !*spec->job || !spec->label) {
        return refuse("it has no name", err);
    }
    if (spec->rounds_count == 0 || spec->splits_count == 0 || spec->max_attempts == 0) {
        return refuse("it has no rounds, no tasks or no attempts", err);
    }
    for (size_t i = 0; i < spec->rounds_count; i++) {
        if (!spec->rounds[i].name || spec->rounds[i].partitions == 0) {
            return refuse("a round has no partitions", err);
        }
    }
    for (size_t i = 0; i < spec->params_count; i++) {
        if (!spec->params[i].name || (spec->params[i].is_file && !spec->params[i].value)) {
            return refuse("a parameter has no name", err);
        }
    }
    for (size_t i = 0; i < spec->inputs_count; i++) {
        if (!spec->inputs[i].path || spec->inputs[i].path[0] != '/') {
            return refuse("an input's path is not absolute", err);
        }
    }
    for (size_t i = 0; i < spec->splits_count; i++) {
        const struct mr_spec_split *split = &spec->splits[i];
        if (split->input >= spec->inputs_count || split->begin > split->end) {
            return refuse("a split lies in no input", err);
        }
    }
    return !spec->output || spec->output[0] == '/' ? MR_OK
                                                   : refuse("its output is not absolute", err);
}

int mr_spec_decode(struct mr_bytes bytes, struct mr_spec *spec, struct mr_layout_held *held,
                   struct mr_error *err) {
    return mr_layout_get(&layout, bytes, MR_SPEC_BYTES_MAX, spec, held, err) ? err->code
                                                                             : check(spec, err);
}
