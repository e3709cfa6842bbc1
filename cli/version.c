/* version: `millrace --version`. */
#include "cli/commands.h"
#include "cli/help.h"

#include <unistd.h>

static const struct mr_option options[] = {
    MR_COMMANDS_HELP_ROW,
    {.name = NULL},
};

static int version_main(const struct mr_command *command, char **args, struct mr_error *err) {
    struct mr_option_value help = {0};
    int status = mr_commands_parse(command, args, 0, &help, err);
    if (status || help.given) {
        return status ? status : mr_help_show(command, NULL, err);
    }
    struct mr_page page = {.err = err};
    mr_page_printf(&page, "millrace %s\n", mr_run_version());
    status = mr_page_write(&page, STDOUT_FILENO, "standard output");
    mr_page_fini(&page);
    return status;
}

const struct mr_command mr_version_command = {
    .name = "version",
    .usage = "version",
    .summary = "show the version",
    .text = "Prints the version of Millrace.",
    .options = options,
    .operands = MR_OPERANDS_NONE,
    .main = version_main,
};
