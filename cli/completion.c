/* completion: shell completions, made from the tables of commands, options and parameters.
 *
 * Every script knows three things: the commands; the options of each; and, behind `run JOB` and
 * the like, the parameters of the built-in jobs. A value is completed by its row: a choice
 * from its list, DIR by directories, FILE by files, anything else not at all. */
#include "cli/completion.h"

#include "cli/commands.h"
#include "cli/parameters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What stands for a value of a row. */
enum values { NOTHING, WORDS, DIRECTORIES, FILES };

static enum values values_of(const struct mr_option *row) {
    if (row->choices) {
        return WORDS;
    }
    const char *metavar = row->metavar ? row->metavar : "";
    return strcmp(metavar, "DIR") == 0    ? DIRECTORIES
           : strcmp(metavar, "FILE") == 0 ? FILES
                                          : NOTHING;
}

static void add_choices(struct mr_page *page, const char *choices) {
    static const char *const space[] = {" "};
    mr_page_escape(page, choices, "|", space);
}

/* A help text's first sentence, without its full stop. */
static const char *first_sentence(const char *help, char *out, size_t size) {
    const char *end = strstr(help, ". ");
    size_t len = end ? (size_t)(end - help) : strlen(help);
    len -= len > 0 && help[len - 1] == '.';
    snprintf(out, size, "%.*s", (int)len, help);
    return out;
}

static void add_job_names(struct mr_page *page, const char *between) {
    for (const struct mr_job *const *job = mr_run_jobs(); *job; job++) {
        mr_page_printf(page, "%s%s", job == mr_run_jobs() ? "" : between, (*job)->name);
    }
}

static void add_command_names(struct mr_page *page) {
    for (size_t i = 0; mr_commands_table[i]; i++) {
        if (!mr_commands_table[i]->hidden) {
            mr_page_printf(page, "%s%s", i ? " " : "", mr_commands_table[i]->name);
        }
    }
}

/* Calls `add` with each job's name and parameters. */
static void for_jobs(struct mr_page *page, void (*add)(struct mr_page *page, const char *job,
                                                       const struct mr_option *rows)) {
    for (const struct mr_job *const *job = mr_run_jobs(); *job && !page->status; job++) {
        struct mr_option *rows = NULL;
        page->status = mr_parameters_rows(*job, NULL, &rows, page->err);
        if (!page->status) {
            add(page, (*job)->name, rows);
        }
        free(rows);
    }
}

static void bash_words(struct mr_page *page, const struct mr_option *rows) {
    for (const struct mr_option *row = rows; row->name; row++) {
        mr_page_printf(page, "%s--%s", row == rows ? "" : " ", row->name);
    }
}

static void bash_job_words(struct mr_page *page, const char *job, const struct mr_option *rows) {
    mr_page_printf(page, "        %s) options+=\" ", job);
    bash_words(page, rows);
    mr_page_put(page, "\" ;;\n");
}

/* The cases for the word before, as `JOB OPTION`; an empty job stands for any. */
static void bash_values(struct mr_page *page, const char *job, const struct mr_option *rows) {
    static const char *const replies[] = {
        [NOTHING] = "",
        [DIRECTORIES] =
            "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$current\"); ",
        [FILES] = "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); ",
    };
    for (const struct mr_option *row = rows; row->name; row++) {
        if (row->kind == MR_OPTION_FLAG) {
            continue;
        }
        const char *any = job[0] ? "" : "*";
        mr_page_printf(page, "    %s\"%s --%s\"", any, job, row->name);
        if (row->letter) {
            mr_page_printf(page, "|%s\"%s -%c\"", any, job, row->letter);
        }
        mr_page_put(page, ") ");
        if (values_of(row) == WORDS) {
            mr_page_put(page, "mapfile -t COMPREPLY < <(compgen -W \"");
            add_choices(page, row->choices);
            mr_page_put(page, "\" -- \"$current\"); ");
        } else {
            mr_page_put(page, replies[values_of(row)]);
        }
        mr_page_put(page, "return ;;\n");
    }
}

