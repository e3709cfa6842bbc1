/* welcome: what this process says and accepts in the greetings of its connections.
 *
 * Who dialled says HELLO and hears WELCOME or REFUSED; who accepted hears HELLO and answers. Of
 * entry alone, which sends what is written here. */
#ifndef MR_NET_WELCOME_H
#define MR_NET_WELCOME_H

#include "lib/net/greeting.h"

#include <stdbool.h>

/* Write a frame into net->frame: who we are (HELLO, WELCOME), or why the other is refused. */
MR_MUST_USE int mr_welcome_say(struct mr_net *net, enum mr_greeting_kind kind,
                               struct mr_error *err);
MR_MUST_USE int mr_welcome_refuse(struct mr_net *net, const struct mr_error *why,
                                  struct mr_error *err);

/* Reads the one message that is for this side to hear, from who is called `label` in sentences. A
 * refusal is an error too: in its own words. What does not belong there is counted: MR_ERR_IO. */
MR_MUST_USE int mr_welcome_read(struct mr_net *net, bool is_dialed, const char *label,
                                const struct mr_frame *frame, struct mr_greeting *theirs,
                                struct mr_error *err);

/* Whether the other side, which speaks with this key, fits to us: mr_greeting_judge. */
MR_MUST_USE int mr_welcome_judge(const struct mr_net *net, const struct mr_greeting *theirs,
                                 enum mr_role_key key, struct mr_error *err);

#endif
