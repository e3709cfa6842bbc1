/* commands: the table of what comes behind `millrace`. */
#ifndef MR_CLI_COMMANDS_H
#define MR_CLI_COMMANDS_H

#include "lib/base/options.h"

#include <mr/status.h>
#include <stdbool.h>

/* What a command's operands are: for its help and for completion. */
enum mr_operands {
    MR_OPERANDS_NONE,
    MR_OPERANDS_COMMAND, /* the name of a command */
    MR_OPERANDS_RUN,     /* a job, then inputs */
    MR_OPERANDS_JOB,
    MR_OPERANDS_DIRECTORIES,
};

/* A command line, and what it is good for. */
struct mr_example {
    const char *line;
    const char *purpose;
};

/* One subcommand: the row from which dispatch, help, manual pages and completion are made. */
struct mr_command {
    const char *name;
    const char *usage; /* behind `millrace` */
    const char *summary;
    const char *text; /* paragraphs, one a line */
    const struct mr_option *options;
    const struct mr_example *examples; /* ended by a row without a line */
    enum mr_operands operands;
    bool hidden; /* from help, manual pages and completion */

    /* `args`: what stands behind the name, ended by NULL. Returns a status with its sentence, which
     * main says; none where the command has said it. */
    int (*main)(const struct mr_command *command, char **args, struct mr_error *err);
};

extern const struct mr_command mr_run_command;
extern const struct mr_command mr_explain_command;
extern const struct mr_command mr_simulate_command;
extern const struct mr_command mr_verify_command;
extern const struct mr_command mr_fsck_command;
extern const struct mr_command mr_secret_command;
extern const struct mr_command mr_jobs_command;
extern const struct mr_command mr_help_command;
extern const struct mr_command mr_version_command;
extern const struct mr_command mr_docs_command;
extern const struct mr_command mr_task_command;

/* All of them, ended by NULL; those on show come first. */
extern const struct mr_command *const mr_commands_table[];

/* Finds a command by what was typed, --help and --version included. NULL, or unknown: MR_ERR_USAGE
 * with the nearest name. */
MR_MUST_USE int mr_commands_find(const char *typed, const struct mr_command **command,
                                 struct mr_error *err);

/* The row that each command's table begins with. */
#define MR_COMMANDS_HELP_ROW                                                                       \
    { .name = "help", .letter = 'h', .kind = MR_OPTION_FLAG, .help = "Show this help and end." }

/* Reads the command line of a command with up to `most` operands: fills `values` (one a row of its
 * options, the first of which is MR_COMMANDS_HELP_ROW), and leaves in `args` the operands alone,
 * ended by NULL. Where --help was given, nothing is an error. */
MR_MUST_USE int mr_commands_parse(const struct mr_command *command, char **args, size_t most,
                                  struct mr_option_value *values, struct mr_error *err);

#endif
