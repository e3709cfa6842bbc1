/* node: a worker daemon, from its start to its end: mappers and reducers are this, with roles. */
#include "lib/worker/node/node.h"

#include "lib/base/check.h"
#include "lib/net/loop.h"
#include "lib/worker/node/allegiance.h"
#include "lib/worker/node/conditions.h"
#include "lib/worker/node/daemon.h"
#include <signal.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <uv.h>

#define FDS_WANTED 65536

struct node {
    const struct mr_node_options *options;
    struct mr_node_stop *stop;
    struct mr_daemon daemon;
    uv_loop_t loop;
    uv_signal_t signals[2];
    uv_timer_t drain;
    uv_async_t asked;
};

/* ---- draining and ending ----------------------------------------------------------------------*/

static void drain_ended(uv_timer_t *timer) {
    struct node *node = timer->data;
    mr_daemon_say(&node->daemon,
                  "still needed, but its time is over: what it holds is made again elsewhere");
    mr_daemon_end(&node->daemon);
}

static void leave(struct node *node) {
    if (node->daemon.is_leaving || node->daemon.is_ending) {
        mr_daemon_end(&node->daemon);
        return;
    }
    node->daemon.is_leaving = true;
    if (!mr_link_is_registered(node->daemon.link) && mr_errands_are_idle(node->daemon.errands)) {
        mr_daemon_end(&node->daemon);
        return;
    }
    mr_daemon_say(&node->daemon, "ends when nobody needs what it runs and holds");
    uv_timer_start(&node->drain, drain_ended, node->options->drain_timeout_ms, 0);
    mr_allegiance_leave(&node->daemon);
}

static void signalled(uv_signal_t *handle, int number) {
    (void)number;
    leave(handle->data);
}

static void asked(uv_async_t *async) {
    struct node *node = async->data;
    int how = node->stop ? atomic_exchange(&node->stop->asked, 0) : 0;
    if (how > 1) {
        mr_daemon_end(&node->daemon);
    } else if (how == 1) {
        leave(node);
    }
}

void mr_node_end(struct mr_node_stop *stop, bool at_once) {
    atomic_store(&stop->asked, at_once ? 2 : 1);
    uv_async_send(stop->async);
}

/* ---- from start to end ------------------------------------------------------------------------*/

/* A reducer reads many files at once, and many peers may. */
static void raise_fd_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        rlim_t most = limit.rlim_max < FDS_WANTED ? limit.rlim_max : FDS_WANTED;
        limit.rlim_cur = limit.rlim_cur < most ? most : limit.rlim_cur;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* fewer do too */
    }
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

/* All rooms are closed: so the loop ends. */
static void close_handles(void *user) {
    struct node *node = user;
    for (size_t i = 0; i < 2; i++) {
        uv_close((uv_handle_t *)&node->signals[i], NULL);
    }
    uv_close((uv_handle_t *)&node->drain, NULL);
    uv_close((uv_handle_t *)&node->asked, NULL);
}

int mr_node_run(const struct mr_node_options *options, struct mr_node_stop *stop,
                struct mr_error *err) {
    struct node node = {.options = options, .stop = stop};
    struct mr_daemon *daemon = &node.daemon;
    struct mr_listener_options listening = {0};
    struct mr_secret secret = {0};
    *daemon = (struct mr_daemon){.options = options,
                                 .loop = &node.loop,
                                 .folder = {.dir_fd = -1, .lock_fd = -1},
                                 .err = err,
                                 .closed = close_handles,
                                 .user = &node};
    raise_fd_limit();
    if (mr_conditions_check(options, &daemon->folder, &secret, &listening, err) ||
        mr_loop_init(&node.loop, "start a worker", err)) {
        mr_folder_close(&daemon->folder);
        mr_secret_forget(&secret);
        return err->code;
    }
    open_handles(&node);
    if (stop) {
        stop->async = &node.asked;
    }
    if (mr_daemon_open(daemon, &secret, &listening, err) || mr_allegiance_begin(daemon, err)) {
        mr_daemon_end(daemon);
    }
    mr_secret_forget(&secret);
    uv_run(&node.loop, UV_RUN_DEFAULT);
    mr_daemon_destroy(daemon);
    MR_CHECK(uv_loop_close(&node.loop) == 0);
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