/* Whether a command before this one has an option of that name: its values are completed as
 * theirs. */
static bool is_known(size_t command, const char *name) {
    for (size_t i = 0; i < command; i++) {
        const struct mr_option *rows = mr_commands_table[i]->options;
        if (!mr_commands_table[i]->hidden && mr_options_find(rows, mr_options_count(rows), name)) {
            return true;
        }
    }
    return false;
}

/* What other commands have besides: an option of one name means the same wherever it is. */
static void bash_more_values(struct mr_page *page) {
    for (size_t i = 0; mr_commands_table[i]; i++) {
        const struct mr_option *row = mr_commands_table[i]->options;
        for (; !mr_commands_table[i]->hidden && row->name; row++) {
            struct mr_option one[2] = {*row, {.name = NULL}};
            if (!is_known(i, row->name)) {
                bash_values(page, "", one);
            }
        }
    }
}

static void bash_command(struct mr_page *page, const struct mr_command *command) {
    mr_page_printf(page, "    %s)\n        options=\"", command->name);
    bash_words(page, command->options);
    mr_page_put(page, "\"\n");
    switch (command->operands) {
    case MR_OPERANDS_RUN:
        mr_page_put(page, "        files=-f\n        [[ $job ]] || words=$jobs\n");
        break;
    case MR_OPERANDS_JOB:
        mr_page_put(page, "        files=-f\n        words=$jobs\n");
        break;
    case MR_OPERANDS_DIRECTORIES:
        mr_page_put(page, "        files=-d\n");
        break;
    case MR_OPERANDS_COMMAND:
        mr_page_put(page, "        words=$commands\n");
        break;
    case MR_OPERANDS_NONE:
        break;
    }
    mr_page_put(page, "        ;;\n");
}

void mr_completion_bash(struct mr_page *page) {
    mr_page_put(page, "# bash completion for millrace, made by `millrace docs bash`.\n"
                      "_millrace() {\n"
                      "    local current=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}\n"
                      "    local previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
                      "    local commands=\"");
    add_command_names(page);
    mr_page_put(page, "\" jobs=\"");
    add_job_names(page, " ");
    mr_page_put(page,
                "\"\n"
                "    local job= options= words= files= word\n"
                "    COMPREPLY=()\n"
                "    if ((COMP_CWORD == 1)); then\n"
                "        mapfile -t COMPREPLY < <(compgen -W \"$commands --help --version\" -- "
                "\"$current\")\n"
                "        return\n"
                "    fi\n"
                "    # bash cuts --option=value in three words\n"
                "    if [[ $current == = ]]; then\n"
                "        current=\n"
                "    elif [[ $previous == = ]]; then\n"
                "        previous=${COMP_WORDS[COMP_CWORD - 2]}\n"
                "    fi\n"
                "    for word in \"${COMP_WORDS[@]:2:COMP_CWORD-2}\"; do\n"
                "        [[ ! $job && \" $jobs \" == *\" $word \"* ]] && job=$word\n"
                "    done\n"
                "    case \"$job $previous\" in\n");
    bash_values(page, "", mr_run_command.options);
    bash_more_values(page);
    for_jobs(page, bash_values);
    mr_page_put(page, "    esac\n    case $command in\n");
    for (size_t i = 0; mr_commands_table[i]; i++) {
        if (!mr_commands_table[i]->hidden) {
            bash_command(page, mr_commands_table[i]);
        }
    }
    mr_page_put(page, "    esac\n"
                      "    case $command in run|explain|simulate|submit)\n"
                      "        case $job in\n");
    for_jobs(page, bash_job_words);
    mr_page_put(page, "        esac ;;\n"
                      "    esac\n"
                      "    if [[ $current == -* ]]; then\n"
                      "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$current\")\n"
                      "        return\n"
                      "    fi\n"
                      "    [[ $files ]] && compopt -o filenames\n"
                      "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\"\n"
                      "        [[ $files ]] && compgen $files -- \"$current\")\n"
                      "}\n"
                      "complete -F _millrace millrace\n");
}

