/* error: writes the sentence of a failure. */
#ifndef MR_BASE_ERROR_H
#define MR_BASE_ERROR_H

#include <mr/status.h>

/* Sets code and sentence and returns the code; an error that is set already is kept (the first
 * cause wins). `err` may not be NULL. */
__attribute__((format(printf, 3, 4))) int mr_error_set(struct mr_error *err, int code,
                                                       const char *format, ...);

/* The same for a failed system call: the sentence ends with ": " and strerror(errno_value). ENOMEM
 * becomes MR_ERR_NOMEM whatever `code` says. */
__attribute__((format(printf, 4, 5))) int mr_error_errno(struct mr_error *err, int code,
                                                         int errno_value, const char *format, ...);

/* Out of memory while doing `what` ("growing the table of distinct keys"). Returns MR_ERR_NOMEM. */
int mr_error_nomem(struct mr_error *err, const char *what);

/* Appends words to the sentence: " (reading split 3)". Returns err->code. */
__attribute__((format(printf, 2, 3))) int mr_error_add(struct mr_error *err, const char *format,
                                                       ...);

/* The name of a status: "ERR_IO"; and the exit status of the command for it. */
const char *mr_error_name(int status);
int mr_error_exit_status(int status);

#endif
