/* node: a worker daemon, from its start to its end: mappers and reducers are this, with roles. */
#include "lib/worker/node/node.h"

#include "lib/base/check.h"
#include "lib/base/error.h"
#include "lib/base/machine.h"
#include "lib/job/problems.h"
#include "lib/net/address.h"
#include "lib/net/loop.h"
#include "lib/worker/node/daemon.h"
#include "lib/worker/node/dispatch.h"
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>
#include <uv.h>

#define FDS_WANTED 65536

struct node {
    const struct mr_node_options *options;
    struct mr_node_stop *stop;
    struct mr_error *err; /* why it ends by itself */
    struct mr_daemon daemon;
    uv_loop_t loop;
    uv_signal_t signals[2];
    uv_timer_t drain;
    uv_async_t asked;
    unsigned step; /* of ending: how many are closed */
    bool was_ready;
    bool is_leaving; /* it wants nothing new */
    bool is_ending;
    char listen[MR_WHEREABOUTS_MAX];
    char id[17]; /* of this life, for the names of cgroups */
};

static void say(const struct node *node, const char *text) {
    if (node->options->say) {
        node->options->say(node->options->say_arg, text);
    } else {
        fprintf(stderr, "millrace %s: %s\n", node->options->command, text);
    }
}

/* ---- ending -----------------------------------------------------------------------------------*/

static void close_next(struct node *node);

static void step_closed(void *user) {
    close_next(user);
}

static void listener_closed(struct mr_listener *listener, void *user) {
    (void)listener;
    close_next(user);
}

static void close_handles(struct node *node) {
    for (size_t i = 0; i < 2; i++) {
        uv_close((uv_handle_t *)&node->signals[i], NULL);
    }
    uv_close((uv_handle_t *)&node->drain, NULL);
    uv_close((uv_handle_t *)&node->asked, NULL);
}

/* Closes what comes at a step; false: there was nothing, or it is closed already. */
static bool close_step(struct node *node, unsigned step) {
    struct mr_daemon *daemon = &node->daemon;
    switch (step) {
    case 0:
        mr_link_close(daemon->link);
        return daemon->link != NULL;
    case 1:
        return daemon->hands && (mr_hands_close(daemon->hands), true);
    case 2:
        return daemon->publisher &&
               (mr_publisher_close(daemon->publisher, step_closed, node), true);
    case 3:
        return daemon->serving && (mr_serving_close(daemon->serving, step_closed, node), true);
    case 4:
        return daemon->peers && (mr_peers_close(daemon->peers, step_closed, node), true);
    case 5:
        return daemon->inflow && (mr_inflow_close(daemon->inflow, step_closed, node), true);
    case 6:
        return daemon->errands && (mr_errands_close(daemon->errands, step_closed, node), true);
    case 7:
        return daemon->chores && (mr_chores_close(daemon->chores, step_closed, node), true);
    case 8:
        return daemon->listener && (mr_listener_close(daemon->listener), true);
    default:
        close_handles(node);
        return true;
    }
}

/* One after the other: who uses another goes first. */
static void close_next(struct node *node) {
    while (!close_step(node, node->step++)) {
    }
}

static void end(struct node *node) {
    struct mr_daemon *daemon = &node->daemon;
    if (node->is_ending) {
        return;
    }
    node->is_ending = true;
    if (daemon->errands) { /* nothing more is said of them */
        mr_errands_fence(daemon->errands);
        mr_publisher_forget(daemon->publisher, NULL);
    }
    close_next(node);
}

/* ---- draining ---------------------------------------------------------------------------------*/

static void drain_ended(uv_timer_t *timer) {
    struct node *node = timer->data;
    say(node, "still needed, but its time is over: what it holds is made again elsewhere");
    end(node);
}

static void send_leave(struct node *node) {
    struct mr_wire_leave message = {.why = "it was asked to end"};
    (void)mr_link_send(node->daemon.link, MR_WIRE_LEAVE, &message);
}

