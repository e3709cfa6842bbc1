/* attend: stays with a job until it has ended: shows it, collects its output, hears Ctrl-C.
 *
 * The first Ctrl-C leaves the job to the cluster; this command lingers for a moment, in which a
 * second one cancels the job. SIGTERM and SIGHUP leave at once. */
#include "cluster/attend.h"

#include "cli/page.h"
#include "cli/say.h"
#include "cluster/follow.h"
#include "lib/base/error.h"
#include "lib/client/collect.h"
#include "lib/client/download.h"
#include "lib/term/units.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINGER_MS 2000  /* for a second Ctrl-C */
#define CANCEL_MS 10000 /* for the answer to a cancellation */
#define MANIFEST_MAX ((uint64_t)256 << 20)

struct mr_attend {
    const struct mr_attend_options *options;
    struct mr_collect_target target;
    struct mr_collect *collect; /* NULL: nothing is collected */
    struct mr_watch watch;
    struct mr_follow follow;
    bool has_hinted;
    bool is_leaving;   /* Ctrl-C came once */
    bool is_cancelled; /* and twice, or --cancel-on-exit */
};

int mr_attend_create(const struct mr_attend_options *options, struct mr_attend **attend,
                     struct mr_error *err) {
    struct mr_attend *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "waiting for a job");
    }
    made->options = options;
    made->target = (struct mr_collect_target){.output = options->output,
                                              .output_fd = STDOUT_FILENO,
                                              .overwrite = options->overwrite,
                                              .wants_manifest = options->json,
                                              .patience_ms = options->patience_ms};
    if (options->collects && mr_collect_open(&made->target, options->id, &made->collect, err)) {
        mr_attend_destroy(made);
        return err->code;
    }
    *attend = made;
    return MR_OK;
}

void mr_attend_destroy(struct mr_attend *attend) {
    if (attend) {
        mr_watch_fini(&attend->watch);
        mr_collect_close(attend->collect);
        free(attend);
    }
}

/* ---- interrupted ------------------------------------------------------------------------------*/

__attribute__((format(printf, 2, 3))) static void say(struct mr_attend *attend, const char *format,
                                                      ...) {
    char line[MR_WIRE_TEXT_MAX + 256];
    va_list args;
    if (attend->options->follows) {
        mr_follow_clear(&attend->follow);
    }
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    mr_say_text("millrace: ");
    mr_say_text(line);
    mr_say_text("\n");
}

static int cancel(struct mr_attend *attend, struct mr_client *client, struct mr_error *err) {
    struct mr_wire_cancel message = {.job = attend->options->id};
    attend->is_cancelled = true;
    say(attend, "cancelling job %.8s", attend->options->id);
    mr_client_set_clock(client, CANCEL_MS);
    return mr_client_send(client, MR_WIRE_CANCEL, &message, err);
}

static void say_left(struct mr_attend *attend, bool lingers) {
    const char *id = attend->options->id;
    say(attend,
        "job %.8s goes on: `millrace wait %.8s%s` comes back to it, `millrace cancel %.8s` "
        "ends it%s",
        id, id, attend->collect ? " --collect" : "", id,
        lingers ? "; Ctrl-C now cancels it too" : "");
}

static int interrupted(struct mr_client *client, int signal_number, void *arg,
                       struct mr_error *err) {
    struct mr_attend *attend = arg;
    if (attend->is_cancelled) {
        return MR_ERR_INTERRUPTED; /* enough */
    }
    if (attend->options->cancels || attend->is_leaving) {
        return cancel(attend, client, err);
    }
    bool lingers = signal_number == SIGINT && !attend->watch.has_parts;
    say_left(attend, lingers);
    attend->is_leaving = true;
    mr_client_set_clock(client, LINGER_MS);
    return lingers ? 0 : MR_ERR_INTERRUPTED;
}

static int expired(struct mr_client *client, void *arg, struct mr_error *err) {
    struct mr_attend *attend = arg;
    (void)client;
    (void)err;
    if (attend->is_cancelled) {
        say(attend, "no answer: whether job %.8s is cancelled isn't known", attend->options->id);
    }
    return MR_ERR_INTERRUPTED;
}

/* In silence, what would be waited for in vain is said, once: workers that are not there, an output
 * that this command was not told to collect. */
static void hint(struct mr_attend *attend, const struct mr_wire_row_job_line *job) {
    const char *state = job->state ? job->state : "";
    const char *id = attend->options->id;
    bool is_uncollected = !attend->collect && strcmp(state, "uncollected") == 0;
    bool waits = strcmp(state, "waiting") == 0 || strcmp(state, "publishing") == 0;
    if ((waits || is_uncollected) && job->why && !attend->has_hinted) {
        attend->has_hinted = true;
        say(attend, "job %.8s waits: %s%s%.8s%s", id, job->why,
            is_uncollected ? ": millrace wait " : "", is_uncollected ? id : "",
            is_uncollected ? " --collect" : "");
    }
}

static void show(void *arg, const struct mr_wire_progress *progress) {
    struct mr_attend *attend = arg;
    if (attend->options->follows) {
        mr_follow_show(&attend->follow, progress);
    } else {
        hint(attend, progress->jobs);
    }
}

/* ---- its end ----------------------------------------------------------------------------------*/

