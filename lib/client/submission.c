/* submission: a job as it is handed to a cluster: described, its output prepared. */
#include "lib/client/submission.h"

#include "lib/base/error.h"
#include "lib/client/description.h"
#include "lib/output/commit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#define ID_BYTES 16

struct mr_submission {
    const struct mr_description_options *options;
    struct mr_description *description;
    struct mr_commit *commit;
    bool has_asked; /* the master may know of it */
    bool is_submitted;
    uint32_t number;
    char id[2 * ID_BYTES + 1];
};

/* ---- what is refused --------------------------------------------------------------------------*/

static int refuse_stream(const char *shown, const char *quote, struct mr_error *err) {
    return mr_error_set(err, MR_ERR_USAGE,
                        "%s%s%s can't be read on other machines: name files on a file system that "
                        "every mapper sees, or use millrace run",
                        quote, shown, quote);
}

static int check_inputs(const struct mr_run_spec *spec, struct mr_error *err) {
    struct stat about;
    if (spec->input_count == 0) {
        return refuse_stream("standard input", "", err);
    }
    for (size_t i = 0; i < spec->input_count; i++) {
        const char *name = spec->inputs[i];
        if (strcmp(name, "-") == 0) {
            return refuse_stream("standard input", "", err);
        }
        if (stat(name, &about) == 0 && !S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode)) {
            return refuse_stream(name, "\"", err);
        }
    }
    return MR_OK;
}

/* ---- beginning --------------------------------------------------------------------------------*/

static int make_id(struct mr_submission *submission, struct mr_error *err) {
    unsigned char random[ID_BYTES];
    if (getrandom(random, sizeof random, 0) != sizeof random) {
        return mr_error_set(err, MR_ERR_IO, "the system gave no random bytes for the job's id");
    }
    for (size_t i = 0; i < ID_BYTES; i++) {
        snprintf(submission->id + 2 * i, 3, "%02x", random[i]);
    }
    return MR_OK;
}

static int prepare_output(struct mr_submission *submission, struct mr_error *err) {
    const struct mr_run_spec *spec = submission->options->spec;
    enum mr_commit_standing standing;
    if (!mr_description_output(submission->description)) {
        return MR_OK;
    }
    return mr_commit_take_up(spec->output, spec->overwrite, submission->id, MR_COMMIT_CLUSTER,
                             &submission->commit, &standing, err);
}

int mr_submission_create(const struct mr_description_options *options, struct mr_client *client,
                         struct mr_submission **submission, struct mr_error *err) {
    struct mr_submission *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "describing the job");
    }
    made->options = options;
    if (check_inputs(options->spec, err) || make_id(made, err) ||
        mr_description_create(options, made->id, client, &made->description, err) ||
        prepare_output(made, err)) {
        mr_submission_destroy(made);
        return err->code;
    }
    *submission = made;
    return MR_OK;
}

const char *mr_submission_id(const struct mr_submission *submission) {
    return submission->id;
}

static int begin(struct mr_client *client, void *arg, struct mr_error *err) {
    struct mr_submission *submission = arg;
    struct mr_hash_128 hash = mr_description_hash(submission->description);
    struct mr_wire_submit submit = {
        .id = submission->id, .spec_high = hash.high, .spec_low = hash.low};
    submission->has_asked = true;
    return mr_client_send(client, MR_WIRE_SUBMIT, &submit, err);
}

static int take(struct mr_client *client, const struct mr_client_message *message, void *arg,
                struct mr_error *err) {
    struct mr_submission *submission = arg;
    (void)client;
    if (message->kind == MR_WIRE_RESULT) {
        submission->has_asked = false;
        return mr_client_result(&message->as->result_, err);
    }
    if (message->kind != MR_WIRE_SUBMITTED) {
        return 0;
    }
    submission->number = (uint32_t)message->as->submitted_.job;
    return 1;
}

static int interrupted(struct mr_client *client, int signal_number, void *arg,
                       struct mr_error *err) {
    (void)client;
    (void)signal_number;
    (void)arg;
    return mr_error_set(err, MR_ERR_INTERRUPTED, "interrupted");
}

int mr_submission_send(struct mr_submission *submission, struct mr_client *client, uint32_t *number,
                       struct mr_error *err) {
    struct mr_client_call call = {
        .begin = begin, .take = take, .interrupted = interrupted, .arg = submission};
    if (mr_client_run(client, &call, err)) {
        return submission->has_asked
                   ? mr_error_add(err, "; job %s may have been submitted", submission->id)
                   : err->code;
    }
    submission->is_submitted = true;
    mr_commit_leave(submission->commit); /* the publisher waits for its lock */
    submission->commit = NULL;
    *number = submission->number;
    return MR_OK;
}

bool mr_submission_is_unsure(const struct mr_submission *submission) {
    return submission->has_asked && !submission->is_submitted;
}

void mr_submission_drop(struct mr_submission *submission) {
    enum mr_pending_left left;
    struct mr_error ignored = {0};
    mr_commit_leave(submission->commit); /* it holds the lock */
    submission->commit = NULL;
    const char *output = mr_description_output(submission->description);
    if (output) {
        (void)!mr_commit_drop(output, submission->id, &left, &ignored);
    }
}

void mr_submission_destroy(struct mr_submission *submission) {
    if (!submission) {
        return;
    }
    if (submission->is_submitted || submission->has_asked) {
        mr_commit_leave(submission->commit);
    } else {
        mr_commit_end(submission->commit);
    }
    mr_description_destroy(submission->description);
    free(submission);
}
