/* holders: the workers that hold parts of an output: by number, where each serves. */
#ifndef MR_CLIENT_HOLDERS_H
#define MR_CLIENT_HOLDERS_H

#include "lib/client/client.h"

struct mr_holders_row {
    uint32_t number;
    char name[MR_WIRE_NAME_MAX];
    char address[MR_WIRE_NAME_MAX]; /* HOST:PORT; empty: not known */
};

/* Zero-initialise; release with mr_holders_fini. */
struct mr_holders {
    struct mr_holders_row *rows;
    size_t count;
};

/* Asks the master for all of them, those that are gone too. `interrupted`, as that of a call, may
 * be NULL. */
MR_MUST_USE int mr_holders_ask(struct mr_holders *holders, struct mr_client *client,
                               int (*interrupted)(struct mr_client *client, int signal_number,
                                                  void *arg, struct mr_error *err),
                               void *arg, struct mr_error *err);
/* One that serves somewhere; NULL: there is none of that number. */
const struct mr_holders_row *mr_holders_find(const struct mr_holders *holders, uint64_t number);
void mr_holders_fini(struct mr_holders *holders);

#endif