/* The last lines of a log, each behind a mark, control characters shown as '?'. */
static void say_log(const char *log) {
    char line[MR_WIRE_TEXT_MAX + 32];
    while (*log) {
        size_t len = strcspn(log, "\n");
        snprintf(line, sizeof line, "millrace:   | %.*s\n", (int)len, log);
        for (char *at = line; *at && at[1]; at++) {
            *at = ((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f ? '?' : *at;
        }
        mr_say_text(line);
        log += len + (log[len] == '\n');
    }
}

static void say_failure(struct mr_attend *attend) {
    const struct mr_watch_end *end = &attend->watch.end;
    const char *why = end->why[0] ? end->why : "the master says no more";
    struct mr_error cause = {0};
    if (end->status == MR_ERR_INTERRUPTED) {
        say(attend, "job %u (%.8s) was cancelled", end->job, end->id);
        return;
    }
    say(attend, "job %u (%.8s) failed:", end->job, end->id);
    mr_error_set(&cause, end->status, "%s", why);
    mr_say_error(&cause);
    if (end->log[0]) {
        say(attend, "the last lines of its log:");
        say_log(end->log);
    }
    bool has_log = end->log[0] != '\0';
    say(attend, "to look further: %s%.8s%smillrace status %.8s", has_log ? "millrace logs " : "",
        has_log ? end->id : "", has_log ? ", " : "", end->id);
}

/* Records that are not in the result are never left unsaid. */
static void say_skipped(struct mr_attend *attend) {
    uint64_t skipped = attend->watch.end.skipped;
    const char *output = attend->options->output;
    if (skipped) {
        say(attend, "%" PRIu64 " record%s set aside: %.300s%s_skipped", skipped,
            skipped == 1 ? " was" : "s were", output ? output : "in the output, ",
            output ? "/" : "");
    }
}

/* As that of `millrace run`, and which job it was. */
static void say_closing(const struct mr_attend *attend) {
    const struct mr_watch_end *end = &attend->watch.end;
    const char *output = attend->options->output;
    char records[MR_UNITS_TEXT_MAX];
    char bytes[MR_UNITS_TEXT_MAX];
    char seconds[MR_UNITS_TEXT_MAX];
    char rate[MR_UNITS_TEXT_MAX];
    char line[MR_WIRE_TEXT_MAX + 512];
    const char *name = attend->options->name ? attend->options->name : end->label;
    snprintf(line, sizeof line, "%.*s: %s record%s, %s in %s (%s)%s%.256s (job %u, %.8s",
             (int)strcspn(name, " "), name, mr_units_count(records, sizeof records, end->records),
             end->records == 1 ? "" : "s", mr_units_bytes(bytes, sizeof bytes, end->input_bytes),
             mr_units_seconds(seconds, sizeof seconds, end->seconds),
             mr_units_rate(rate, sizeof rate, end->input_bytes, end->seconds), output ? " -> " : "",
             output ? output : "", end->job, end->id);
    mr_say_text(line);
    if (end->failed) {
        snprintf(line, sizeof line, "; %u attempt%s failed and %s made again", end->failed,
                 end->failed == 1 ? "" : "s", end->failed == 1 ? "was" : "were");
        mr_say_text(line);
    }
    mr_say_text(")\n");
}

static int print_manifest(const struct mr_attend *attend, struct mr_client *client, char *manifest,
                          struct mr_error *err) {
    struct mr_page page = {.err = err};
    struct mr_hash_128 hash = attend->watch.end.manifest;
    bool is_stream = attend->options->collects && !attend->options->output;
    if (manifest) {
        mr_page_put(&page, manifest);
    } else if (!mr_hash_128_is_none(hash)) {
        struct mr_download blob = {.hash = hash, .most = MANIFEST_MAX};
        page.status = mr_download_run(client, &blob, &page.text, err);
    }
    int status = mr_page_write(&page, is_stream ? STDERR_FILENO : STDOUT_FILENO,
                               is_stream ? "standard error" : "standard output");
    mr_page_fini(&page);
    return status;
}

/* What is said of a job that has ended. */
static int finish(struct mr_attend *attend, struct mr_client *client, char *manifest,
                  struct mr_error *err) {
    int status = attend->watch.end.status;
    if (attend->is_cancelled && status) {
        say(attend, "job %.8s is cancelled", attend->options->id);
        err->code = MR_ERR_INTERRUPTED;
        return MR_ERR_INTERRUPTED;
    }
    if (status) {
        say_failure(attend);
        err->code = status;
        return status;
    }
    say_skipped(attend);
    if (attend->options->closes) {
        say_closing(attend);
    }
    return attend->options->json ? print_manifest(attend, client, manifest, err) : MR_OK;
}

bool mr_attend_has_failed(const struct mr_attend *attend) {
    return attend->watch.end.status != 0;
}

int mr_attend_run(struct mr_attend *attend, struct mr_client *client, struct mr_error *err) {
    const struct mr_attend_options *options = attend->options;
    struct mr_watch *watch = &attend->watch;
    char *manifest = NULL;
    *watch = (struct mr_watch){.job = options->id,
                               .interrupted = interrupted,
                               .expired = expired,
                               .progress = show,
                               .arg = attend};
    mr_follow_init(&attend->follow, STDERR_FILENO);
    int status = attend->collect ? mr_collect_run(attend->collect, watch, client, &manifest, err)
                                 : mr_watch_run(watch, client, err);
    mr_follow_clear(&attend->follow);
    if (!status) {
        status = finish(attend, client, manifest, err);
    } else if (status == MR_ERR_IO && watch->has_parts) {
        mr_error_add(err, "; job %.8s keeps its output: millrace wait %.8s --collect", options->id,
                     options->id);
    } else if (status == MR_ERR_CLUSTER) {
        mr_error_add(err, "; job %.8s needs no command: millrace wait %.8s comes back to it",
                     options->id, options->id);
    }
    free(manifest);
    return status;
}
