/* tree: steps through directories and removes them, without allocating memory. */
#ifndef MR_OUTPUT_TREE_H
#define MR_OUTPUT_TREE_H

#include <mr/status.h>

/* Called with each name in a directory but "." and "..", in the order the kernel gives them. A
 * status other than 0 ends the walk. */
typedef int (*mr_tree_visit)(void *arg, const char *name, struct mr_error *err);

/* Calls `visit` for every name in the directory. Entries may be removed meanwhile; then some may be
 * missed. Returns 0, MR_ERR_IO, or what `visit` returned. */
MR_MUST_USE int mr_tree_each(int dir_fd, mr_tree_visit visit, void *arg, struct mr_error *err);

/* Removes a name in the directory, of whatever kind, with all below it; follows no symbolic link.
 * Goes on after a failure, then tries all once more. A name that isn't there is removed already.
 * `err` may not hold an error yet. */
MR_MUST_USE int mr_tree_remove(int dir_fd, const char *name, struct mr_error *err);

/* Removes all that is in the directory but the entry called `keep` (NULL: none). */
MR_MUST_USE int mr_tree_empty(int dir_fd, const char *keep, struct mr_error *err);

#endif
