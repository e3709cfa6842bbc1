/* sources: which attempts won what tasks read, where it lies, and how that changed.
 *
 * Each change is noted in a list, so that who was told up to some place in it is told the rest. */
#ifndef MR_SHELL_SOURCES_H
#define MR_SHELL_SOURCES_H

#include <mr/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mr_sources_row {
    uint32_t attempt; /* 0: none, or withdrawn */
    uint32_t node;
};

/* Zero-initialise; release with mr_sources_fini. */
struct mr_sources {
    struct mr_sources_row *rows; /* by task */
    uint32_t count;
    uint32_t round; /* of the core: whose tasks they are */
    bool is_open;
    uint32_t *changes; /* tasks */
    size_t change_count;
    size_t change_capacity;
};

void mr_sources_fini(struct mr_sources *sources);
/* Begins anew, with no winners. */
MR_MUST_USE int mr_sources_open(struct mr_sources *sources, uint32_t round, uint32_t count,
                                struct mr_error *err);
/* Notes a winner (attempt 0: it is withdrawn); what is known already changes nothing. */
MR_MUST_USE int mr_sources_set(struct mr_sources *sources, uint32_t task, struct mr_sources_row row,
                               struct mr_error *err);

#endif
