/* publishing: has outputs appear, by a reducer that does the last step, or by who collects. */
#ifndef MR_SHELL_PUBLISHING_H
#define MR_SHELL_PUBLISHING_H

#include "master/shell/jobs.h"
#include "master/shell/sessions.h"

/* Messages. */
void mr_publishing_published(struct mr_session *session, union mr_wire_any *message,
                             const struct mr_frame *frame);
void mr_publishing_collect(struct mr_session *session, union mr_wire_any *message,
                           const struct mr_frame *frame);
void mr_publishing_collected(struct mr_session *session, union mr_wire_any *message,
                             const struct mr_frame *frame);

/* Gives each job that is to be published, and that nobody publishes, to a reducer: also where the
 * one who did is lost; says it again to one that is back on a new connection; tells clients that
 * wait where the parts are. */
void mr_publishing_go_on(struct mr_master *master);

/* Ends a job whose output waits to be collected, since it isn't wanted any more. */
void mr_publishing_give_up(struct mr_master *master, struct mr_jobs_row *job,
                           const struct mr_error *why);

#endif
