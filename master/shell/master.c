/* master: the master daemon: the scheduler's core with a journal, for workers and clients. */
#include "master/shell/master.h"

#include "lib/base/error.h"
#include "lib/job/problems.h"
#include "lib/net/loop.h"
#include "master/shell/clearing.h"
#include "master/shell/couriers.h"
#include "master/shell/effects.h"
#include "master/shell/ending.h"
#include "master/shell/hearing.h"
#include "master/shell/inside.h"
#include "master/shell/opening.h"
#include "master/shell/sessions.h"
#include "master/shell/submitting.h"
#include "master/shell/turning.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define DEFAULT_LISTEN "127.0.0.1:7077"
#define SHOWN "%.300s"
#define LATE_MS 500 /* for a tick: more than a busy loop is */

/* ---- time -------------------------------------------------------------------------------------*/

static void on_tick(uv_timer_t *timer) {
    struct mr_master *master = timer->data;
    struct mr_core_event tick = {.kind = MR_CORE_TICK};
    bool is_late = uv_now(master->loop) > master->tick_ms + LATE_MS;
    master->tick_ms = UINT64_MAX;
    (void)mr_inside_apply(master, &tick, NULL);
    if (!is_late) { /* else this process stood still: what came meanwhile is heard first */
        mr_couriers_look(master);
        mr_clearing_look(master);
    }
    master->may_let_go = true;
    master->sweeps = master->has_to_sweep;
    mr_ending_sweep(master);
}

static void wake(void *arg, uint64_t time_ms) {
    struct mr_master *master = arg;
    if (!master->is_closing && time_ms < master->tick_ms) {
        uint64_t now = uv_now(master->loop);
        master->tick_ms = time_ms;
        (void)uv_timer_start(&master->tick, on_tick, time_ms > now ? time_ms - now : 0, 0);
    }
}

/* ---- blobs ------------------------------------------------------------------------------------*/

static void look(struct mr_master *master) {
    mr_submitting_look(master);
    mr_turning_look(master);
}

/* ---- ending -----------------------------------------------------------------------------------*/

static void destroy(struct mr_master *master) {
    void (*ended)(void *, const struct mr_error *) = master->ended;
    void *arg = master->ended_arg;
    struct mr_error why = master->why;
    mr_net_destroy(master->net);
    mr_opening_undo(master);
    free(master);
    ended(arg, &why);
}

static void on_handle_closed(uv_handle_t *handle) {
    struct mr_master *master = handle->data;
    master->open_handles--;
    mr_inside_closed(master);
}

static void on_pen_closed(void *arg) {
    struct mr_master *master = arg;
    master->open_handles--;
    mr_inside_closed(master);
}

void mr_master_close(struct mr_master *master) {
    if (master->is_closing) {
        return;
    }
    master->is_closing = true;
    if (master->listener) {
        mr_listener_close(master->listener);
    }
    mr_sessions_close_all(master);
    uv_close((uv_handle_t *)&master->tick, on_handle_closed);
    uv_close((uv_handle_t *)&master->follow, on_handle_closed);
    mr_pen_close(&master->pen, on_pen_closed, master);
}

static void on_failed(void *arg, const struct mr_error *err) {
    mr_inside_fail(arg, err);
}

int mr_master_exit_status(const struct mr_error *why) {
    switch (why->code) {
    case MR_OK:
        return 0;
    case MR_ERR_NOMEM:
        return MR_MASTER_EXIT_MEMORY;
    case MR_ERR_INPUT:
        return MR_MASTER_EXIT_CORRUPT;
    case MR_ERR_INTERNAL:
        return MR_MASTER_EXIT_DEFECT;
    default:
        return MR_MASTER_EXIT_IO;
    }
}

/* ---- where it keeps its state -----------------------------------------------------------------*/

