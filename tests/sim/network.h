/* network: messages between master and workers, which may be lost, repeated, late or cut off. */
#ifndef MR_SIM_NETWORK_H
#define MR_SIM_NETWORK_H

#include "tests/sim/sim.h"

/* X(name, words) */
#define NETWORK_TABLE(X)                                                                           \
    X(REGISTER, "register")     /* worker to master: here I am, this I hold */                     \
    X(BEAT, "beat")             /* I live, your renewal number `acked` arrived */                  \
    X(RESULT, "result")         /* an attempt ended; said again until it is answered */            \
    X(WHERE, "where")           /* which map outputs does this reduce attempt read? */             \
    X(REGISTERED, "registered") /* master to worker */                                             \
    X(RENEWAL, "renewal")       /* your lease goes on from when you sent that beat */              \
    X(FENCED, "fenced")         /* you were given up: start anew */                                \
    X(WHO, "who")               /* I am a new master: register */                                  \
    X(START, "start")           /* */                                                              \
    X(STOP, "stop")             /* */                                                              \
    X(ANSWER, "answer")         /* */                                                              \
    X(DROP, "drop")             /* a map output is not needed */                                   \
    X(DROP_ROUND, "drop round") /* no map output of a round is */                                  \
    X(LOCATIONS, "locations")   /* */                                                              \
    X(FETCH, "fetch")           /* worker to worker */                                             \
    X(DATA, "data")             /* */

enum network_kind {
#define NETWORK_ROW(name, words) NETWORK_##name,
    NETWORK_TABLE(NETWORK_ROW)
#undef NETWORK_ROW
        NETWORK_KINDS
};

/* Where a map output is, as the master knows it. */
struct network_place {
    uint32_t attempt; /* 0: nowhere yet */
    uint32_t node;
};

struct network_message {
    enum network_kind kind;
    uint32_t from, to;
    uint64_t epoch; /* of the master that sent it */
    uint64_t incarnation;
    uint64_t session; /* which of its registrations the worker means */
    uint64_t sent_ms; /* of the beat that a renewal answers */
    uint64_t beat, acked;
    struct mr_core_attempt attempt;
    enum mr_core_event_kind result;
    int status;
    bool is_fatal, is_uncounted, is_accepted, is_there;
    uint32_t lost_task, lost_attempt;
    uint64_t content; /* digest of a result, bytes of a map output */
    uint64_t side;    /* what the round before made */
    const struct mr_core_attempt *list;
    const uint32_t *permille; /* of the attempts in the list */
    const struct network_place *places;
    uint32_t count;
};

void network_begin(struct sim *sim);
/* Copies the message; what it points to lives as long as the schedule. */
void network_send(struct sim *sim, const struct network_message *message);
void network_deliver(struct sim *sim, const struct sim_item *item);
void network_cut(struct sim *sim, uint32_t from, uint32_t to, uint64_t for_ms);
/* From now on nothing is lost, repeated or late. */
void network_heal(struct sim *sim);
const char *network_words(enum network_kind kind);

#endif
