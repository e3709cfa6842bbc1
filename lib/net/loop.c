/* loop: makes a loop where there is room for what it needs. */
#include "lib/net/loop.h"

#include "lib/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <uv.h>

#define DESCRIPTORS 8 /* epoll, an event, two pipes of signals, and two to spare */

/* Whether so many are free; 0, or an errno value. */
static int look_for_room(void) {
    int fds[DESCRIPTORS];
    int count = 0;
    int failure = 0;
    while (count < DESCRIPTORS && !failure) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        failure = fd < 0 ? errno : 0;
        fds[count] = fd;
        count += fd >= 0;
    }
    while (count > 0) {
        (void)close(fds[--count]);
    }
    return failure;
}

int mr_loop_init(struct uv_loop_s *loop, const char *doing, struct mr_error *err) {
    int failure = look_for_room();
    if (!failure) {
        failure = -uv_loop_init(loop);
    }
    return failure ? mr_error_errno(err, failure == ENOMEM ? MR_ERR_NOMEM : MR_ERR_IO, failure,
                                    "%s", doing)
                   : MR_OK;
}
