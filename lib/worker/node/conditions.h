/* conditions: what forbids a worker to start, all of it told at once.
 *
 * The master's address, the secret, the folder, and the address to listen on. Called before there
 * is a loop; it may look up a name. */
#ifndef MR_NODE_CONDITIONS_H
#define MR_NODE_CONDITIONS_H

#include "lib/net/listener.h"
#include "lib/net/secret.h"
#include "lib/worker/node/folder.h"
#include "lib/worker/node/options.h"

/* What could be opened and found is the caller's to close and forget, whatever it returns. What
 * `listening` points to is the options'. MR_ERR_USAGE, or what is wrong otherwise. */
MR_MUST_USE int mr_conditions_check(const struct mr_node_options *options, struct mr_folder *folder,
                                    struct mr_secret *secret, struct mr_listener_options *listening,
                                    struct mr_error *err);

#endif