static void leave(struct node *node) {
    if (node->is_leaving || node->is_ending) {
        end(node);
        return;
    }
    node->is_leaving = true;
    if (!mr_link_is_registered(node->daemon.link) && mr_errands_are_idle(node->daemon.errands)) {
        end(node);
        return;
    }
    say(node, "ends when nobody needs what it runs and holds");
    uv_timer_start(&node->drain, drain_ended, node->options->drain_timeout_ms, 0);
    send_leave(node);
}

static void signalled(uv_signal_t *handle, int number) {
    (void)number;
    leave(handle->data);
}

static void asked(uv_async_t *async) {
    struct node *node = async->data;
    int how = node->stop ? atomic_exchange(&node->stop->asked, 0) : 0;
    if (how > 1) {
        end(node);
    } else if (how == 1) {
        leave(node);
    }
}

void mr_node_end(struct mr_node_stop *stop, bool at_once) {
    atomic_store(&stop->asked, at_once ? 2 : 1);
    uv_async_send(stop->async);
}

/* ---- what the link asks and tells -------------------------------------------------------------*/

static void describe(void *user, struct mr_wire_register *message) {
    const struct node *node = user;
    const struct mr_folder *folder = &node->daemon.folder;
    *message = (struct mr_wire_register){.identity = folder->identity,
                                         .name = folder->name,
                                         .host = node->daemon.host,
                                         .roles = node->options->roles,
                                         .slots = mr_hands_count(node->daemon.hands),
                                         .address = node->daemon.address,
                                         .scratch = folder->path,
                                         .cluster = *folder->cluster ? folder->cluster : NULL,
                                         .epoch = folder->seen.epoch,
                                         .start = folder->seen.start,
                                         .sequence = folder->seen.sequence,
                                         .accepts_older = node->options->accept_older_journal};
}

static size_t list_held(void *user, size_t from, struct mr_wire_row_held *rows, size_t most) {
    const struct node *node = user;
    return mr_docket_list(node->daemon.docket, from, rows, most);
}

static size_t list_moved(void *user, struct mr_wire_row_moved *rows, size_t most) {
    const struct node *node = user;
    return mr_errands_list(node->daemon.errands, rows, most);
}

static void forget_all(struct node *node) {
    struct mr_dossier *job = mr_docket_first(node->daemon.docket);
    while (job) { /* those that are forgotten already are found by nobody */
        struct mr_dossier *known = mr_docket_find_id(node->daemon.docket, job->id);
        struct mr_dossier *next = job->next;
        if (known == job) {
            mr_dispatch_forget(&node->daemon, job, false); /* it may go on there */
        }
        job = next;
    }
}

/* What is here belongs to a cluster. Whether the journal is the one that this worker saw the master
 * has judged by what the worker told it. */
static int judge(void *user, const struct mr_wire_registered *message, struct mr_error *err) {
    struct node *node = user;
    struct mr_folder *folder = &node->daemon.folder;
    const char *cluster = message->cluster ? message->cluster : "";
    const struct mr_folder_seen seen = {message->epoch, message->start, message->sequence};
    if (strspn(cluster, "0123456789abcdef") != strlen(cluster) || !*cluster) {
        return mr_error_set(err, MR_ERR_IO, "the master does not say which cluster it is of");
    }
    if (*folder->cluster && strcmp(folder->cluster, cluster) != 0) {
        say(node, "the master is of another cluster: what was held for the one before is removed");
        forget_all(node);
        if (mr_folder_note(folder, cluster, &seen, err)) {
            return err->code;
        }
        mr_link_begin_anew(node->daemon.link, "it belongs to another cluster now");
        return MR_OK;
    }
    return mr_folder_note(folder, cluster, &seen, err);
}

static void registered(void *user) {
    struct node *node = user;
    mr_inflow_set_node(node->daemon.inflow, mr_link_node(node->daemon.link));
    mr_wants_begin(node->daemon.wants, node->daemon.link);
    mr_errands_tell_again(node->daemon.errands);
    if (node->is_leaving) {
        send_leave(node);
    }
    if (!node->was_ready) {
        node->was_ready = true;
        if (node->options->ready) {
            node->options->ready(node->options->ready_arg, node->daemon.address);
        }
    } else if (node->options->is_verbose) {
        say(node, "registered again");
    }
}

