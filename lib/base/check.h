/* check: ends the process at a programmer's error, in release builds too. */
#ifndef MR_BASE_CHECK_H
#define MR_BASE_CHECK_H

#include <stdio.h>
#include <stdlib.h>

/* For what can only be false through a defect of this program. Never for input, a peer's bytes or a
 * failed call: those are returned. Evaluates its argument once. */
#define MR_CHECK(condition)                                                                        \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: check failed: %s\n", __FILE__, __LINE__, __func__,         \
                    #condition);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
