/* commands: the table of what comes behind `millrace`. */
#include "cli/commands.h"

#include "lib/base/error.h"
#include "lib/base/nearest.h"

#include <mr/run.h>
#include <string.h>

const struct mr_command *const mr_commands_table[] = {
    &mr_run_command,
    &mr_explain_command,
    &mr_simulate_command,
    &mr_verify_command,
    &mr_fsck_command,
    &mr_jobs_command,
    &mr_submit_command,
    &mr_wait_command,
    &mr_status_command,
    &mr_logs_command,
    &mr_cancel_command,
    &mr_nodes_command,
    &mr_drain_command,
    &mr_cluster_command,
    &mr_master_command,
    &mr_mapper_command,
    &mr_reducer_command,
    &mr_secret_command,
    &mr_help_command,
    &mr_version_command,
    &mr_docs_command,
    &mr_task_command,
    NULL,
};

#define COMMANDS_MAX 32

static const struct {
    const char *typed;
    const struct mr_command *command;
} aliases[] = {
    {"--help", &mr_help_command},
    {"-h", &mr_help_command},
    {"--version", &mr_version_command},
    {"-V", &mr_version_command},
};

static int fail_unknown(const char *typed, struct mr_error *err) {
    const char *names[COMMANDS_MAX];
    size_t count = 0;
    for (size_t i = 0; mr_commands_table[i] && count < COMMANDS_MAX; i++) {
        if (!mr_commands_table[i]->hidden) {
            names[count++] = mr_commands_table[i]->name;
        }
    }
    bool dashed = typed[0] == '-';
    mr_error_set(err, MR_ERR_USAGE, "unknown %s %s%.200s%s", dashed ? "option" : "command",
                 dashed ? "" : "\"", typed, dashed ? "" : "\"");
    for (const struct mr_job *const *job = mr_run_jobs(); *job; job++) {
        if (strcmp((*job)->name, typed) == 0) {
            return mr_error_add(err, ": did you mean millrace run %s?", typed);
        }
    }
    const char *near = mr_nearest(typed + strspn(typed, "-"), names, count);
    if (near) {
        bool option = dashed && (strcmp(near, "help") == 0 || strcmp(near, "version") == 0);
        mr_error_add(err, ": did you mean %s%s?", option ? "--" : "", near);
    }
    return MR_ERR_USAGE;
}

int mr_commands_find(const char *typed, const struct mr_command **command, struct mr_error *err) {
    if (!typed) {
        return mr_error_set(
            err, MR_ERR_USAGE,
            "no command: run, explain, verify, jobs, submit, status or cluster? `millrace "
            "--help` lists them all");
    }
    for (size_t i = 0; mr_commands_table[i]; i++) {
        if (strcmp(mr_commands_table[i]->name, typed) == 0) {
            *command = mr_commands_table[i];
            return 0;
        }
    }
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        if (strcmp(aliases[i].typed, typed) == 0) {
            *command = aliases[i].command;
            return 0;
        }
    }
    return fail_unknown(typed, err);
}

const struct mr_option_value *mr_commands_value(const struct mr_command *command,
                                                const struct mr_option_value *values,
                                                const char *name) {
    static const struct mr_option_value none;
    size_t count = mr_options_count(command->options);
    const struct mr_option *row = mr_options_find(command->options, count, name);
    return row ? &values[row - command->options] : &none;
}

int mr_commands_parse(const struct mr_command *command, char **args, size_t most,
                      struct mr_option_value *values, struct mr_error *err) {
    struct mr_options options = {.rows = command->options,
                                 .values = values,
                                 .count = mr_options_count(command->options),
                                 .args = args};
    size_t count = 0;
    const char *operand;
    int status;
    while ((status = mr_options_next(&options, &operand, err)) == 1) {
        if (count == most) {
            status = mr_error_set(err, MR_ERR_USAGE, "too much: \"%.200s\"", operand);
            break;
        }
        args[count++] = options.args[-1]; /* what has been read makes room */
    }
    args[count] = NULL;
    return values[0].given ? 0 : status;
}
