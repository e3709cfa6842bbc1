/* manifest_describe: what is known of a job when it is planned, for the manifest.
 *
 * One JSON object, whose members mr_manifest_finish puts where they belong. */
#include "lib/output/manifest.h"

#include "lib/base/hash.h"
#include "lib/output/draft.h"

#include <stdlib.h>
#include <string.h>

/* The content of a file, not its name. */
static json_t *make_file(struct mr_draft *draft, struct mr_bytes content) {
    json_t *object = json_object();
    mr_draft_put(draft, object, "bytes", mr_draft_u64(content.len));
    mr_draft_put(draft, object, "xxh3", mr_draft_xxh3(mr_hash_xxh3(content.data, content.len)));
    return object;
}

static json_t *make_parameter(struct mr_draft *draft, const struct mr_manifest_source *source,
                              const struct mr_param *param) {
    const struct mr_params *params = source->params;
    const char *text = mr_params_text(params, param->name);
    if (param->kind == MR_PARAM_FLAG) {
        return json_boolean(text != NULL);
    }
    if (!text) {
        return json_null();
    }
    switch (param->kind) {
    case MR_PARAM_U64:
        return mr_draft_u64(mr_params_u64(params, param->name));
    case MR_PARAM_FILE:
        return make_file(draft, mr_params_file(params, param->name));
    default:
        return mr_draft_text(draft, text);
    }
}

static json_t *make_parameters(struct mr_draft *draft, const struct mr_manifest_source *source) {
    json_t *object = json_object();
    const struct mr_param *param = source->job->params;
    for (; param && param->name; param++) {
        mr_draft_put(draft, object, param->name, make_parameter(draft, source, param));
    }
    return object;
}

static json_t *make_facts(struct mr_draft *draft, const struct mr_manifest_source *source) {
    json_t *object = json_object();
    const char *const *fact = source->facts;
    for (; fact && *fact; fact++) {
        size_t len = strcspn(*fact, "=");
        char *name = strndup(*fact, len);
        if (name) {
            mr_draft_put(draft, object, name,
                         mr_draft_text(draft, *fact + len + ((*fact)[len] ? 1 : 0)));
        }
        draft->is_short |= !name;
        free(name);
    }
    return object;
}

static json_t *make_inputs(struct mr_draft *draft, const struct mr_manifest_source *source) {
    const struct mr_inputs *inputs = source->inputs;
    json_t *array = json_array();
    for (size_t i = 0; i < inputs->count; i++) {
        const struct mr_input *item = &inputs->items[i];
        bool is_stream = item->kind == MR_INPUT_STREAM;
        json_t *input = json_object();
        mr_draft_put(draft, input, "path", mr_draft_text(draft, item->path));
        mr_draft_put(draft, input, "size", is_stream ? json_null() : mr_draft_u64(item->size));
        mr_draft_put(draft, input, "mtime", is_stream ? json_null() : mr_draft_time(&item->mtime));
        mr_draft_append(draft, array, input);
    }
    return array;
}

int mr_manifest_describe(const struct mr_manifest_source *source, char **description,
                         struct mr_error *err) {
    struct mr_draft draft = {.job = source->job->name};
    const char *output = source->spec->output;
    json_t *root = json_object();
    mr_draft_put(&draft, root, "format", json_integer(MR_MANIFEST_FORMAT));
    mr_draft_put(&draft, root, "job", mr_draft_text(&draft, source->job->name));
    mr_draft_put(&draft, root, "parameters", make_parameters(&draft, source));
    mr_draft_put(&draft, root, "facts", make_facts(&draft, source));
    mr_draft_put(&draft, root, "loops", json_boolean(source->loops));
    mr_draft_put(&draft, root, "partitions", mr_draft_u64(source->partitions));
    mr_draft_put(&draft, root, "id", mr_draft_text(&draft, source->id));
    mr_draft_put(&draft, root, "version", mr_draft_text(&draft, source->version));
    mr_draft_put(&draft, root, "started", mr_draft_time(&source->started));
    mr_draft_put(&draft, root, "output", output ? mr_draft_text(&draft, output) : json_null());
    mr_draft_put(&draft, root, "inputs", make_inputs(&draft, source));
    int status = mr_draft_print(&draft, root, JSON_COMPACT, description, err);
    json_decref(root);
    return status;
}