static void zsh_options(struct mr_page *page, const struct mr_option *rows) {
    static const char *const to[] = {"'\\''", "\\[", "\\]", "\\:", "\\\\"};
    char help[512];
    for (const struct mr_option *row = rows; row->name; row++) {
        const char *mark = row->kind == MR_OPTION_FLAG ? "" : "=";
        if (row->letter) {
            mr_page_printf(page, "        '(-%c --%s)'{-%c%s,--%s%s}'[", row->letter, row->name,
                           row->letter, mark[0] ? "+" : "", row->name, mark);
        } else {
            mr_page_printf(page, "        '--%s%s[", row->name, mark);
        }
        mr_page_escape(page, first_sentence(row->help, help, sizeof help), "'[]:\\", to);
        mr_page_put(page, "]");
        if (mark[0]) {
            mr_page_printf(page, ":%s:", row->metavar ? row->metavar : row->name);
            enum values values = values_of(row);
            mr_page_put(page, values == DIRECTORIES ? "_files -/"
                              : values == FILES     ? "_files"
                                                    : "");
            if (values == WORDS) {
                mr_page_put(page, "(");
                add_choices(page, row->choices);
                mr_page_put(page, ")");
            }
        }
        mr_page_put(page, "'\n");
    }
}

static void zsh_job(struct mr_page *page, const char *job, const struct mr_option *rows) {
    mr_page_printf(page, "    (( ${words[(Ie)%s]} )) && specs+=(\n", job);
    zsh_options(page, rows);
    mr_page_put(page, "    )\n");
}

static void zsh_command(struct mr_page *page, const struct mr_command *command) {
    mr_page_printf(page, "  %s)\n    specs=(\n", command->name);
    zsh_options(page, command->options);
    mr_page_put(page, "    )\n");
    switch (command->operands) {
    case MR_OPERANDS_RUN:
        for_jobs(page, zsh_job);
        mr_page_put(page, "    specs+=('1:job:{compadd ");
        add_job_names(page, " ");
        mr_page_put(page, "; _files}' '*:input:_files')\n");
        break;
    case MR_OPERANDS_JOB:
        mr_page_put(page, "    specs+=('1:job:{compadd ");
        add_job_names(page, " ");
        mr_page_put(page, "; _files}')\n");
        break;
    case MR_OPERANDS_DIRECTORIES:
        mr_page_put(page, "    specs+=('*:directory:_files -/')\n");
        break;
    case MR_OPERANDS_COMMAND:
        mr_page_put(page, "    specs+=('1:command:(");
        add_command_names(page);
        mr_page_put(page, ")')\n");
        break;
    case MR_OPERANDS_NONE:
        break;
    }
    mr_page_put(page, "    ;;\n");
}

void mr_completion_zsh(struct mr_page *page) {
    static const char *const to[] = {"'\\''", "\\:"};
    mr_page_put(page, "#compdef millrace\n"
                      "# zsh completion for millrace, made by `millrace docs zsh`.\n"
                      "_millrace() {\n"
                      "  local -a commands specs\n"
                      "  commands=(\n");
    for (size_t i = 0; mr_commands_table[i]; i++) {
        const struct mr_command *command = mr_commands_table[i];
        if (!command->hidden) {
            mr_page_printf(page, "    '%s:", command->name);
            mr_page_escape(page, command->summary, "':", to);
            mr_page_put(page, "'\n");
        }
    }
    mr_page_put(page, "  )\n"
                      "  if (( CURRENT == 2 )); then\n"
                      "    _describe command commands\n"
                      "    compadd -- --help --version\n"
                      "    return\n"
                      "  fi\n"
                      "  shift words\n"
                      "  (( CURRENT-- ))\n"
                      "  case $words[1] in\n");
    for (size_t i = 0; mr_commands_table[i]; i++) {
        if (!mr_commands_table[i]->hidden) {
            zsh_command(page, mr_commands_table[i]);
        }
    }
    mr_page_put(page,
                "  esac\n"
                "  _arguments -s $specs\n"
                "}\n"
                "if [ \"$funcstack[1]\" = _millrace ]; then _millrace; else compdef _millrace "
                "millrace; fi\n");
}

