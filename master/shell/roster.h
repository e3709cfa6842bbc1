/* roster: the workers that were ever here, by number and by name.
 *
 * A worker is known by its name: it has its number for good, as a fact of the journal. The core
 * counts its lives from 1; a worker names each by a random number, its incarnation, which is kept
 * beside the name. What else it said of itself lives as long as this process. */
#ifndef MR_SHELL_ROSTER_H
#define MR_SHELL_ROSTER_H

#include "master/journal/journal.h"

struct mr_session;

struct mr_roster_node {
    uint32_t number;
    char *name;
    uint64_t incarnation; /* as the worker names it; 0: none was ever taken in */
    uint64_t before;      /* the one before it */
    uint64_t identity;    /* of its folder; 0: not heard of since this process began */
    char *host;           /* of the latest registration; NULL: none since this process began */
    char *address;
    char *scratch;
    uint32_t version;           /* of these: one more each time they are told */
    struct mr_session *session; /* connected and registered, or NULL */
    bool is_refused;            /* it saw another journal, and that was logged */
    bool is_leaving;            /* it drains, and is to be told when nothing of it is needed */
    bool is_told;               /* so it was */
};

/* Zero-initialise; release with mr_roster_fini. */
struct mr_roster {
    struct mr_roster_node **nodes; /* by number */
    uint32_t count;
    uint32_t leaving; /* nodes */
};

void mr_roster_fini(struct mr_roster *roster);

/* Lists the nodes that the journal knows. */
MR_MUST_USE int mr_roster_load(struct mr_roster *roster, struct mr_journal *journal,
                               struct mr_error *err);

/* NULL: there is none. */
struct mr_roster_node *mr_roster_at(const struct mr_roster *roster, uint32_t number);
struct mr_roster_node *mr_roster_find(const struct mr_roster *roster, const char *name);
/* By number or name, as a person writes it. */
struct mr_roster_node *mr_roster_resolve(const struct mr_roster *roster, const char *text);

/* Finds a node by its name, or adds it and gathers that as a fact: also of a worker that is not
 * taken in after all, since numbers are never used again. */
MR_MUST_USE int mr_roster_add(struct mr_roster *roster, const char *name,
                              struct mr_journal *journal, struct mr_roster_node **node,
                              struct mr_error *err);

/* Notes where a worker is; true: it is somewhere else than before. */
MR_MUST_USE int mr_roster_place(struct mr_roster_node *node, const char *host, const char *address,
                                const char *scratch, bool *is_new, struct mr_error *err);

/* A new incarnation; gathers it as a fact. */
MR_MUST_USE int mr_roster_take_in(struct mr_roster_node *node, uint64_t incarnation,
                                  struct mr_journal *journal, struct mr_error *err);

void mr_roster_set_leaving(struct mr_roster *roster, struct mr_roster_node *node, bool is_leaving);

#endif
