/* submit: `millrace submit`: has a cluster run a job. */
#include "cluster/submit.h"

#include "cli/help.h"
#include "cli/request.h"
#include "cluster/attend.h"
#include "cluster/connect.h"
#include "cluster/json.h"
#include "lib/base/error.h"
#include "lib/client/ask.h"
#include "lib/client/submission.h"
#include "lib/term/terminal.h"

#include <string.h>
#include <unistd.h>

#define COLLECTED "(collected)" /* as a directory that is named later */

/* What is asked for beside the run. */
struct wish {
    struct mr_request *request;
    bool collects; /* --collect, or to standard output */
    bool follows;
    bool detaches;
};

static bool is_given(const struct mr_request *request, const char *name) {
    return mr_request_value(request, name)->given;
}

static int check(const struct mr_request *request, struct mr_error *err) {
    static const char *const ways[] = {"wait", "follow", "detach"};
    const char *way = NULL;
    if (request->spec.input_count == 0) {
        return mr_error_set(err, MR_ERR_USAGE, "no input: name files, directories or globs");
    }
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (way && is_given(request, ways[i])) {
            return mr_error_set(err, MR_ERR_USAGE, "--%s and --%s: which?", way, ways[i]);
        }
        way = is_given(request, ways[i]) ? ways[i] : way;
    }
    bool detaches = is_given(request, "detach");
    bool collects = is_given(request, "collect");
    if (detaches && !request->spec.output && !collects) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "--detach with a result to standard output: give -o DIR, or --collect "
                            "(and later: millrace wait JOB --collect)");
    }
    if (detaches && request->spec.output && collects) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "--detach --collect: the directory is named when it is collected "
                            "(millrace wait JOB --collect -o DIR)");
    }
    return MR_OK;
}

static struct wish make_wish(struct mr_request *request) {
    bool is_rich = mr_terminal_is_rich(STDERR_FILENO) && !request->quiet;
    return (struct wish){.request = request,
                         .collects = is_given(request, "collect") || !request->spec.output,
                         .follows =
                             is_given(request, "follow") || (is_rich && !is_given(request, "wait")),
                         .detaches = is_given(request, "detach")};
}

static int print_id(const struct wish *wish, const char *id, uint32_t number,
                    struct mr_error *err) {
    struct mr_page page = {.err = err};
    if (wish->request->json) {
        mr_json_open(&page, NULL, '{');
        mr_json_number(&page, "job", number);
        mr_json_text(&page, "id", id);
        mr_json_close(&page, '{');
        mr_page_put(&page, "\n");
    } else {
        mr_page_printf(&page, "%s\n", id);
    }
    if (mr_page_write(&page, STDOUT_FILENO, "standard output")) {
        mr_error_add(err, "; job %.8s is submitted", id);
    }
    mr_page_fini(&page);
    return err->code;
}

/* Interrupted before the master answered, and told to cancel then. */
static void cancel_unsure(struct mr_submission *submission, struct mr_client *client,
                          struct mr_error *err) {
    struct mr_wire_cancel question = {.job = mr_submission_id(submission)};
    struct mr_ask ask = {
        .question = MR_WIRE_CANCEL, .message = &question, .answer = MR_WIRE_RESULT};
    struct mr_error why = {0};
    if (mr_ask(client, &ask, &why)) {
        mr_error_add(err, ": %s", why.text);
        return;
    }
    mr_submission_drop(submission);
    *err = (struct mr_error){0};
    mr_error_set(err, MR_ERR_INTERRUPTED, "interrupted; job %.8s is cancelled", question.job);
}

/* Hands the job over, and stays with it. */
static int send(const struct wish *wish, struct mr_submission *submission, struct mr_client *client,
                struct mr_error *err) {
    const struct mr_request *request = wish->request;
    struct mr_attend *attend = NULL;
    uint32_t number = 0;
    bool is_terminal = mr_terminal_is(STDERR_FILENO);
    struct mr_attend_options options = {
        .id = mr_submission_id(submission),
        .name = request->spec.job->name,
        .follows = wish->follows,
        .cancels = is_given(request, "cancel-on-exit"),
        .closes = request->verbose || (is_terminal && !request->quiet),
        .json = request->json,
        .collects = wish->collects && !wish->detaches,
        .output = request->spec.output,
        .overwrite = request->spec.overwrite,
        .patience_ms = mr_connect_ms(mr_request_value(request, "connect-timeout"))};
    if (mr_attend_create(&options, &attend, err)) {
        return err->code;
    }
    if (mr_submission_send(submission, client, &number, err)) {
        if (err->code == MR_ERR_INTERRUPTED && options.cancels &&
            mr_submission_is_unsure(submission)) {
            cancel_unsure(submission, client, err);
        }
    } else {
        (void)!(wish->detaches ? print_id(wish, options.id, number, err)
                               : mr_attend_run(attend, client, err));
        if (mr_attend_has_failed(attend)) {
            mr_submission_drop(submission);
        }
    }
    mr_attend_destroy(attend);
    return err->code;
}

static int submit(struct mr_request *request, struct mr_error *err) {
    struct wish wish = make_wish(request);
    struct mr_client *client = NULL;
    struct mr_submission *submission = NULL;
    struct mr_run_spec spec = request->spec;
    const char *codec = mr_request_value(request, "shuffle-codec")->text;
    struct mr_description_options options = {
        .spec = &spec,
        .is_collected = wish.collects,
        .is_strict = is_given(request, "strict"),
        .has_no_codec = codec && strcmp(codec, "none") == 0,
        .weight = (uint32_t)mr_request_value(request, "weight")->number};
    if (wish.collects && wish.detaches) {
        spec.output = COLLECTED; /* a directory, not a stream */
    }
    if (!mr_connect_open(mr_request_value(request, "master"), mr_request_value(request, "secret"),
                         mr_request_value(request, "connect-timeout"), &client, err) &&
        !mr_submission_create(&options, client, &submission, err)) {
        (void)!send(&wish, submission, client, err);
    }
    int status = mr_connect_close(client, err);
    mr_submission_destroy(submission);
    return status;
}

int mr_submit_main(const struct mr_command *command, char **args, struct mr_error *err) {
    struct mr_request request = {.options = command->options};
    int status = mr_request_parse(&request, args, err);
    if (!status && request.help) {
        status = mr_help_show(command, request.spec.job, err);
    } else if (!status && (status = check(&request, err)) == MR_OK) {
        status = submit(&request, err);
    }
    mr_request_fini(&request);
    return status;
}