static int make_folders(char *path, struct mr_error *err) {
    for (char *at = path + 1; *at; at++) {
        if (*at == '/') {
            *at = '\0';
            bool is_made = mkdir(path, 0700) == 0 || errno == EEXIST;
            if (!is_made) {
                mr_error_errno(err, MR_ERR_IO, errno, "make \"" SHOWN "\"", path);
            }
            *at = '/';
            if (!is_made) {
                return err->code;
            }
        }
    }
    return MR_OK;
}

int mr_master_default_state(char path[MR_MASTER_PATH_MAX], struct mr_error *err) {
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int len = -1;
    if (state && *state == '/') {
        len = snprintf(path, MR_MASTER_PATH_MAX, "%s/millrace/master", state);
    } else if (home && *home == '/') {
        len = snprintf(path, MR_MASTER_PATH_MAX, "%s/.local/state/millrace/master", home);
    }
    if (len < 0 || len >= MR_MASTER_PATH_MAX) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "there is no home to keep the state in: say --state DIR");
    }
    return make_folders(path, err);
}

/* ---- opening ----------------------------------------------------------------------------------*/

static uint32_t lease_of(const struct mr_master_options *options) {
    return options->lease_ms ? options->lease_ms : MR_MASTER_LEASE_MS;
}

/* Where it isn't said, four fit into a lease. */
static uint32_t heartbeat_of(const struct mr_master_options *options) {
    uint32_t quarter = lease_of(options) / 4 + 1;
    uint32_t most = quarter < MR_MASTER_HEARTBEAT_MS ? quarter : MR_MASTER_HEARTBEAT_MS;
    return options->heartbeat_ms ? options->heartbeat_ms : most;
}

/* All that can be seen to be wrong before anything is opened. */
static int check(const struct mr_master_options *options, const struct mr_listener_options *listen,
                 struct mr_secret *secret, char state[MR_MASTER_PATH_MAX], struct mr_error *err) {
    struct mr_problems problems = {0};
    struct mr_error why = {0};
    (void)mr_listener_check(listen, "master", &problems);
    if (mr_secret_find(options->secret, true, secret, &why)) {
        mr_problems_add(&problems, why.code, "%s", why.text);
    }
    why = (struct mr_error){0};
    if (options->state) {
        snprintf(state, MR_MASTER_PATH_MAX, "%s", options->state);
    } else if (mr_master_default_state(state, &why)) {
        mr_problems_add(&problems, why.code, "%s", why.text);
    }
    if (lease_of(options) < 2 * (uint64_t)heartbeat_of(options)) {
        mr_problems_add(&problems, MR_ERR_USAGE,
                        "--lease is shorter than two times --heartbeat: a worker would be given "
                        "up for one heartbeat that is late");
    }
    return mr_problems_report(&problems, err);
}

static const struct mr_pen_face *face_of(struct mr_master *master) {
    master->face = (struct mr_pen_face){.gather = mr_effects_gather,
                                        .see = mr_effects_see,
                                        .perform = mr_effects_perform,
                                        .performed = mr_effects_performed,
                                        .wake = wake,
                                        .failed = on_failed,
                                        .arg = master};
    return &master->face;
}

static int open_net(struct mr_master *master, const struct mr_secret *secret,
                    const struct mr_listener_options *listen, struct mr_error *err) {
    struct mr_net_config config = {.loop = master->loop,
                                   .secret = secret,
                                   .role = MR_NET_MASTER,
                                   .name = "master",
                                   .limit = mr_wire_limit};
    if (mr_net_create(&config, &master->net, err)) {
        return err->code;
    }
    mr_net_set_silence(master->net, master->lease_ms);
    return mr_listener_open(master->net, listen, "master", &mr_hearing_events, master,
                            &master->listener, err)
               ? err->code
               : MR_OK;
}

/* From here on the loop works for the master: it ends by being closed. */
static void begin(struct mr_master *master) {
    (void)uv_timer_init(master->loop, &master->tick); /* these never fail */
    (void)uv_timer_init(master->loop, &master->follow);
    master->tick.data = master->follow.data = master;
    master->open_handles = 3;
    master->tick_ms = UINT64_MAX;
    mr_pen_open(&master->pen, master->loop, master->journal, face_of(master));
    wake(master, uv_now(master->loop));
}

