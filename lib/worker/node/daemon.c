/* daemon: the rooms of one worker daemon: opens them, tells one what another says, closes them. */
#include "lib/worker/node/daemon.h"

#include "lib/base/error.h"
#include "lib/base/machine.h"
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

void mr_daemon_say(const struct mr_daemon *daemon, const char *text) {
    if (daemon->options->say) {
        daemon->options->say(daemon->options->say_arg, text);
    } else {
        fprintf(stderr, "millrace %s: %s\n", daemon->options->command, text);
    }
}

/* ---- what one says to the others --------------------------------------------------------------*/

static void blob_came(void *user, struct mr_hash_128 hash, const struct mr_error *err) {
    struct mr_daemon *daemon = user;
    mr_docket_came(daemon->docket, hash, err);
    mr_publisher_came(daemon->publisher, hash, err);
    mr_errands_came(daemon->errands, hash, err);
}

static void job_changed(void *user, struct mr_dossier *job) {
    struct mr_daemon *daemon = user;
    (void)job;
    if (daemon->errands) { /* while the folder is read there is nothing yet */
        mr_errands_look(daemon->errands);
    }
}

static void attempt_finished(void *user, struct mr_hands_work *work) {
    struct mr_daemon *daemon = user;
    mr_errands_finished(daemon->errands, work);
}

static void slot_prepared(void *user) {
    struct mr_daemon *daemon = user;
    mr_errands_look(daemon->errands);
}

static void slot_left(void *user, struct mr_dossier *job) {
    struct mr_daemon *daemon = user;
    mr_docket_leave(daemon->docket, job);
    mr_errands_look(daemon->errands);
}

static void output_cleared(void *user, const char *id, enum mr_pending_left left) {
    struct mr_daemon *daemon = user;
    struct mr_wire_cleared message = {.id = id, .found = left};
    if (daemon->link && !daemon->is_ending) { /* unheard, it is asked for again */
        (void)mr_link_send(daemon->link, MR_WIRE_CLEARED, &message);
    }
}

static void listener_closed(struct mr_listener *listener, void *user) {
    (void)listener;
    mr_daemon_close_next(user);
}

static int accepted(struct mr_listener *listener, struct mr_conn *conn, void *user,
                    struct mr_error *err) {
    struct mr_daemon *daemon = user;
    (void)listener;
    return daemon->is_ending /* who serves may be gone already */
               ? mr_error_set(err, MR_ERR_CLUSTER, "this worker is about to end")
               : mr_serving_accept(daemon->serving, conn, err);
}

static void turned_away(struct mr_listener *listener, const struct mr_error *why, void *user) {
    (void)listener;
    mr_daemon_say(user, why->text);
}

static const struct mr_listener_events listener_events = {
    .accepted = accepted, .turned_away = turned_away, .closed = listener_closed};

/* ---- opening ----------------------------------------------------------------------------------*/

static int open_net(struct mr_daemon *daemon, const struct mr_secret *secret,
                    const struct mr_listener_options *listening, struct mr_error *err) {
    struct mr_net_config config = {.loop = daemon->loop,
                                   .secret = secret,
                                   .role = daemon->options->roles & MR_NODE_REDUCES ? MR_NET_REDUCER
                                                                                    : MR_NET_MAPPER,
                                   .name = daemon->folder.name,
                                   .limit = mr_wire_limit,
                                   .limits = daemon->options->limits};
    if (mr_net_create(&config, &daemon->net, err) ||
        mr_listener_open(daemon->net, listening, daemon->options->command, &listener_events, daemon,
                         &daemon->listener, err)) {
        return err->code;
    }
    if (daemon->options->host) {
        snprintf(daemon->host, sizeof daemon->host, "%s", daemon->options->host);
    } else {
        mr_whereabouts_host(daemon->host);
    }
    mr_whereabouts_reach(mr_listener_address(daemon->listener), daemon->options->master,
                         daemon->address);
    return MR_OK;
}

