/* views: jobs, tasks and nodes as lines for people. */
#ifndef MR_SHELL_VIEWS_H
#define MR_SHELL_VIEWS_H

#include "lib/net/wire.h"
#include "master/shell/jobs.h"

struct mr_master;
struct mr_roster_node;

/* The texts of these are borrowed until the next event. */
struct mr_wire_row_job_line mr_views_job(const struct mr_master *master,
                                         const struct mr_jobs_row *job);
/* How a job ended, in a word: "done", "cancelled", "failed". */
const char *mr_views_end_word(int status);
struct mr_wire_row_job_line mr_views_ended(const struct mr_history_row *ended);
/* Of a job by its number; false: there is none. */
bool mr_views_find(const struct mr_master *master, uint32_t number,
                   struct mr_wire_row_job_line *line);

/* The tasks of a job's round that is under way, map tasks first, from number `from` on; returns how
 * many were written. */
size_t mr_views_tasks(const struct mr_master *master, const struct mr_jobs_row *job, uint64_t from,
                      struct mr_wire_row_task_line *lines, size_t most);

struct mr_wire_row_node_line mr_views_node(const struct mr_master *master,
                                           const struct mr_roster_node *node);
/* How many nodes are ready. */
uint32_t mr_views_ready(const struct mr_master *master);

#endif
