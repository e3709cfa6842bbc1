/* status: the codes that every fallible function returns, and the error that carries its sentence.
 */
#ifndef MR_STATUS_H
#define MR_STATUS_H

/* name, value, exit status of the command, meaning */
#define MR_STATUS_TABLE(X)                                                                         \
    X(OK, 0, 0, "done")                                                                            \
    X(ERR_JOB, -1, 1, "the job or its code failed")                                                \
    X(ERR_USAGE, -2, 2, "wrong usage, or the output exists")                                       \
    X(ERR_INPUT, -3, 3, "bad input: missing, unreadable, corrupt, or a difference was found")      \
    X(ERR_IO, -4, 4, "reading, writing or memory failed")                                          \
    X(ERR_NOMEM, -5, 4, "out of memory")                                                           \
    X(ERR_INTERRUPTED, -6, 130, "interrupted")                                                     \
    X(ERR_CLOSED, -7, 0, "the reader of standard output went away")                                \
    X(ERR_INTERNAL, -8, 1, "a defect in Millrace")                                                 \
    X(ERR_CLUSTER, -9, 5, "the cluster is unreachable, or refused")

enum mr_status {
#define MR_STATUS_ROW(name, value, exit_status, text) MR_##name = (value),
    MR_STATUS_TABLE(MR_STATUS_ROW)
#undef MR_STATUS_ROW
};

#define MR_ERROR_TEXT_MAX 1024

/* The sentence of a failure, in the caller's storage; begin with `struct mr_error err = {0}`. The
 * layer that meets the failure writes the sentence, layers above append their words. */
struct mr_error {
    int code; /* an MR_ERR_* value, or 0 */
    char text[MR_ERROR_TEXT_MAX];
};

#define MR_MUST_USE __attribute__((warn_unused_result))

#endif
