/* wait: `millrace wait JOB`: waits for a job, and collects its output. */
#include "cluster/wait.h"

#include "cluster/attend.h"
#include "cluster/connect.h"
#include "lib/base/error.h"
#include "lib/client/ask.h"
#include "lib/term/terminal.h"

#include <stdio.h>
#include <unistd.h>

static int take(const union mr_wire_any *answer, void *arg, struct mr_error *err) {
    char *id = arg;
    const struct mr_wire_jobs *jobs = &answer->jobs_;
    if (jobs->jobs_count != 1 || !jobs->jobs[0].id) {
        return mr_error_set(err, MR_ERR_CLUSTER, "the master names no job");
    }
    snprintf(id, MR_WIRE_ID_MAX, "%s", jobs->jobs[0].id);
    return 1;
}

/* The whole id of a job that was named by a number, or by what its id begins with. */
static int find_id(struct mr_client *client, const char *job, char id[MR_WIRE_ID_MAX],
                   struct mr_error *err) {
    struct mr_wire_ask_jobs question = {.job = job};
    struct mr_ask ask = {.question = MR_WIRE_ASK_JOBS,
                         .message = &question,
                         .answer = MR_WIRE_JOBS,
                         .take = take,
                         .arg = id};
    return mr_ask(client, &ask, err);
}

static int check(const struct mr_attend_options *options, struct mr_error *err) {
    if (options->output && !options->collects) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "-o DIR is for what is brought here: give --collect");
    }
    return options->overwrite && !options->output
               ? mr_error_set(err, MR_ERR_USAGE, "--overwrite replaces an output: give -o DIR too")
               : MR_OK;
}

int mr_wait_main(const struct mr_command *command, char **args, struct mr_error *err) {
    struct mr_option_value values[MR_CONNECT_OPTIONS_MAX] = {{0}};
    struct mr_client *client = NULL;
    struct mr_attend *attend = NULL;
    char id[MR_WIRE_ID_MAX];
    if (mr_connect_begin(command, args, 1, "for which job? `millrace status` lists them", values,
                         &client, err) ||
        !client) {
        return err->code;
    }
    bool is_quiet = mr_commands_value(command, values, "quiet")->given;
    struct mr_attend_options options = {
        .id = id,
        .follows = mr_commands_value(command, values, "follow")->given ||
                   (mr_terminal_is_rich(STDERR_FILENO) && !is_quiet),
        .cancels = mr_commands_value(command, values, "cancel-on-exit")->given,
        .closes = mr_terminal_is(STDERR_FILENO) && !is_quiet,
        .json = mr_commands_value(command, values, "json")->given,
        .collects = mr_commands_value(command, values, "collect")->given,
        .output = mr_commands_value(command, values, "output")->text,
        .overwrite = mr_commands_value(command, values, "overwrite")->given,
        .patience_ms = mr_connect_ms(mr_commands_value(command, values, "connect-timeout"))};
    if (!check(&options, err) && !find_id(client, args[0], id, err) &&
        !mr_attend_create(&options, &attend, err)) {
        (void)!mr_attend_run(attend, client, err);
    }
    mr_attend_destroy(attend);
    return mr_connect_close(client, err);
}
