/* logs: `millrace logs JOB [TASK]`: shows what an attempt wrote. */
#include "cluster/logs.h"

#include "cluster/connect.h"
#include "cluster/json.h"
#include "lib/base/error.h"
#include "lib/base/number.h"
#include "lib/client/ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FIRST_FAILURE 3 /* as a phase: of whichever attempt failed first */

static const char *const phases[] = {"map", "reduce", "loop"};

struct logs {
    struct mr_page text;
    char node[MR_WIRE_NAME_MAX];
    uint64_t phase;
    uint64_t task;
    uint64_t attempt;
    uint64_t total;
};

/* Reads "map-7", "reduce-3" or "loop". */
static int read_task(const char *text, struct mr_wire_ask_log *question, struct mr_error *err) {
    for (uint64_t phase = 0; phase < sizeof phases / sizeof *phases; phase++) {
        size_t len = strlen(phases[phase]);
        if (strncmp(text, phases[phase], len) != 0) {
            continue;
        }
        question->phase = phase;
        if (text[len] == '-' && mr_number_read_u64(text + len + 1, &question->task) &&
            question->task <= UINT32_MAX) {
            return MR_OK;
        }
        if (text[len] == '\0' && phase == 2) {
            return MR_OK;
        }
    }
    return mr_error_set(err, MR_ERR_USAGE,
                        "\"%.200s\" is no task: map-7 and reduce-3 are, as millrace status JOB "
                        "lists them",
                        text);
}

static void restart(void *arg) {
    ((struct logs *)arg)->text.text.len = 0;
}

static int take(const union mr_wire_any *answer, void *arg, struct mr_error *err) {
    struct logs *logs = arg;
    const struct mr_wire_log *log = &answer->log_;
    snprintf(logs->node, sizeof logs->node, "%s", log->node ? log->node : "?");
    logs->phase = log->phase;
    logs->task = log->task;
    logs->attempt = log->attempt;
    logs->total = log->total;
    if (mr_buffer_append(&logs->text.text, log->bytes.data, log->bytes.len, err)) {
        return err->code;
    }
    return !log->follows;
}

static int show_json(struct logs *logs, struct mr_error *err) {
    struct mr_page page = {.err = err};
    struct mr_bytes bytes = {logs->text.text.data, logs->text.text.len};
    mr_json_open(&page, NULL, '{');
    mr_json_text(&page, "phase", phases[logs->phase % 3]);
    mr_json_number(&page, "task", logs->task);
    mr_json_number(&page, "attempt", logs->attempt);
    mr_json_text(&page, "node", logs->node);
    mr_json_number(&page, "bytes", logs->total);
    mr_json_bytes(&page, "log", bytes);
    mr_json_close(&page, '{');
    mr_page_put(&page, "\n");
    int status = mr_page_write(&page, STDOUT_FILENO, "standard output");
    mr_page_fini(&page);
    return status;
}

static int show(struct logs *logs, struct mr_error *err) {
    struct mr_page head = {.err = err};
    uint64_t kept = logs->text.text.len;
    mr_page_printf(&head, "%s-%" PRIu64 ", attempt %" PRIu64 ", on node %s: %" PRIu64 " byte%s",
                   phases[logs->phase % 3], logs->task, logs->attempt, logs->node, logs->total,
                   logs->total == 1 ? "" : "s");
    if (kept < logs->total) {
        mr_page_printf(&head, ", %" PRIu64 " of which %s kept", kept, kept == 1 ? "was" : "were");
    }
    mr_page_put(&head, "\n");
    if (!mr_page_write(&head, STDERR_FILENO, "standard error")) {
        (void)!mr_page_write(&logs->text, STDOUT_FILENO, "standard output");
    }
    mr_page_fini(&head);
    return err->code;
}

int mr_logs_main(const struct mr_command *command, char **args, struct mr_error *err) {
    struct mr_option_value values[MR_CONNECT_OPTIONS_MAX] = {{0}};
    struct mr_client *client = NULL;
    if (mr_connect_begin(command, args, 2, "of which job? `millrace status` lists them", values,
                         &client, err) ||
        !client) {
        return err->code;
    }
    struct logs logs = {.text = {.err = err}};
    struct mr_wire_ask_log question = {.job = args[0],
                                       .phase = FIRST_FAILURE,
                                       .round = UINT32_MAX, /* the one under way */
                                       .attempt =
                                           mr_commands_value(command, values, "attempt")->number};
    struct mr_ask ask = {.question = MR_WIRE_ASK_LOG,
                         .message = &question,
                         .answer = MR_WIRE_LOG,
                         .take = take,
                         .restart = restart,
                         .arg = &logs};
    if (!(args[1] && read_task(args[1], &question, err)) && !mr_ask(client, &ask, err)) {
        (void)!(mr_commands_value(command, values, "json")->given ? show_json(&logs, err)
                                                                  : show(&logs, err));
    }
    mr_page_fini(&logs.text);
    return mr_connect_close(client, err);
}