static void renewed(void *user, const struct mr_wire_renewed *message) {
    struct node *node = user;
    struct mr_folder *folder = &node->daemon.folder;
    struct mr_error err = {0};
    const struct mr_folder_seen seen = {folder->seen.epoch, folder->seen.start, message->sequence};
    if (message->epoch == seen.epoch && message->sequence > folder->seen.sequence &&
        mr_folder_note(folder, folder->cluster, &seen, &err)) {
        say(node, err.text);
    }
}

static void fenced(void *user, const char *why) {
    struct node *node = user;
    char text[MR_ERROR_TEXT_MAX];
    snprintf(text, sizeof text, "all attempts end, and it registers anew: %.900s", why);
    say(node, text);
    mr_errands_fence(node->daemon.errands);
    mr_publisher_forget(node->daemon.publisher, NULL);
}

static void refused(void *user, const char *why) {
    struct node *node = user;
    mr_error_set(node->err, MR_ERR_CLUSTER, "%s", why);
    end(node);
}

static int message(void *user, unsigned kind, const union mr_wire_any *any, struct mr_bytes piece,
                   struct mr_error *err) {
    struct node *node = user;
    (void)!mr_dispatch_message(&node->daemon, kind, any, piece, err);
    if (node->daemon.is_drained && node->is_leaving) {
        end(node);
    }
    node->daemon.is_drained = false; /* drained by an operator it stays, and may be wanted again */
    return err->code;
}

static void drained(void *user) {
    struct node *node = user;
    mr_wants_go_on(node->daemon.wants);
    mr_errands_look(node->daemon.errands);
}

static void link_says(void *user, const char *text) {
    say(user, text);
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
                                                  .say = link_says,
                                                  .closed = step_closed};

/* ---- what other rooms tell --------------------------------------------------------------------*/

static void blob_came(void *user, struct mr_hash_128 hash, const struct mr_error *err) {
    struct node *node = user;
    mr_docket_came(node->daemon.docket, hash, err);
    mr_publisher_came(node->daemon.publisher, hash, err);
    mr_errands_came(node->daemon.errands, hash, err);
}

static void job_changed(void *user, struct mr_dossier *job) {
    struct node *node = user;
    (void)job;
    if (node->daemon.errands) { /* while the folder is read there is nothing yet */
        mr_errands_look(node->daemon.errands);
    }
}

static void attempt_finished(void *user, struct mr_hands_work *work) {
    struct node *node = user;
    mr_errands_finished(node->daemon.errands, work);
}

static void slot_prepared(void *user) {
    struct node *node = user;
    mr_errands_look(node->daemon.errands);
}

static void slot_left(void *user, struct mr_dossier *job) {
    struct node *node = user;
    mr_docket_leave(node->daemon.docket, job);
    mr_errands_look(node->daemon.errands);
}

static void output_cleared(void *user, const char *id, enum mr_pending_left left) {
    struct node *node = user;
    struct mr_wire_cleared message = {.id = id, .found = left};
    if (node->daemon.link && !node->is_ending) { /* unheard, it is asked for again */
        (void)mr_link_send(node->daemon.link, MR_WIRE_CLEARED, &message);
    }
}

static void went_idle(void *user) {
    (void)user;
}

static int accepted(struct mr_listener *listener, struct mr_conn *conn, void *user,
                    struct mr_error *err) {
    struct node *node = user;
    (void)listener;
    return node->is_ending /* who serves may be gone already */
               ? mr_error_set(err, MR_ERR_CLUSTER, "this worker is about to end")
               : mr_serving_accept(node->daemon.serving, conn, err);
}

static void turned_away(struct mr_listener *listener, const struct mr_error *why, void *user) {
    (void)listener;
    say(user, why->text);
}

static const struct mr_listener_events listener_events = {
    .accepted = accepted, .turned_away = turned_away, .closed = listener_closed};

/* ---- beginning --------------------------------------------------------------------------------*/

/* A reducer reads many files at once, and many peers may. */
static void raise_fd_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        rlim_t most = limit.rlim_max < FDS_WANTED ? limit.rlim_max : FDS_WANTED;
        limit.rlim_cur = limit.rlim_cur < most ? most : limit.rlim_cur;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* fewer do too */
    }
}

