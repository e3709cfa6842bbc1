/* worker: `millrace mapper` and `millrace reducer`. */
#include "cluster/worker.h"

#include "cli/handover.h"
#include "cli/help.h"
#include "cli/say.h"
#include "cli/worker_rows.h"
#include "lib/base/error.h"
#include "lib/base/number.h"
#include "lib/worker/node/node.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRAIN_MS 60000
#define DRAIN_MS_MAX ((uint64_t)24 * 3600 * 1000)

/* "10s", "500ms", "2": seconds. */
static int read_drain(const struct mr_option_value *value, uint32_t *ms, struct mr_error *err) {
    char digits[MR_NUMBER_TEXT_MAX];
    uint64_t number = 0;
    *ms = DRAIN_MS;
    if (!value->given) {
        return MR_OK;
    }
    size_t len = strspn(value->text, "0123456789");
    const char *unit = value->text + len;
    bool is_ms = strcmp(unit, "ms") == 0;
    bool is_known = is_ms || strcmp(unit, "s") == 0 || *unit == '\0';
    if (len > 0 && len < 10) {
        memcpy(digits, value->text, len);
        digits[len] = '\0';
        is_known = is_known && mr_number_read_u64(digits, &number);
    }
    number *= is_ms ? 1 : 1000;
    if (len == 0 || len >= 10 || !is_known || number > DRAIN_MS_MAX) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "--drain-timeout \"%.100s\": a time of at most a day, as 10s or 500ms",
                            value->text);
    }
    *ms = (uint32_t)number;
    return MR_OK;
}

static void say_ready(void *arg, const char *address) {
    char line[400];
    (void)arg;
    snprintf(line, sizeof line, "ready %.300s\n", address);
    (void)!fputs(line, stdout);
    (void)fflush(stdout); /* who reads no more does not matter to a daemon */
}

/* An option, else the environment's word, else the fallback. */
static const char *choose(const struct mr_option_value *value, const char *variable,
                          const char *fallback) {
    const char *set = getenv(variable);
    return value->given ? value->text : set && *set ? set : fallback;
}

static int run(const struct mr_command *command, unsigned roles, char **args,
               struct mr_error *err) {
    struct mr_option_value values[MR_WORKER_ROWS_COUNT] = {{0}};
    char program[MR_HANDOVER_PATH_MAX];
    int status = mr_commands_parse(command, args, 0, values, err);
    if (status || values[MR_WORKER_ROWS_HELP].given) {
        return status ? status : mr_help_show(command, NULL, err);
    }
    const struct mr_option_value *codec = &values[MR_WORKER_ROWS_CODEC];
    struct mr_node_options options = {
        .command = command->name,
        .roles = roles,
        .master = choose(&values[MR_WORKER_ROWS_MASTER], "MILLRACE_MASTER",
                         MR_WORKER_ROWS_DEFAULT_MASTER),
        .secret = choose(&values[MR_WORKER_ROWS_SECRET], "MILLRACE_SECRET", NULL),
        .listen = values[MR_WORKER_ROWS_LISTEN].text,
        .name = values[MR_WORKER_ROWS_NAME].text,
        .scratch = values[MR_WORKER_ROWS_SCRATCH].text,
        .program = program,
        .slots = (unsigned)values[MR_WORKER_ROWS_SLOTS].number,
        .codec = codec->given ? (int)codec->number : -1,
        .accept_older_journal = values[MR_WORKER_ROWS_OLDER].given,
        .allow_root = values[MR_WORKER_ROWS_ROOT].given,
        .is_verbose = values[MR_WORKER_ROWS_VERBOSE].given,
        .ready = say_ready,
        .takes_signals = true};
    if (read_drain(&values[MR_WORKER_ROWS_DRAIN], &options.drain_timeout_ms, err) ||
        mr_handover_command_path(program, err)) {
        return err->code;
    }
    (void)unsetenv("MILLRACE_SECRET"); /* no task process need know where it lies */
    status = mr_node_run(&options, NULL, err);
    return status ? mr_node_exit_status(status) : MR_OK;
}

int mr_worker_mapper_main(const struct mr_command *command, char **args, struct mr_error *err) {
    return run(command, MR_NODE_MAPS, args, err);
}

int mr_worker_reducer_main(const struct mr_command *command, char **args, struct mr_error *err) {
    return run(command, MR_NODE_REDUCES, args, err);
}
