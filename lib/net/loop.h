/* loop: makes a loop where there is room for what it needs. */
#ifndef MR_NET_LOOP_H
#define MR_NET_LOOP_H

#include <mr/status.h>

struct uv_loop_s;

/* Initialises the caller's loop, which is closed by uv_loop_close. libuv ends the process where it
 * finds no descriptors for its own pipes; this looks first. MR_ERR_IO, with `doing` in the
 * sentence: "starting a master". */
MR_MUST_USE int mr_loop_init(struct uv_loop_s *loop, const char *doing, struct mr_error *err);

#endif
