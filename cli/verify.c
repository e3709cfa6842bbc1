/* verify: `millrace verify`: checks output directories against their manifests. */
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/say.h"
#include "lib/base/error.h"
#include "lib/term/terminal.h"
#include "lib/term/units.h"

#include <mr/run.h>
#include <unistd.h>

enum { HELP, VERBOSE, OPTIONS };

static const struct mr_option options[] = {
    [HELP] = MR_COMMANDS_HELP_ROW,
    [VERBOSE] = {.name = "verbose",
                 .letter = 'v',
                 .kind = MR_OPTION_FLAG,
                 .help = "Print a line for each DIR, also where standard output is no terminal."},
    [OPTIONS] = {.name = NULL},
};

static const struct mr_example examples[] = {
    {"millrace verify counts", "silence and exit status 0: every part is as it was written"},
    {NULL, NULL},
};

static int say_match(const char *dir, const struct mr_run_result *result, struct mr_error *err) {
    struct mr_page page = {.err = err};
    char records[MR_UNITS_TEXT_MAX];
    char bytes[MR_UNITS_TEXT_MAX];
    mr_page_printf(&page, "%s: %zu part%s, %s record%s, %s: as the manifest says\n", dir,
                   result->part_count, result->part_count == 1 ? "" : "s",
                   mr_units_count(records, sizeof records, result->output_records),
                   result->output_records == 1 ? "" : "s",
                   mr_units_bytes(bytes, sizeof bytes, result->output_bytes));
    int status = mr_page_write(&page, STDOUT_FILENO, "standard output");
    mr_page_fini(&page);
    return status;
}

static int verify_one(const char *dir, bool say, struct mr_error *err) {
    struct mr_run_result result = {0};
    int status = mr_run_verify(dir, &result, err);
    if (!status && say) {
        status = say_match(dir, &result, err);
    }
    mr_run_result_fini(&result);
    return status;
}

static int verify_main(const struct mr_command *command, char **args, struct mr_error *err) {
    struct mr_option_value values[OPTIONS] = {{0}};
    int status = mr_commands_parse(command, args, (size_t)-1, values, err);
    if (status || values[HELP].given) {
        return status ? status : mr_help_show(command, NULL, err);
    }
    if (!args[0]) {
        return mr_error_set(err, MR_ERR_USAGE, "which output directory?");
    }
    bool say = values[VERBOSE].given || mr_terminal_is(STDOUT_FILENO);
    for (; *args; args++) {
        struct mr_error one = {0};
        int failed = verify_one(*args, say, &one);
        if (failed) {
            mr_say_error(&one);
            status = status ? status : failed;
        }
        if (failed == MR_ERR_CLOSED) {
            break;
        }
    }
    return status;
}

const struct mr_command mr_verify_command = {
    .name = "verify",
    .usage = "verify [-v] DIR...",
    .summary = "check every part of an output against the manifest's sizes and checksums",
    .text =
        "Reads every part of each output directory DIR and compares its size and checksum with "
        "the manifest's. Says nothing where all match; a difference is named, and the exit status "
        "is 3.",
    .options = options,
    .examples = examples,
    .operands = MR_OPERANDS_DIRECTORIES,
    .main = verify_main,
};
