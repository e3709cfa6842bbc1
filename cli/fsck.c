/* fsck: `millrace fsck`: replays the journal of a --state folder, checks it, says what it holds. */
#include "cli/commands.h"
#include "cli/help.h"
#include "lib/base/error.h"
#include "lib/term/units.h"

#include <inttypes.h>
#include <mr/run.h>
#include <string.h>
#include <unistd.h>

#define JOBS_SHOWN 20u /* as text */

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

static const char *plural(uint64_t count) {
    return count == 1 ? "" : "s";
}

static void add_job_text(struct mr_page *page, const struct mr_run_journal_job *job) {
    char files[MR_UNITS_TEXT_MAX];
    mr_page_printf(page, "job %" PRIu32 " (%s): %s\n", job->number, job->id, job->command);
    mr_page_printf(page, "state: %s%s%s\n", job->state, job->why ? ": " : "",
                   job->why ? job->why : "");
    if (job->map_tasks + job->reduce_tasks == 0) {
        return;
    }
    mr_page_printf(page,
                   "round %" PRIu32 ": %" PRIu32 " of %" PRIu32 " map task%s done, %" PRIu32
                   " of %" PRIu32 " reduce task%s\n",
                   job->round, job->maps_done, job->map_tasks, plural(job->map_tasks),
                   job->reduces_done, job->reduce_tasks, plural(job->reduce_tasks));
    if (job->has_files) {
        mr_page_printf(
            page, "map outputs: %" PRIu64 " there (%s), %" PRIu64 " missing, to be made again\n",
            job->files, mr_units_bytes(files, sizeof files, job->files_bytes), job->files_missing);
    }
}

static void add_text(struct mr_page *page, const struct mr_run_journal *about) {
    char bytes[MR_UNITS_TEXT_MAX];
    size_t first = about->job_count > JOBS_SHOWN ? about->job_count - JOBS_SHOWN : 0;
    mr_page_printf(page,
                   "journal: sound; %s, %" PRIu64 " entr%s, %" PRIu64 " event%s replayed, %" PRIu64
                   " hash%s compared, started %" PRIu64 " time%s\n",
                   mr_units_bytes(bytes, sizeof bytes, about->bytes), about->entries,
                   about->entries == 1 ? "y" : "ies", about->events, plural(about->events),
                   about->comparisons, about->comparisons == 1 ? "" : "es", about->starts,
                   plural(about->starts));
    if (about->job_count == 0) {
        mr_page_put(page, "job: none\n");
    }
    if (first > 0) {
        mr_page_printf(page, "%zu jobs, of which these are the last %u:\n", about->job_count,
                       JOBS_SHOWN);
    }
    for (size_t i = first; i < about->job_count; i++) {
        add_job_text(page, &about->jobs[i]);
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

struct number {
    const char *name;
    uint64_t value;
};

static void add_numbers(struct mr_page *page, const struct number *numbers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        mr_page_printf(page, "\"%s\": %" PRIu64 ", ", numbers[i].name, numbers[i].value);
    }
}

/* The members of a job's object. */
static void add_job_json(struct mr_page *page, const struct mr_run_journal_job *job) {
    const struct number numbers[] = {{"job", job->number},
                                     {"round", job->round},
                                     {"map_tasks", job->map_tasks},
                                     {"maps_done", job->maps_done},
                                     {"reduce_tasks", job->reduce_tasks},
                                     {"reduces_done", job->reduces_done},
                                     {"files", job->files},
                                     {"files_bytes", job->files_bytes},
                                     {"files_missing", job->files_missing}};
    add_numbers(page, numbers, sizeof numbers / sizeof *numbers);
    mr_page_printf(page, "\"id\": \"%s\", \"state\": \"%s\", \"command\": ", job->id, job->state);
    add_string(page, job->command ? job->command : "");
    mr_page_put(page, ", \"why\": ");
    add_string(page, job->why ? job->why : "");
}

/* The last job's members stand in the object itself: of a --state folder it is the only one. */
static void add_json(struct mr_page *page, const struct mr_run_journal *about) {
    const struct mr_run_journal_job none = {.state = "none"};
    const struct number numbers[] = {{"starts", about->starts},
                                     {"entries", about->entries},
                                     {"events", about->events},
                                     {"comparisons", about->comparisons},
                                     {"bytes", about->bytes}};
    mr_page_put(page, "{");
    add_numbers(page, numbers, sizeof numbers / sizeof *numbers);
    add_job_json(page, about->job_count ? &about->jobs[about->job_count - 1] : &none);
    mr_page_put(page, ", \"jobs\": [");
    for (size_t i = 0; i < about->job_count; i++) {
        mr_page_put(page, i ? ", {" : "{");
        add_job_json(page, &about->jobs[i]);
        mr_page_put(page, "}");
    }
    mr_page_put(page, "]}\n");
}

static int fsck_main(const struct mr_command *command, char **args, struct mr_error *err) {
    struct mr_option_value values[OPTIONS] = {{0}};
    struct mr_run_journal about = {0};
    int status = mr_commands_parse(command, args, 1, values, err);
    if (status || values[HELP].given) {
        return status ? status : mr_help_show(command, NULL, err);
    }
    if (!args[0]) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "which state? the DIR of a run's, or a master's, --state");
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
    .summary = "replay and check the journal in a --state, and say what it holds",
    .text = "Checks the journal's pages, the chain over its entries, the hashes of the state "
            "that replaying must lead to, the accounts of all tasks that are done and the books "
            "of all rounds; says what job it holds and how far that is. A master's --state holds "
            "several: the last 20 are shown, by --json all. Changes nothing. The exit status is 3 "
            "where something is wrong, 4 where a run or a master is using it.",
    .options = options,
    .examples = examples,
    .operands = MR_OPERANDS_DIRECTORIES,
    .main = fsck_main,
};
