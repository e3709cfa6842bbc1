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
extern const struct mr_command mr_submit_command;
extern const struct mr_command mr_wait_command;
extern const struct mr_command mr_status_command;
extern const struct mr_command mr_logs_command;
extern const struct mr_command mr_cancel_command;
extern const struct mr_command mr_nodes_command;
extern const struct mr_command mr_drain_command;
extern const struct mr_command mr_cluster_command;
extern const struct mr_command mr_master_command;
extern const struct mr_command mr_mapper_command;
extern const struct mr_command mr_reducer_command;
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

/* The rows that every command has which asks a master. */
#define MR_COMMANDS_MASTER_ROW                                                                     \
    {                                                                                              \
        .name = "master", .kind = MR_OPTION_TEXT, .metavar = "HOST:PORT",                          \
        .fallback = "$MILLRACE_MASTER, else 127.0.0.1:7077", .help = "Ask the master there."       \
    }
#define MR_COMMANDS_SECRET_ROW                                                                     \
    {                                                                                              \
        .name = "secret", .kind = MR_OPTION_TEXT, .metavar = "FILE",                               \
        .fallback = "$MILLRACE_SECRET, else that of your own daemons on this machine",             \
        .help = "Use the cluster's secret in FILE."                                                \
    }
#define MR_COMMANDS_CONNECT_ROW                                                                    \
    {                                                                                              \
        .name = "connect-timeout", .kind = MR_OPTION_U64, .metavar = "SECONDS", .fallback = "30",  \
        .most = 1000000,                                                                           \
        .help = "Wait so long for a master that is away, and go on when it is "                    \
                "back."                                                                            \
    }
#define MR_COMMANDS_JSON_ROW                                                                       \
    { .name = "json", .kind = MR_OPTION_FLAG, .help = "Print JSON, for machines." }

/* What was given for an option of a command, by its name; nothing where it has no such option. */
const struct mr_option_value *mr_commands_value(const struct mr_command *command,
                                                const struct mr_option_value *values,
                                                const char *name);

/* Reads the command line of a command with up to `most` operands: fills `values` (one a row of its
 * options, the first of which is MR_COMMANDS_HELP_ROW), and leaves in `args` the operands alone,
 * ended by NULL. Where --help was given, nothing is an error. */
MR_MUST_USE int mr_commands_parse(const struct mr_command *command, char **args, size_t most,
                                  struct mr_option_value *values, struct mr_error *err);

#endif
