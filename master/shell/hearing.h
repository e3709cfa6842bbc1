/* hearing: takes in connections, and hands what is said on them to whom it concerns. */
#ifndef MR_SHELL_HEARING_H
#define MR_SHELL_HEARING_H

#include "lib/net/listener.h"

/* Their owner is the master. */
extern const struct mr_listener_events mr_hearing_events;

#endif
