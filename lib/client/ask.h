/* ask: one question to the master, answered by one or more messages of one kind. */
#ifndef MR_CLIENT_ASK_H
#define MR_CLIENT_ASK_H

#include "lib/client/client.h"

/* Borrowed for the call. */
struct mr_ask {
    enum mr_wire_kind question;
    const void *message;      /* the question's struct */
    enum mr_wire_kind answer; /* MR_WIRE_RESULT: that is all of it */
    /* An answer came: 1 where it was the last. Not needed for MR_WIRE_RESULT. */
    int (*take)(const union mr_wire_any *answer, void *arg, struct mr_error *err);
    /* The question is asked again: what came so far is void. May be NULL. */
    void (*restart)(void *arg);
    void *arg;
    /* As that of a call; may be NULL. */
    int (*interrupted)(struct mr_client *client, int signal_number, void *arg,
                       struct mr_error *err);
    void *interrupted_arg;
};

/* Asks. A RESULT that comes instead of an answer, and says no, is the failure. */
MR_MUST_USE int mr_ask(struct mr_client *client, const struct mr_ask *ask, struct mr_error *err);

#endif
