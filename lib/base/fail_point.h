/* fail_point: named places where a test ends the process, in builds made for it.
 *
 * A build with MR_FAIL_POINTS (the presets debug, asan, tsan) looks at MILLRACE_FAIL_POINT: with
 * NAME:N the process kills itself, as by kill -9, when it reaches that place the N-th time. In
 * other builds these are no code at all. Places stand in shells, never in master/core; a test sees
 * that each is reached. */
#ifndef MR_BASE_FAIL_POINT_H
#define MR_BASE_FAIL_POINT_H

#define MR_FAIL_POINT_TABLE(X)                                                                     \
    X(journal_pre_commit, "all of a transaction is written but its COMMIT")                        \
    X(journal_post_commit, "a transaction is committed, its journal doesn't know yet")             \
    X(journal_pre_reply, "a transaction is known to be committed, no effect went out")             \
    X(map_output_made, "a map output is whole, the journal doesn't know of it")                    \
    X(part_synced, "a part is whole and durable, the journal doesn't know of it")                  \
    X(part_moved, "a winner's part was moved to where it is published from")                       \
    X(output_appeared, "the output has its name, the journal doesn't know of it")

enum mr_fail_point {
#define MR_FAIL_POINT_ROW(name, words) MR_FAIL_POINT_##name,
    MR_FAIL_POINT_TABLE(MR_FAIL_POINT_ROW)
#undef MR_FAIL_POINT_ROW
        MR_FAIL_POINTS_COUNT
};

#ifdef MR_FAIL_POINTS
void mr_fail_point_reach(enum mr_fail_point point);
#define MR_FAIL_POINT(name) mr_fail_point_reach(MR_FAIL_POINT_##name)
#else
#define MR_FAIL_POINT(name) ((void)0)
#endif

#endif
