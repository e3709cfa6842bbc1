/* daemon: what the rooms of one worker daemon are, together. */
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
#include "lib/worker/node/peers.h"
#include "lib/worker/node/publisher.h"
#include "lib/worker/node/serving.h"
#include "lib/worker/node/wants.h"
#include "lib/worker/node/whereabouts.h"

/* Those that are not open are NULL. */
struct mr_daemon {
    struct mr_folder folder;
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
    char host[MR_WHEREABOUTS_MAX];
    char address[MR_WHEREABOUTS_MAX]; /* where others reach it */
    bool is_drained;                  /* the master said that nobody needs it */
};

#endif
