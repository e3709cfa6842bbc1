/* allegiance: how a worker stands with its master: what it says of itself, whose it is, and fences.
 */
#include "lib/worker/node/allegiance.h"

#include "lib/base/error.h"
#include "lib/worker/node/dispatch.h"
#include <stdio.h>

void mr_allegiance_leave(struct mr_daemon *daemon) {
    struct mr_wire_leave message = {.why = "it was asked to end"};
    (void)mr_link_send(daemon->link, MR_WIRE_LEAVE, &message);
}

static void describe(void *user, struct mr_wire_register *message) {
    const struct mr_daemon *daemon = user;
    const struct mr_folder *folder = &daemon->folder;
    *message = (struct mr_wire_register){.identity = folder->identity,
                                         .name = folder->name,
                                         .host = daemon->host,
                                         .roles = daemon->options->roles,
                                         .slots = mr_hands_count(daemon->hands),
                                         .address = daemon->address,
                                         .scratch = folder->path,
                                         .cluster = *folder->cluster ? folder->cluster : NULL,
                                         .epoch = folder->seen.epoch,
                                         .start = folder->seen.start,
                                         .sequence = folder->seen.sequence,
                                         .accepts_older = daemon->options->accept_older_journal};
}

static size_t list_held(void *user, size_t from, struct mr_wire_row_held *rows, size_t most) {
    const struct mr_daemon *daemon = user;
    return mr_docket_list(daemon->docket, from, rows, most);
}

static size_t list_moved(void *user, struct mr_wire_row_moved *rows, size_t most) {
    const struct mr_daemon *daemon = user;
    return mr_errands_list(daemon->errands, rows, most);
}

/* What is here belongs to a cluster. Whether the journal is the one that this worker saw the master
 * has judged by what the worker told it. */
static int judge(void *user, const struct mr_wire_registered *message, struct mr_error *err) {
    struct mr_daemon *daemon = user;
    struct mr_folder *folder = &daemon->folder;
    const char *cluster = message->cluster ? message->cluster : "";
    const struct mr_folder_seen seen = {message->epoch, message->start, message->sequence};
    if (strspn(cluster, "0123456789abcdef") != strlen(cluster) || !*cluster) {
        return mr_error_set(err, MR_ERR_IO, "the master does not say which cluster it is of");
    }
    if (*folder->cluster && strcmp(folder->cluster, cluster) != 0) {
        mr_daemon_say(daemon, "the master is of another cluster: what was held for the one before "
                              "is removed");
        mr_dispatch_forget_all(daemon);
        if (mr_folder_note(folder, cluster, &seen, err)) {
            return err->code;
        }
        mr_link_begin_anew(daemon->link, "it belongs to another cluster now");
        return MR_OK;
    }
    return mr_folder_note(folder, cluster, &seen, err);
}

static void registered(void *user) {
    struct mr_daemon *daemon = user;
    mr_inflow_set_node(daemon->inflow, mr_link_node(daemon->link));
    mr_wants_begin(daemon->wants, daemon->link);
    mr_errands_tell_again(daemon->errands);
    if (daemon->is_leaving) {
        mr_allegiance_leave(daemon);
    }
    if (!daemon->was_ready) {
        daemon->was_ready = true;
        if (daemon->options->ready) {
            daemon->options->ready(daemon->options->ready_arg, daemon->address);
        }
    } else if (daemon->options->is_verbose) {
        mr_daemon_say(daemon, "registered again");
    }
}

static void renewed(void *user, const struct mr_wire_renewed *message) {
    struct mr_daemon *daemon = user;
    struct mr_folder *folder = &daemon->folder;
    struct mr_error err = {0};
    const struct mr_folder_seen seen = {folder->seen.epoch, folder->seen.start, message->sequence};
    if (message->epoch == seen.epoch && message->sequence > folder->seen.sequence &&
        mr_folder_note(folder, folder->cluster, &seen, &err)) {
        mr_daemon_say(daemon, err.text);
    }
}

static void fenced(void *user, const char *why) {
    struct mr_daemon *daemon = user;
    char text[MR_ERROR_TEXT_MAX];
    snprintf(text, sizeof text, "all attempts end, and it registers anew: %.900s", why);
    mr_daemon_say(daemon, text);
    mr_errands_fence(daemon->errands);
    mr_publisher_forget(daemon->publisher, NULL);
}

static void refused(void *user, const char *why) {
    struct mr_daemon *daemon = user;
    mr_error_set(daemon->err, MR_ERR_CLUSTER, "%s", why);
    mr_daemon_end(daemon);
}

static int message(void *user, unsigned kind, const union mr_wire_any *any, struct mr_bytes piece,
                   struct mr_error *err) {
    struct mr_daemon *daemon = user;
    (void)!mr_dispatch_message(daemon, kind, any, piece, err);
    if (daemon->is_drained && daemon->is_leaving) {
        mr_daemon_end(daemon);
    }
    daemon->is_drained = false; /* drained by an operator it stays, and may be wanted again */
    return err->code;
}

static void drained(void *user) {
    struct mr_daemon *daemon = user;
    mr_wants_go_on(daemon->wants);
    mr_errands_look(daemon->errands);
}

static void say(void *user, const char *text) {
    mr_daemon_say(user, text);
}

static const struct mr_link_events link_events = {.describe = describe,
                                                  .list_held = list_held,
                                                  .list_moved = list_moved,
                                                  .judge = judge,
                                                  .registered = registered,
                                                  .renewed = renewed,
                                                  .fenced = fenced,
                                                  .refused = refused,
                                                  .message = message,
                                                  .drained = drained,
                                                  .say = say,
                                                  .closed = mr_daemon_close_next};

int mr_allegiance_begin(struct mr_daemon *daemon, struct mr_error *err) {
    return mr_link_open(daemon->net, daemon->options->master, &link_events, daemon, &daemon->link,
                        err);
}
