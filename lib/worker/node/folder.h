/* folder: a worker's own folder on disk: who it is, and where it keeps what it holds.
 *
 *     lock       held by flock as long as the worker lives
 *     node       who it is, which folder, of which cluster, and the last word of its master
 *     blobs/     lib/worker/blobs
 *     jobs/ID/   what a job's tasks leave; in own/ too what this worker made, and is done
 *     trash/     what is being removed
 *
 * Without a folder of its own choosing a worker takes the first that nobody holds of those that
 * workers of its role left in the user's directory, so that one that comes back finds what it had.
 */
#ifndef MR_NODE_FOLDER_H
#define MR_NODE_FOLDER_H

#include "lib/worker/blobs.h"

#define MR_FOLDER_PATH_MAX 4096
#define MR_FOLDER_NAME_MAX 128
#define MR_FOLDER_CLUSTER_MAX 33

/* What a worker saw of a master's journal; all 0: nothing. */
struct mr_folder_seen {
    uint64_t epoch; /* of the master that it obeyed last */
    uint64_t start; /* that epoch's random number */
    uint64_t sequence;
};

struct mr_folder {
    char path[MR_FOLDER_PATH_MAX]; /* absolute, without links */
    int dir_fd;
    int lock_fd;
    char name[MR_FOLDER_NAME_MAX];       /* the worker's */
    uint64_t identity;                   /* the folder's own: random, as long as it is there */
    char cluster[MR_FOLDER_CLUSTER_MAX]; /* empty: none yet */
    struct mr_folder_seen seen;
    struct mr_blobs *blobs;
    uint64_t trashed;
};

struct mr_folder_options {
    const char *path; /* NULL: found or made as said above */
    const char *name; /* of the worker; NULL: as it was, or HOST-ROLE-xxxxxx */
    const char *role; /* "mapper" */
};

/* Opens it, making what is missing. One that another worker holds: MR_ERR_USAGE. */
MR_MUST_USE int mr_folder_open(struct mr_folder *folder, const struct mr_folder_options *options,
                               struct mr_error *err);
/* Lets go. Harmless on one that was not opened (zeroed, with descriptors -1). */
void mr_folder_close(struct mr_folder *folder);

/* Notes the cluster and what was seen of its journal, where they changed. */
MR_MUST_USE int mr_folder_note(struct mr_folder *folder, const char *cluster,
                               const struct mr_folder_seen *seen, struct mr_error *err);

/* Moves something below the folder out of sight, to be removed by mr_folder_empty_trash, from any
 * thread; `path` is absolute, or seen from the folder. */
void mr_folder_trash(struct mr_folder *folder, const char *path);
void mr_folder_trash_job(struct mr_folder *folder, const char *id);
void mr_folder_empty_trash(const struct mr_folder *folder);

#endif
