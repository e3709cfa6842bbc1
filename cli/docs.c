/* docs: `millrace docs`: makes the manual pages and the shell completions that the build installs.
 */
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/help.h"
#include "cli/man.h"
#include "lib/base/error.h"

#include <string.h>
#include <unistd.h>

static const struct mr_option options[] = {
    MR_COMMANDS_HELP_ROW,
    {.name = NULL},
};

static int print(void (*add)(struct mr_page *page), struct mr_error *err) {
    struct mr_page page = {.err = err};
    add(&page);
    int status = mr_page_write(&page, STDOUT_FILENO, "standard output");
    mr_page_fini(&page);
    return status;
}

static int docs_main(const struct mr_command *command, char **args, struct mr_error *err) {
    static const struct {
        const char *shell;
        void (*add)(struct mr_page *page);
    } shells[] = {
        {"bash", mr_completion_bash},
        {"zsh", mr_completion_zsh},
        {"fish", mr_completion_fish},
    };
    struct mr_option_value help = {0};
    int status = mr_commands_parse(command, args, 2, &help, err);
    if (status || help.given) {
        return status ? status : mr_help_show(command, NULL, err);
    }
    if (args[0] && args[1] && strcmp(args[0], "man") == 0) {
        return mr_man_write(args[1], err);
    }
    for (size_t i = 0; args[0] && !args[1] && i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(shells[i].shell, args[0]) == 0) {
            return print(shells[i].add, err);
        }
    }
    return mr_error_set(err, MR_ERR_USAGE, "docs: man OUTDIR, bash, zsh or fish?");
}

const struct mr_command mr_docs_command = {
    .name = "docs",
    .usage = "docs man OUTDIR | bash | zsh | fish",
    .summary = "make manual pages, or print a shell's completion",
    .text = "Makes the manual pages in OUTDIR, or prints a shell's completion: what the build "
            "installs.",
    .options = options,
    .operands = MR_OPERANDS_NONE,
    .hidden = true,
    .main = docs_main,
};
