/* fsck: `millrace fsck`: replays the journal of a --state folder, checks it, says what it holds. */
#include "cli/commands.h"
#include "cli/help.h"
#include "lib/base/error.h"
#include "lib/term/units.h"

#include <inttypes.h>
#include <mr/run.h>
#include <string.h>
#include <unistd.h>

enum { HELP, JSON, OPTIONS };

static const struct mr_option options[] = {
    [HELP] = MR_COMMANDS_HELP_ROW,
    [JSON] = {.name = "json",
              .kind = MR_OPTION_FLAG,
              .help = "Print what it holds as one JSON object, for machines."},
    [OPTIONS] = {.name = NULL},
};

static const struct mr_example examples[] = {
    {"millrace fsck /var/tmp/counts.state", "what the journal holds; status 0: it is sound"},
    {NULL, NULL},
};

static void add_text(struct mr_page *page, const struct mr_run_journal *about) {
    char bytes[MR_UNITS_TEXT_MAX];
    char files[MR_UNITS_TEXT_MAX];
    mr_page_printf(page,
                   "journal: sound; %s, %" PRIu64 " entr%s, %" PRIu64 " event%s replayed, %" PRIu64
                   " hash%s compared, started %" PRIu64 " time%s\n",
                   mr_units_bytes(bytes, sizeof bytes, about->bytes), about->entries,
                   about->entries == 1 ? "y" : "ies", about->events, about->events == 1 ? "" : "s",
                   about->comparisons, about->comparisons == 1 ? "" : "es", about->starts,
                   about->starts == 1 ? "" : "s");
    if (!about->job) {
        mr_page_put(page, "job: none\n");
        return;
    }
    mr_page_printf(page, "job %" PRIu32 " (%s): %s\n", about->job, about->id, about->command);
    mr_page_printf(page, "state: %s%s%s\n", about->state, about->why ? ": " : "",
                   about->why ? about->why : "");
    if (about->map_tasks + about->reduce_tasks > 0) {
        mr_page_printf(page,
                       "round %" PRIu32 ": %" PRIu32 " of %" PRIu32 " map task%s done, %" PRIu32
                       " of %" PRIu32 " reduce task%s\n",
                       about->round, about->maps_done, about->map_tasks,
                       about->map_tasks == 1 ? "" : "s", about->reduces_done, about->reduce_tasks,
                       about->reduce_tasks == 1 ? "" : "s");
        mr_page_printf(
            page, "map outputs: %" PRIu64 " there (%s), %" PRIu64 " missing, to be made again\n",
            about->files, mr_units_bytes(files, sizeof files, about->files_bytes),
            about->files_missing);
    }
}

/* A text as a JSON string. */
static void add_string(struct mr_page *page, const char *text) {
    mr_page_put(page, "\"");
    for (const char *at = text; *at; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte < ' ' || byte == '"' || byte == '\\' || byte >= 0x7f) {
            mr_page_printf(page, "\\u%04x", byte);
        } else {
            mr_page_printf(page, "%c", byte);
        }
    }
    mr_page_put(page, "\"");
}

static void add_json(struct mr_page *page, const struct mr_run_journal *about) {
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {{"starts", about->starts},
                   {"entries", about->entries},
                   {"events", about->events},
                   {"comparisons", about->comparisons},
                   {"bytes", about->bytes},
                   {"job", about->job},
                   {"round", about->round},
                   {"map_tasks", about->map_tasks},
                   {"maps_done", about->maps_done},
                   {"reduce_tasks", about->reduce_tasks},
                   {"reduces_done", about->reduces_done},
                   {"files", about->files},
                   {"files_bytes", about->files_bytes},
                   {"files_missing", about->files_missing}};
    mr_page_put(page, "{");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        mr_page_printf(page, "\"%s\": %" PRIu64 ", ", numbers[i].name, numbers[i].value);
    }
    mr_page_printf(page, "\"id\": \"%s\", \"state\": \"%s\", \"command\": ", about->id,
                   about->state);
    add_string(page, about->command ? about->command : "");
    mr_page_put(page, ", \"why\": ");
    add_string(page, about->why ? about->why : "");
    mr_page_put(page, "}\n");
}

static int fsck_main(const struct mr_command *command, char **args, struct mr_error *err) {
    struct mr_option_value values[OPTIONS] = {{0}};
    struct mr_run_journal about = {0};
    int status = mr_commands_parse(command, args, 1, values, err);
    if (status || values[HELP].given) {
        return status ? status : mr_help_show(command, NULL, err);
    }
    if (!args[0]) {
        return mr_error_set(err, MR_ERR_USAGE, "which state? the DIR of a run's --state");
    }
    status = mr_run_fsck(args[0], &about, err);
    if (!status) {
        struct mr_page page = {.err = err};
        if (values[JSON].given) {
            add_json(&page, &about);
        } else {
            add_text(&page, &about);
        }
        status = mr_page_write(&page, STDOUT_FILENO, "standard output");
        mr_page_fini(&page);
    }
    mr_run_journal_fini(&about);
    return status;
}

const struct mr_command mr_fsck_command = {
    .name = "fsck",
    .usage = "fsck STATE [--json]",
    .summary = "replay and check the journal that a run keeps in --state, and say what it holds",
    .text = "Checks the journal's pages, the chain over its entries, the hashes of the state "
            "that replaying must lead to, the accounts of all tasks that are done and the books "
            "of all rounds; says what job it holds and how far that is. Changes nothing. The "
            "exit status is 3 where something is wrong, 4 where a run is using it.",
    .options = options,
    .examples = examples,
    .operands = MR_OPERANDS_DIRECTORIES,
    .main = fsck_main,
};