static void choose_listen(struct node *node) {
    const struct mr_node_options *options = node->options;
    bool is_far = options->secret && !mr_whereabouts_is_near(options->master);
    snprintf(node->listen, sizeof node->listen, "%s",
             options->listen ? options->listen
             : is_far        ? "0.0.0.0:0"
                             : "127.0.0.1:0");
}

static struct mr_listener_options listener_options(const struct node *node) {
    return (struct mr_listener_options){.address = node->listen,
                                        .has_explicit_secret = node->options->secret != NULL,
                                        .allow_root = node->options->allow_root};
}

/* Takes a failure's sentence among the reasons not to start. */
static void note(struct mr_problems *problems, struct mr_error *err) {
    if (err->code) {
        mr_problems_add(problems, err->code, "%s", err->text);
    }
    *err = (struct mr_error){0};
}

/* All that forbids to start; what could be opened stays open. */
static int check(struct node *node, struct mr_secret *secret, struct mr_error *err) {
    const struct mr_node_options *options = node->options;
    struct mr_problems problems = {0};
    struct mr_address address;
    struct mr_error one = {0};
    struct mr_folder_options folder = {
        .path = options->scratch, .name = options->name, .role = options->command};
    if (!options->master) {
        mr_error_set(&one, MR_ERR_USAGE, "which master? --master HOST:PORT, or MILLRACE_MASTER");
    } else {
        (void)!mr_address_read(options->master, "--master", &address, &one);
    }
    note(&problems, &one);
    (void)!mr_secret_find(options->secret, true, secret, &one);
    note(&problems, &one);
    if (options->slots > MR_NODE_SLOTS_MAX) {
        mr_problems_add(&problems, MR_ERR_USAGE, "--slots: at most %u", MR_NODE_SLOTS_MAX);
    }
    if (options->name && (strlen(options->name) >= MR_FOLDER_NAME_MAX || !*options->name ||
                          strpbrk(options->name, "/ \t\n"))) {
        mr_problems_add(&problems, MR_ERR_USAGE,
                        "--name: a word of at most %d letters, without blanks and '/'",
                        MR_FOLDER_NAME_MAX - 1);
    } else {
        (void)!mr_folder_open(&node->daemon.folder, &folder, &one);
        note(&problems, &one);
    }
    if (options->master) {
        choose_listen(node);
        struct mr_listener_options listening = listener_options(node);
        (void)mr_listener_check(&listening, options->command, &problems);
    }
    return mr_problems_report(&problems, err);
}

static int open_net(struct node *node, const struct mr_secret *secret, struct mr_error *err) {
    struct mr_net_config config = {.loop = &node->loop,
                                   .secret = secret,
                                   .role = node->options->roles & MR_NODE_REDUCES ? MR_NET_REDUCER
                                                                                  : MR_NET_MAPPER,
                                   .name = node->daemon.folder.name,
                                   .limit = mr_wire_limit,
                                   .limits = node->options->limits};
    struct mr_listener_options listening = listener_options(node);
    if (mr_net_create(&config, &node->daemon.net, err) ||
        mr_listener_open(node->daemon.net, &listening, node->options->command, &listener_events,
                         node, &node->daemon.listener, err)) {
        return err->code;
    }
    if (node->options->host) {
        snprintf(node->daemon.host, sizeof node->daemon.host, "%s", node->options->host);
    } else {
        mr_whereabouts_host(node->daemon.host);
    }
    mr_whereabouts_reach(mr_listener_address(node->daemon.listener), node->options->master,
                         node->daemon.address);
    return MR_OK;
}

