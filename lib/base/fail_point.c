/* fail_point: named places where a test ends the process, in builds made for it. */
#include "lib/base/fail_point.h"

#ifdef MR_FAIL_POINTS

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
#define NAME_ROW(name, words) [MR_FAIL_POINT_##name] = #name,
    MR_FAIL_POINT_TABLE(NAME_ROW)
#undef NAME_ROW
};

static atomic_ulong reached[MR_FAIL_POINTS_COUNT];

void mr_fail_point_reach(enum mr_fail_point point) {
    const char *wanted = getenv("MILLRACE_FAIL_POINT");
    size_t len = strlen(names[point]);
    if (!wanted || strncmp(wanted, names[point], len) != 0 || wanted[len] != ':') {
        return;
    }
    if (atomic_fetch_add(&reached[point], 1) + 1 == strtoul(wanted + len + 1, NULL, 10)) {
        (void)raise(SIGKILL);
    }
}

#endif
