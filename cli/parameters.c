/* parameters: a job's parameters as command-line options. */
#include "cli/parameters.h"

#include "cli/commands.h"
#include "lib/base/error.h"

#include <stdlib.h>

static struct mr_option to_option(const struct mr_param *param) {
    struct mr_option option = {
        .name = param->name,
        .kind = param->kind == MR_PARAM_FLAG ? MR_OPTION_FLAG : MR_OPTION_TEXT,
        .metavar = param->metavar,
        .fallback = param->kind == MR_PARAM_FLAG ? NULL : param->fallback,
        .choices = param->kind == MR_PARAM_CHOICE ? param->choices : NULL,
        .help = param->help ? param->help : "",
    };
    if (!option.metavar && !option.choices && option.kind == MR_OPTION_TEXT) {
        option.metavar = param->kind == MR_PARAM_FILE  ? "FILE"
                         : param->kind == MR_PARAM_U64 ? "N"
                                                       : "TEXT";
    }
    return option;
}

int mr_parameters_rows(const struct mr_job *job, const struct mr_option *reserved,
                       struct mr_option **rows, struct mr_error *err) {
    size_t count = 0;
    while (job->params && job->params[count].name) {
        count++;
    }
    struct mr_option *made = calloc(count + 1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "listing the job's parameters");
    }
    reserved = reserved ? reserved : mr_run_command.options;
    size_t reserved_count = mr_options_count(reserved);
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (!mr_options_find(reserved, reserved_count, job->params[i].name)) {
            made[used++] = to_option(&job->params[i]);
        }
    }
    *rows = made;
    return 0;
}
