/* help: the help of every command, made from its row and its option table. */
#include "cli/help.h"

#include "cli/parameters.h"
#include "lib/base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HELP_COLUMN 26 /* where the right column starts */
#define STATUS_MAX 256
#define JOB_WORD " JOB " /* in the usage of commands that take one */

void mr_help_options(struct mr_page *page, const struct mr_option *rows) {
    for (const struct mr_option *row = rows; row->name; row++) {
        if (row->letter) {
            mr_page_printf(page, "  -%c, --%s", row->letter, row->name);
        } else {
            mr_page_printf(page, "      --%s", row->name);
        }
        const char *metavar = row->metavar ? row->metavar : row->choices;
        bool wide = 7 + strlen(row->name) + (metavar ? strlen(metavar) + 1 : 0) >= HELP_COLUMN - 1;
        mr_page_printf(page, "%s%s%s", metavar ? " " : "", metavar ? metavar : "",
                       wide ? "\n" : " ");
        char help[1024];
        size_t len = strlen(row->help);
        bool ends = len == 0 || row->help[len - 1] == '.'; /* a job's own words may lack it */
        snprintf(help, sizeof help, "%s%s%s%s%s", row->help, ends ? "" : ".",
                 row->fallback ? " Default: " : "", row->fallback ? row->fallback : "",
                 row->fallback ? "." : "");
        mr_page_wrap(page, HELP_COLUMN, help);
    }
}

void mr_help_job(struct mr_page *page, const struct mr_job *job) {
    struct mr_option *rows = NULL;
    if (!page->status) {
        page->status = mr_parameters_rows(job, NULL, &rows, page->err);
    }
    if (rows && rows[0].name) {
        mr_page_printf(page, "\nParameters of %s:\n", job->name);
        mr_help_options(page, rows);
    }
    free(rows);
    if (job->examples && job->examples[0]) {
        mr_page_put(page, "\nExamples:\n");
        for (const char *const *example = job->examples; *example; example++) {
            mr_page_printf(page, "  %s\n", *example);
        }
    }
}

void mr_help_exit_statuses(struct mr_page *page,
                           void (*add)(struct mr_page *page, int status, const char *meaning)) {
    static const struct {
        int exit_status;
        const char *meaning;
    } rows[] = {
#define MR_STATUS_ROW(name, value, exit_status, text) {exit_status, text},
        MR_STATUS_TABLE(MR_STATUS_ROW)
#undef MR_STATUS_ROW
    };
    for (int status = 0; status < STATUS_MAX; status++) {
        char meaning[512];
        size_t len = 0;
        for (size_t i = 0; i < sizeof rows / sizeof *rows && len < sizeof meaning; i++) {
            if (rows[i].exit_status == status) {
                len += (size_t)snprintf(meaning + len, sizeof meaning - len, "%s%s",
                                        len ? "; " : "", rows[i].meaning);
            }
        }
        if (len) {
            add(page, status, meaning);
        }
    }
    add(page, 128 + 15, "terminated (SIGTERM)");
}

static void add_exit_status(struct mr_page *page, int status, const char *meaning) {
    mr_page_printf(page, "  %d", status);
    mr_page_wrap(page, 7, meaning);
}

static void add_examples(struct mr_page *page, const struct mr_example *examples) {
    mr_page_put(page, "\nExamples:\n");
    for (const struct mr_example *example = examples; example->line; example++) {
        mr_page_printf(page, "  %s\n", example->line);
        mr_page_wrap(page, 6, example->purpose);
    }
}

static void add_commands(struct mr_page *page) {
    mr_page_put(page, "\nCommands:\n");
    for (size_t i = 0; mr_commands_table[i]; i++) {
        const struct mr_command *command = mr_commands_table[i];
        if (!command->hidden) {
            mr_page_printf(page, "  %s", command->name);
            mr_page_wrap(page, 12, command->summary);
        }
    }
}

static void add_options(struct mr_page *page, const struct mr_command *command) {
    mr_page_put(page, "\nOptions:\n");
    mr_help_options(page, command->options);
}

/* A command's help for one job: its name stands in the usage, its parameters come first. */
static void add_command_of_job(struct mr_page *page, const struct mr_command *command,
                               const struct mr_job *job) {
    const char *rest = strstr(command->usage, JOB_WORD);
    mr_page_printf(page, "Usage: millrace %s %s %s\n\n", command->name, job->name,
                   rest ? rest + strlen(JOB_WORD) : "");
    mr_page_printf(page, "%s: ", job->name);
    mr_page_wrap(page, 0, job->summary ? job->summary : "");
    mr_help_job(page, job);
    add_options(page, command);
}

static void add_command(struct mr_page *page, const struct mr_command *command) {
    bool top = command == &mr_help_command;
    mr_page_printf(page, "Usage: millrace %s\n\n", command->usage);
    mr_page_wrap(page, 0, command->text);
    if (top) {
        add_commands(page);
    }
    add_options(page, command);
    if (command->examples) {
        add_examples(page, command->examples);
    }
    if (top) {
        mr_page_put(page, "\nExit status:\n");
        mr_help_exit_statuses(page, add_exit_status);
    }
}

int mr_help_show(const struct mr_command *command, const struct mr_job *job, struct mr_error *err) {
    struct mr_page page = {.err = err};
    if (job) {
        add_command_of_job(&page, command, job);
    } else {
        add_command(&page, command);
    }
    int status = mr_page_write(&page, STDOUT_FILENO, "standard output");
    mr_page_fini(&page);
    return status;
}

enum { HELP, VERSION, OPTIONS };

static const struct mr_option options[] = {
    [HELP] = MR_COMMANDS_HELP_ROW,
    [VERSION] = {.name = "version",
                 .letter = 'V',
                 .kind = MR_OPTION_FLAG,
                 .help = "Show the version and end."},
    [OPTIONS] = {.name = NULL},
};

static int help_main(const struct mr_command *command, char **args, struct mr_error *err) {
    struct mr_option_value values[OPTIONS] = {{0}};
    int status = mr_commands_parse(command, args, 1, values, err);
    if (!status && values[VERSION].given) {
        args[0] = NULL;
        return mr_version_command.main(&mr_version_command, args, err);
    }
    if (!status && args[0]) {
        status = mr_commands_find(args[0], &command, err);
    }
    return status ? status : mr_help_show(command, NULL, err);
}

static const struct mr_example examples[] = {
    {"millrace run wordcount book.txt", "count the words of a file, to standard output"},
    {"millrace run wordcount logs/ 'more/*.gz' - -o counts",
     "a directory, compressed files and standard input, into the directory counts"},
    {"millrace jobs wordcount", "what the job can do"},
    {"millrace run ./libmyjob.so input.txt", "a job of your own"},
    {NULL, NULL},
};

const struct mr_command mr_help_command = {
    .name = "help",
    .usage = "COMMAND [ARGUMENT...]",
    .summary = "show the help of a command",
    .text = "Millrace runs map-reduce jobs over files: word counts, and jobs of your own. It "
            "uses every CPU, stays within its memory, and gives the same bytes on any machine.",
    .options = options,
    .examples = examples,
    .operands = MR_OPERANDS_COMMAND,
    .main = help_main,
};
