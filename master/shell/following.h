/* following: tells clients how jobs go on, and that they ended. */
#ifndef MR_SHELL_FOLLOWING_H
#define MR_SHELL_FOLLOWING_H

#include "master/shell/sessions.h"

#include <uv.h>

/* Message. */
void mr_following_follow(struct mr_session *session, union mr_wire_any *message,
                         const struct mr_frame *frame);

/* The client hears of the job from now on; of one that has ended, that at once. */
void mr_following_add(struct mr_session *session, uint32_t job);
/* A job has ended, and all is known of it: ENDED to all who follow it. `log`: the last lines of the
 * attempt that it failed by, or NULL. */
void mr_following_end(struct mr_master *master, uint32_t job, const char *log);

/* Workers have come or gone: what jobs wait for may be another. */
void mr_following_touch(struct mr_master *master);

/* The timer that tells of progress; runs only while somebody follows. */
void mr_following_on_timer(uv_timer_t *timer);

#endif