static int open_rooms(struct mr_daemon *daemon, struct mr_error *err) {
    struct mr_folder *folder = &daemon->folder;
    if (mr_wants_create(folder->blobs, blob_came, daemon, &daemon->wants, err) ||
        mr_docket_create(folder, daemon->wants, job_changed, daemon, &daemon->docket, err) ||
        mr_peers_create(daemon->net, &daemon->peers, err)) {
        return err->code;
    }
    struct mr_inflow_options inflow = {.net = daemon->net,
                                       .docket = daemon->docket,
                                       .peers = daemon->peers,
                                       .host = daemon->host,
                                       .codec = daemon->options->codec,
                                       .changed = job_changed,
                                       .user = daemon};
    struct mr_publisher_options publisher = {.loop = daemon->loop,
                                             .link = &daemon->link,
                                             .folder = folder,
                                             .wants = daemon->wants,
                                             .docket = daemon->docket};
    struct mr_chores_options chores = {
        .loop = daemon->loop, .folder = folder, .cleared = output_cleared, .user = daemon};
    if (mr_inflow_create(&inflow, &daemon->inflow, err) ||
        mr_publisher_create(&publisher, &daemon->publisher, err) ||
        mr_serving_create(daemon->docket, &daemon->serving, err) ||
        mr_chores_create(&chores, &daemon->chores, err)) {
        return err->code;
    }
    struct mr_errand_around around = {.link = &daemon->link,
                                      .blobs = folder->blobs,
                                      .wants = daemon->wants,
                                      .docket = daemon->docket,
                                      .inflow = daemon->inflow,
                                      .hands = &daemon->hands};
    struct mr_hands_options hands = {.loop = daemon->loop,
                                     .slots = daemon->options->slots,
                                     .program = daemon->options->program,
                                     .node = folder->name,
                                     .id = daemon->id,
                                     .echoes = daemon->options->is_verbose,
                                     .finished = attempt_finished,
                                     .prepared = slot_prepared,
                                     .left = slot_left,
                                     .closed = mr_daemon_close_next,
                                     .user = daemon};
    hands.slots = hands.slots ? hands.slots : mr_machine_cpus();
    return mr_errands_create(daemon->loop, &around, &daemon->errands, err) ||
                   mr_hands_create(&hands, &daemon->hands, err)
               ? err->code
               : MR_OK;
}

int mr_daemon_open(struct mr_daemon *daemon, const struct mr_secret *secret,
                   const struct mr_listener_options *listening, struct mr_error *err) {
    snprintf(daemon->id, sizeof daemon->id, "%08x%04x", (unsigned)getpid(),
             (unsigned)uv_hrtime() & 0xFFFF);
    return open_net(daemon, secret, listening, err) || open_rooms(daemon, err) ? err->code : MR_OK;
}

/* ---- closing ----------------------------------------------------------------------------------*/

/* Closes what comes at a step; false: there was nothing, or it is closed already. */
static bool close_step(struct mr_daemon *daemon, unsigned step) {
    switch (step) {
    case 0:
        mr_link_close(daemon->link);
        return daemon->link != NULL;
    case 1:
        return daemon->hands && (mr_hands_close(daemon->hands), true);
    case 2:
        return daemon->publisher &&
               (mr_publisher_close(daemon->publisher, mr_daemon_close_next, daemon), true);
    case 3:
        return daemon->serving &&
               (mr_serving_close(daemon->serving, mr_daemon_close_next, daemon), true);
    case 4:
        return daemon->peers && (mr_peers_close(daemon->peers, mr_daemon_close_next, daemon), true);
    case 5:
        return daemon->inflow &&
               (mr_inflow_close(daemon->inflow, mr_daemon_close_next, daemon), true);
    case 6:
        return daemon->errands &&
               (mr_errands_close(daemon->errands, mr_daemon_close_next, daemon), true);
    case 7:
        return daemon->chores &&
               (mr_chores_close(daemon->chores, mr_daemon_close_next, daemon), true);
    case 8:
        return daemon->listener && (mr_listener_close(daemon->listener), true);
    default:
        daemon->closed(daemon->user);
        return true;
    }
}

/* One after the other: who uses another goes first. */
void mr_daemon_close_next(void *user) {
    struct mr_daemon *daemon = user;
    while (!close_step(daemon, daemon->step++)) {
    }
}

void mr_daemon_end(struct mr_daemon *daemon) {
    if (daemon->is_ending) {
        return;
    }
    daemon->is_ending = true;
    if (daemon->errands) { /* nothing more is said of them */
        mr_errands_fence(daemon->errands);
        mr_publisher_forget(daemon->publisher, NULL);
    }
    mr_daemon_close_next(daemon);
}

void mr_daemon_destroy(struct mr_daemon *daemon) {
    mr_docket_destroy(daemon->docket);
    mr_wants_destroy(daemon->wants);
    mr_net_destroy(daemon->net);
    mr_folder_close(&daemon->folder);
}