static void fish_options(struct mr_page *page, const char *condition,
                         const struct mr_option *rows) {
    static const char *const to[] = {"\\'", "\\\\"};
    char help[512];
    for (const struct mr_option *row = rows; row->name; row++) {
        mr_page_printf(page, "complete -c millrace -n '%s' -l %s", condition, row->name);
        if (row->letter) {
            mr_page_printf(page, " -s %c", row->letter);
        }
        enum values values = values_of(row);
        if (row->kind != MR_OPTION_FLAG) {
            mr_page_put(page, values == FILES ? " -r -F" : " -x");
        }
        mr_page_put(page, values == DIRECTORIES ? " -a '(__fish_complete_directories)'" : "");
        if (values == WORDS) {
            mr_page_put(page, " -a '");
            add_choices(page, row->choices);
            mr_page_put(page, "'");
        }
        mr_page_put(page, " -d '");
        mr_page_escape(page, first_sentence(row->help, help, sizeof help), "'\\", to);
        mr_page_put(page, "'\n");
    }
}

static void fish_job(struct mr_page *page, const char *job, const struct mr_option *rows) {
    char condition[256];
    snprintf(condition, sizeof condition,
             "__fish_seen_subcommand_from run explain simulate submit; and "
             "__fish_seen_subcommand_from %s",
             job);
    fish_options(page, condition, rows);
}

static void fish_operands(struct mr_page *page, const struct mr_command *command) {
    mr_page_printf(page, "complete -c millrace -n '__fish_seen_subcommand_from %s' ",
                   command->name);
    switch (command->operands) {
    case MR_OPERANDS_RUN:
    case MR_OPERANDS_JOB:
        mr_page_put(page, "-F -a '");
        add_job_names(page, " ");
        mr_page_put(page, "'\n");
        break;
    case MR_OPERANDS_DIRECTORIES:
        mr_page_put(page, "-a '(__fish_complete_directories)'\n");
        break;
    case MR_OPERANDS_COMMAND:
        mr_page_put(page, "-a '");
        add_command_names(page);
        mr_page_put(page, "'\n");
        break;
    case MR_OPERANDS_NONE:
        mr_page_put(page, "-f\n");
        break;
    }
}

void mr_completion_fish(struct mr_page *page) {
    static const char *const to[] = {"\\'", "\\\\"};
    mr_page_put(page, "# fish completion for millrace, made by `millrace docs fish`.\n"
                      "complete -c millrace -f\n"
                      "complete -c millrace -n __fish_use_subcommand -l help -d 'Show the help'\n"
                      "complete -c millrace -n __fish_use_subcommand -l version "
                      "-d 'Show the version'\n");
    for (size_t i = 0; mr_commands_table[i]; i++) {
        const struct mr_command *command = mr_commands_table[i];
        if (command->hidden) {
            continue;
        }
        mr_page_printf(page, "complete -c millrace -n __fish_use_subcommand -a %s -d '",
                       command->name);
        mr_page_escape(page, command->summary, "'\\", to);
        mr_page_put(page, "'\n");
        fish_operands(page, command);
        char condition[256];
        snprintf(condition, sizeof condition, "__fish_seen_subcommand_from %s", command->name);
        fish_options(page, condition, command->options);
    }
    for_jobs(page, fish_job);
}
