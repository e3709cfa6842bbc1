/* cgroup: bounds on memory and processes of a task and all it starts, where the kernel lets us.
 *
 * A group of our own is made below the group that the engine is in (cgroup v1: of the controllers
 * memory and pids; v2: below it, or beside it, wherever the controllers are handed down). Not being
 * able to is no error: who asks sees it, and bounds otherwise. */
#ifndef MR_WORKER_CGROUP_H
#define MR_WORKER_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MR_CGROUP_DIRS_MAX 2
#define MR_CGROUP_PATH_MAX 512

struct mr_cgroup {
    char dirs[MR_CGROUP_DIRS_MAX][MR_CGROUP_PATH_MAX];
    unsigned count;
    bool bounds_memory;
    bool bounds_processes;
};

/* Makes a group of this name (letters, digits, '-'), bounded to so many bytes (0: any) and
 * processes. */
void mr_cgroup_make(struct mr_cgroup *cgroup, const char *name, uint64_t memory_bytes,
                    uint64_t processes);

/* The functions below work on one directory of a group, in the process that was told of it. */

/* Puts the calling process in. */
bool mr_cgroup_join(const char *dir);
/* Kills all that is in it; false: this kernel can't, or it isn't a group with members to kill. */
bool mr_cgroup_kill(const char *dir);
/* Kills its members one by one, as many as one look lists, but `spared` (0: nobody is); how many.
 */
size_t mr_cgroup_kill_members(const char *dir, pid_t spared);
/* How many processes the kernel killed for want of memory, and the most bytes used; added to. */
void mr_cgroup_look(const char *dir, uint64_t *kills, uint64_t *peak_bytes);
/* Removes it, where nothing is in it any more; false: it is still there. */
bool mr_cgroup_remove(const char *dir);
/* Kills what is in it, as often as need be, and removes it. */
void mr_cgroup_end(const char *dir);

#endif
