/* intake: keeps the plain bytes that came, until they are whole frames. */
#ifndef MR_NET_INTAKE_H
#define MR_NET_INTAKE_H

#include "lib/base/buffer.h"
#include "lib/net/frame.h"

#include <mr/status.h>
#include <stdbool.h>
#include <stddef.h>

/* In the caller's storage; zero-initialise, release with mr_intake_fini. */
struct mr_intake {
    struct mr_buffer bytes;
    size_t at; /* in them: what was handed out as frames */
};

/* Makes room for at least a quarter of `room` bytes at *where, and tells how many there is room
 * for. It grows as bytes come, whatever length they announce. MR_ERR_NOMEM. */
MR_MUST_USE int mr_intake_reserve(struct mr_intake *intake, size_t room, char **where,
                                  size_t *there, struct mr_error *err);
/* So many bytes were written there. */
void mr_intake_add(struct mr_intake *intake, size_t len);

/* Takes the next frame, valid until the next reserve. False: it is not whole, or *fault tells. */
bool mr_intake_next(struct mr_intake *intake, const struct mr_frame_rules *rules,
                    struct mr_frame *frame, enum mr_frame_fault *fault);

/* Whether what came ends with the end of a frame. */
bool mr_intake_is_between(const struct mr_intake *intake);

/* Whether there is more than a frame without a body. */
bool mr_intake_is_long(const struct mr_intake *intake);

void mr_intake_fini(struct mr_intake *intake);

#endif