int mr_master_open(struct uv_loop_s *loop, const struct mr_master_options *options,
                   void (*ended)(void *arg, const struct mr_error *why), void *arg,
                   struct mr_master **master, int *exit_status, struct mr_error *err) {
    const struct mr_listener_options listen = {.address = options->listen ? options->listen
                                                                          : DEFAULT_LISTEN,
                                               .has_explicit_secret = options->secret != NULL,
                                               .allow_root = options->allow_root};
    struct mr_secret secret = {{0}};
    char state[MR_MASTER_PATH_MAX];
    struct mr_master *made = calloc(1, sizeof *made);
    *exit_status = made ? MR_MASTER_EXIT_CONFIG : MR_MASTER_EXIT_MEMORY;
    if (!made) {
        return mr_error_nomem(err, "starting a master");
    }
    *made = (struct mr_master){.loop = loop,
                               .close = mr_master_close,
                               .destroy = destroy,
                               .look = look,
                               .ended = ended,
                               .ended_arg = arg,
                               .lock_fd = -1,
                               .lease_ms = lease_of(options),
                               .heartbeat_ms = heartbeat_of(options)};
    if (!check(options, &listen, &secret, state, err) &&
        !mr_opening_open(made, state, exit_status, err)) {
        *exit_status = MR_MASTER_EXIT_CONFIG;
        (void)!open_net(made, &secret, &listen, err);
    }
    mr_secret_forget(&secret);
    if (err->code) { /* no connection was accepted yet: the loop has not run */
        mr_net_destroy(made->net);
        mr_opening_undo(made);
        free(made);
        return err->code;
    }
    *master = made;
    begin(made);
    return MR_OK;
}

const char *mr_master_address(const struct mr_master *master) {
    return mr_listener_address(master->listener);
}

/* ---- the daemon -------------------------------------------------------------------------------*/

struct daemon {
    uv_loop_t loop;
    uv_signal_t signals[2];
    struct mr_master *master; /* NULL: it is gone */
    struct mr_error why;
};

static void on_ended(void *arg, const struct mr_error *why) {
    struct daemon *daemon = arg;
    daemon->master = NULL;
    daemon->why = *why;
    for (size_t i = 0; i < 2; i++) {
        uv_close((uv_handle_t *)&daemon->signals[i], NULL);
    }
}

static void on_signal(uv_signal_t *signal, int number) {
    struct daemon *daemon = signal->data;
    (void)number;
    if (daemon->master) {
        mr_master_close(daemon->master);
    }
}

int mr_master_run(const struct mr_master_options *options, struct mr_error *err) {
    static const int numbers[2] = {SIGTERM, SIGINT};
    struct daemon daemon = {.master = NULL};
    int exit_status = MR_MASTER_EXIT_MEMORY;
    if (mr_loop_init(&daemon.loop, "start a master", err)) {
        return mr_master_exit_status(err);
    }
    if (mr_master_open(&daemon.loop, options, on_ended, &daemon, &daemon.master, &exit_status,
                       err)) {
        (void)uv_run(&daemon.loop, UV_RUN_DEFAULT); /* what was begun closes */
        (void)uv_loop_close(&daemon.loop);
        return exit_status;
    }
    for (size_t i = 0; i < 2; i++) {
        (void)uv_signal_init(&daemon.loop, &daemon.signals[i]);
        daemon.signals[i].data = &daemon;
        (void)uv_signal_start(&daemon.signals[i], on_signal, numbers[i]);
    }
    printf("ready %s\n", mr_master_address(daemon.master));
    (void)fflush(stdout); /* nobody may be reading it */
    (void)uv_run(&daemon.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&daemon.loop);
    *err = daemon.why;
    return mr_master_exit_status(err);
}
