/* man: manual pages, made from the command table, the option tables and the jobs' parameters. */
#include "cli/man.h"

#include "cli/commands.h"
#include "cli/help.h"
#include "cli/parameters.h"
#include "lib/base/error.h"
#include "lib/base/file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Text as roff takes it literally; a newline ends a paragraph. */
static void add_text(struct mr_page *page, const char *text) {
    static const char *const to[] = {"\\e", "\\-", "\\(aq", "\\(ga", "\\(ha", "\\(ti", "\n.PP\n"};
    if (text[0] == '.') {
        mr_page_put(page, "\\&");
    }
    mr_page_escape(page, text, "\\-'`^~\n", to);
}

static void add_line(struct mr_page *page, const char *before, const char *text,
                     const char *after) {
    mr_page_put(page, before);
    add_text(page, text);
    mr_page_put(page, after);
}

static void add_options(struct mr_page *page, const struct mr_option *rows) {
    for (const struct mr_option *row = rows; row->name; row++) {
        mr_page_put(page, ".TP\n");
        if (row->letter) {
            mr_page_printf(page, "\\fB\\-%c\\fR, ", row->letter);
        }
        add_line(page, "\\fB\\-\\-", row->name, "\\fR");
        const char *metavar = row->metavar ? row->metavar : row->choices;
        if (metavar) {
            add_line(page, " \\fI", metavar, "\\fR");
        }
        size_t len = strlen(row->help);
        bool ends = len == 0 || row->help[len - 1] == '.'; /* a job's own words may lack it */
        add_line(page, "\n", row->help, ends ? "\n" : ".\n");
        if (row->fallback) {
            add_line(page, "Default: ", row->fallback, ".\n");
        }
    }
}

static void add_examples(struct mr_page *page, const struct mr_command *command) {
    if (!command->examples) {
        return;
    }
    mr_page_put(page, ".SH EXAMPLES\n");
    for (const struct mr_example *example = command->examples; example->line; example++) {
        add_line(page, ".TP\n.B ", example->line, "\n");
        add_text(page, example->purpose);
        mr_page_put(page, "\n");
    }
}

static void add_job(struct mr_page *page, const struct mr_job *job) {
    struct mr_option *rows = NULL;
    if (!page->status) {
        page->status = mr_parameters_rows(job, NULL, &rows, page->err);
    }
    add_line(page, ".SS ", job->name, "\n");
    add_text(page, job->summary ? job->summary : "");
    mr_page_put(page, "\n");
    if (rows) {
        add_options(page, rows);
    }
    free(rows);
    for (const char *const *line = job->examples; line && *line; line++) {
        add_line(page, line == job->examples ? ".PP\n.nf\n" : "", *line, "\n");
    }
    mr_page_put(page, job->examples && job->examples[0] ? ".fi\n" : "");
}

static void add_jobs(struct mr_page *page) {
    mr_page_put(page, ".SH JOBS\n");
    for (const struct mr_job *const *job = mr_run_jobs(); *job; job++) {
        add_job(page, *job);
    }
}

static void add_commands(struct mr_page *page) {
    mr_page_put(page, ".SH COMMANDS\n");
    for (size_t i = 0; mr_commands_table[i]; i++) {
        const struct mr_command *command = mr_commands_table[i];
        if (!command->hidden) {
            add_line(page, ".TP\n.B ", command->name, "\n");
            add_text(page, command->summary);
            mr_page_put(page, "\n");
        }
    }
}

static void add_exit_status(struct mr_page *page, int status, const char *meaning) {
    mr_page_printf(page, ".TP\n%d\n", status);
    add_text(page, meaning);
    mr_page_put(page, ".\n");
}

static void add_see_also(struct mr_page *page, const struct mr_command *self) {
    mr_page_put(page, ".SH SEE ALSO\n");
    if (self != &mr_help_command) {
        mr_page_put(page, ".BR millrace (1)");
    }
    for (size_t i = 0; mr_commands_table[i]; i++) {
        const struct mr_command *command = mr_commands_table[i];
        if (!command->hidden && command != self && command != &mr_help_command) {
            bool first = self == &mr_help_command && i == 0;
            mr_page_printf(page, "%s.BR millrace\\-%s (1)", first ? "" : ",\n", command->name);
        }
    }
    mr_page_put(page, "\n");
}

/* The help command's page is that of millrace itself. */
static void add_page(struct mr_page *page, const struct mr_command *command) {
    bool top = command == &mr_help_command;
    mr_page_put(page, ".TH MILLRACE");
    mr_page_put(page, top ? "" : "\\-");
    for (const char *at = top ? "" : command->name; *at; at++) {
        mr_page_printf(page, "%c", toupper((unsigned char)*at));
    }
    mr_page_printf(page, " 1 \"\" \"Millrace %s\" \"Millrace\"\n.SH NAME\nmillrace%s%s \\- ",
                   mr_run_version(), top ? "" : "\\-", top ? "" : command->name);
    add_text(page, top ? "run map-reduce jobs over files" : command->summary);
    add_line(page, "\n.SH SYNOPSIS\n.B millrace\n", command->usage, "\n.SH DESCRIPTION\n");
    add_text(page, command->text);
    mr_page_put(page, "\n");
    if (top) {
        add_commands(page);
    }
    mr_page_put(page, ".SH OPTIONS\n");
    add_options(page, command->options);
    if (command->operands == MR_OPERANDS_JOB || command == &mr_run_command) {
        add_jobs(page);
    }
    add_examples(page, command);
    mr_page_put(page, ".SH EXIT STATUS\n");
    mr_help_exit_statuses(page, add_exit_status);
    add_see_also(page, command);
}

static int write_page(const char *path, const struct mr_command *command, struct mr_error *err) {
    struct mr_page page = {.err = err};
    add_page(&page, command);
    int status = mr_page_status(&page);
    int fd = status ? -1 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (!status && fd == -1) {
        status = mr_error_errno(err, MR_ERR_IO, errno, "make \"%s\"", path);
    }
    if (!status) {
        status = mr_page_write(&page, fd, path);
    }
    int closed = mr_file_close(&fd, path, err);
    mr_page_fini(&page);
    return status ? status : closed;
}

int mr_man_write(const char *dir, struct mr_error *err) {
    if (mkdir(dir, 0755) != 0 && errno != EEXIST) {
        return mr_error_errno(err, MR_ERR_IO, errno, "make \"%s\"", dir);
    }
    for (size_t i = 0; mr_commands_table[i]; i++) {
        const struct mr_command *command = mr_commands_table[i];
        bool top = command == &mr_help_command;
        char path[PATH_MAX];
        int len = snprintf(path, sizeof path, "%s/millrace%s%s.1", dir, top ? "" : "-",
                           top ? "" : command->name);
        if (len < 0 || (size_t)len >= sizeof path) {
            return mr_error_set(err, MR_ERR_USAGE, "the path of OUTDIR is too long");
        }
        int status = command->hidden ? 0 : write_page(path, command, err);
        if (status) {
            return status;
        }
    }
    return 0;
}