static int open_rooms(struct node *node, struct mr_error *err) {
    struct mr_daemon *daemon = &node->daemon;
    struct mr_folder *folder = &daemon->folder;
    if (mr_wants_create(folder->blobs, blob_came, node, &daemon->wants, err) ||
        mr_docket_create(folder, daemon->wants, job_changed, node, &daemon->docket, err) ||
        mr_peers_create(daemon->net, &daemon->peers, err)) {
        return err->code;
    }
    struct mr_inflow_options inflow = {.net = daemon->net,
                                       .docket = daemon->docket,
                                       .peers = daemon->peers,
                                       .host = daemon->host,
                                       .codec = node->options->codec,
                                       .changed = job_changed,
                                       .user = node};
    struct mr_publisher_options publisher = {.loop = &node->loop,
                                             .link = &daemon->link,
                                             .folder = folder,
                                             .wants = daemon->wants,
                                             .docket = daemon->docket};
    struct mr_chores_options chores = {
        .loop = &node->loop, .folder = folder, .cleared = output_cleared, .user = node};
    if (mr_inflow_create(&inflow, &daemon->inflow, err) ||
        mr_publisher_create(&publisher, &daemon->publisher, err) ||
        mr_serving_create(daemon->docket, &daemon->serving, err) ||
        mr_chores_create(&chores, &daemon->chores, err)) {
        return err->code;
    }
    struct mr_errands_options errands = {.loop = &node->loop,
                                         .link = &daemon->link,
                                         .folder = folder,
                                         .wants = daemon->wants,
                                         .docket = daemon->docket,
                                         .inflow = daemon->inflow,
                                         .hands = &daemon->hands,
                                         .idle = went_idle,
                                         .user = node};
    struct mr_hands_options hands = {.loop = &node->loop,
                                     .slots = node->options->slots,
                                     .program = node->options->program,
                                     .node = folder->name,
                                     .id = node->id,
                                     .echoes = node->options->is_verbose,
                                     .finished = attempt_finished,
                                     .prepared = slot_prepared,
                                     .left = slot_left,
                                     .closed = step_closed,
                                     .user = node};
    hands.slots = hands.slots ? hands.slots : mr_machine_cpus();
    return mr_errands_create(&errands, &daemon->errands, err) ||
                   mr_hands_create(&hands, &daemon->hands, err) ||
                   mr_link_open(daemon->net, node->options->master, &link_events, node,
                                &daemon->link, err)
               ? err->code
               : MR_OK;
}

static void open_handles(struct node *node) {
    static const int numbers[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < 2; i++) {
        uv_signal_init(&node->loop, &node->signals[i]);
        node->signals[i].data = node;
        if (node->options->takes_signals) {
            uv_signal_start(&node->signals[i], signalled, numbers[i]);
        }
    }
    uv_timer_init(&node->loop, &node->drain);
    node->drain.data = node;
    uv_async_init(&node->loop, &node->asked, asked);
    node->asked.data = node;
}

static void destroy(struct node *node) {
    mr_docket_destroy(node->daemon.docket);
    mr_wants_destroy(node->daemon.wants);
    mr_net_destroy(node->daemon.net);
    mr_folder_close(&node->daemon.folder);
    MR_CHECK(uv_loop_close(&node->loop) == 0);
}

int mr_node_run(const struct mr_node_options *options, struct mr_node_stop *stop,
                struct mr_error *err) {
    struct node node = {.options = options,
                        .stop = stop,
                        .err = err,
                        .daemon = {.folder = {.dir_fd = -1, .lock_fd = -1}}};
    struct mr_secret secret = {0};
    raise_fd_limit();
    if (check(&node, &secret, err) || mr_loop_init(&node.loop, "start a worker", err)) {
        mr_folder_close(&node.daemon.folder);
        mr_secret_forget(&secret);
        return err->code;
    }
    snprintf(node.id, sizeof node.id, "%08x%04x", (unsigned)getpid(),
             (unsigned)uv_hrtime() & 0xFFFF);
    open_handles(&node);
    if (stop) {
        stop->async = &node.asked;
    }
    if (open_net(&node, &secret, err) || open_rooms(&node, err)) {
        end(&node);
    }
    mr_secret_forget(&secret);
    uv_run(&node.loop, UV_RUN_DEFAULT);
    destroy(&node);
    return err->code;
}

int mr_node_exit_status(int status) {
    switch (status) {
    case MR_OK:
        return 0;
    case MR_ERR_NOMEM:
        return EX_OSERR;
    case MR_ERR_IO:
        return EX_IOERR;
    default:
        return EX_CONFIG;
    }
}
