/* daemon: the rooms of one worker daemon: opens them, tells one what another says, closes them.
 *
 * The link to the master is opened by `allegiance`, and closed here. The loop's thread. */
#ifndef MR_NODE_DAEMON_H
#define MR_NODE_DAEMON_H

#include "lib/net/listener.h"
#include "lib/worker/node/chores.h"
#include "lib/worker/node/docket.h"
#include "lib/worker/node/errands.h"
#include "lib/worker/node/folder.h"
#include "lib/worker/node/hands.h"
#include "lib/worker/node/inflow.h"
#include "lib/worker/node/link.h"
#include "lib/worker/node/options.h"
#include "lib/worker/node/peers.h"
#include "lib/worker/node/publisher.h"
#include "lib/worker/node/serving.h"
#include "lib/worker/node/wants.h"
#include "lib/worker/node/whereabouts.h"

struct mr_daemon {
    const struct mr_node_options *options; /* borrowed, as is the loop */
    struct uv_loop_s *loop;
    struct mr_folder folder;
    char id[17]; /* of this life, for the names of cgroups */
    char host[MR_WHEREABOUTS_MAX];
    char address[MR_WHEREABOUTS_MAX]; /* where others reach it */
    /* Those that are not open are NULL. */
    struct mr_net *net;
    struct mr_listener *listener;
    struct mr_wants *wants;
    struct mr_docket *docket;
    struct mr_peers *peers;
    struct mr_inflow *inflow;
    struct mr_hands *hands;
    struct mr_serving *serving;
    struct mr_errands *errands;
    struct mr_publisher *publisher;
    struct mr_chores *chores;
    struct mr_link *link;
    bool was_ready;             /* it was registered once */
    bool is_leaving;            /* it wants nothing new */
    bool is_drained;            /* the master said that nobody needs it */
    bool is_ending;             /* its rooms are being closed */
    unsigned step;              /* of that: how many are */
    struct mr_error *err;       /* why it ends by itself */
    void (*closed)(void *user); /* all are; they are freed by mr_daemon_destroy */
    void *user;
};

/* Opens all rooms but the folder, which is open, and the link. What failed is for mr_daemon_end. */
MR_MUST_USE int mr_daemon_open(struct mr_daemon *daemon, const struct mr_secret *secret,
                               const struct mr_listener_options *listening, struct mr_error *err);
/* Closes what is open, one after the other; harmless on one that is ending. `closed` follows. */
void mr_daemon_end(struct mr_daemon *daemon);
/* A room is closed: goes on with the next. */
void mr_daemon_close_next(void *user);
/* After the loop has ended. */
void mr_daemon_destroy(struct mr_daemon *daemon);

/* A sentence for the log. */
void mr_daemon_say(const struct mr_daemon *daemon, const char *text);

#endif
