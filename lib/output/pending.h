/* pending: the directory in which an output grows until it is published. */
#ifndef MR_OUTPUT_PENDING_H
#define MR_OUTPUT_PENDING_H

#include <limits.h>
#include <mr/status.h>
#include <stdbool.h>

#define MR_PENDING_ID_LEN 32 /* hex digits of a job's id */
#define MR_PENDING_SPARE 3   /* what removing takes: two directories are listed, one is opened */

/* Where an output goes; borrowed. */
struct mr_pending_place {
    int parent_fd;     /* of the directory around it */
    const char *name;  /* the output's own, inside that directory */
    const char *shown; /* the output's path as the user wrote it, for errors */
};

/* In the caller's storage; the place must outlive it. */
struct mr_pending {
    const struct mr_pending_place *place;
    int dir_fd;
    int lock_fd;
    int spare[MR_PENDING_SPARE]; /* held for the removal, which must not fail for want of them */
    char name[NAME_MAX + 1];     /* NAME.pending-ID */
    char old[NAME_MAX + 1]; /* NAME.old-ID: where the output that is replaced waits, on file systems
                               that can't exchange */
};

/* Makes NAME.pending-ID beside the output and holds it: until the process ends, mr_pending_clean
 * elsewhere leaves it alone. An `id` in use already, a read-only place, a full disk: MR_ERR_IO. A
 * name too long: MR_ERR_USAGE. */
MR_MUST_USE int mr_pending_create(const struct mr_pending_place *place, const char *id,
                                  struct mr_pending *pending, struct mr_error *err);

/* The same for a run that a journal remembers: where the directory is there already it is taken
 * over with what it holds. `owner`, the absolute path of the journal's folder, is noted in it, and
 * as long as that folder holds a journal mr_pending_clean leaves it alone. All of it is durable. */
MR_MUST_USE int mr_pending_take_up(const struct mr_pending_place *place, const char *id,
                                   const char *owner, struct mr_pending *pending,
                                   struct mr_error *err);

/* The owner of a directory that a cluster's job has: as mr_pending_take_up wants it. Only
 * mr_pending_drop and the run's own process clear it. */
#define MR_PENDING_CLUSTER "cluster"

/* Opens the directory that somebody else made, to work in it, without holding its lock. Where it
 * can't be seen: MR_ERR_IO. Let go with mr_pending_leave; never mr_pending_remove. */
MR_MUST_USE int mr_pending_join(const struct mr_pending_place *place, const char *id,
                                struct mr_pending *pending, struct mr_error *err);

/* What a job that is over left; as on the wire (CLEARED). */
enum mr_pending_left {
    MR_PENDING_STAYS,   /* or may: it can't be seen, or not removed */
    MR_PENDING_DROPPED, /* it was removed, or is kept for the user */
    MR_PENDING_NOTHING, /* that can be seen from here */
};

/* Clears what a cluster's job left that is over, unless somebody is publishing it or it is kept for
 * the user. */
enum mr_pending_left mr_pending_drop(const struct mr_pending_place *place, const char *id);

/* Lets go, leaving all where it is, to be taken up again. */
void mr_pending_leave(struct mr_pending *pending);

/* Removes the directory with all in it and lets go. What can't be removed is left to a later
 * mr_pending_clean. */
void mr_pending_remove(struct mr_pending *pending);

/* Lets go, leaving all where it is for the user, also by later mr_pending_clean as long as `out` is
 * in it. */
void mr_pending_keep(struct mr_pending *pending);

/* Clears what dead runs left beside the place: pending directories that nobody holds, and what
 * stood aside while it was replaced. A replacement that was cut short is finished where the new
 * output is complete, else undone. What can't be cleared (of another user) stays: that is no error.
 * `owner` (NULL: none): the journal that the caller holds, and `id` the one run that it remembers:
 * what else names that journal is dead too. */
void mr_pending_clean(const struct mr_pending_place *place, const char *owner, const char *id);

#endif
