/* error: writes the sentence of a failure. */
#include "lib/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void append(struct mr_error *err, const char *format, va_list args) {
    size_t used = strlen(err->text);
    vsnprintf(err->text + used, sizeof err->text - used, format, args);
}

int mr_error_set(struct mr_error *err, int code, const char *format, ...) {
    if (err->code) {
        return err->code;
    }
    err->code = code;
    err->text[0] = '\0';
    va_list args;
    va_start(args, format);
    append(err, format, args);
    va_end(args);
    return code;
}

int mr_error_errno(struct mr_error *err, int code, int errno_value, const char *format, ...) {
    if (err->code) {
        return err->code;
    }
    err->code = errno_value == ENOMEM ? MR_ERR_NOMEM : code;
    err->text[0] = '\0';
    va_list args;
    va_start(args, format);
    append(err, format, args);
    va_end(args);
    char reason[128];
    return mr_error_add(err, ": %s", strerror_r(errno_value, reason, sizeof reason));
}

int mr_error_nomem(struct mr_error *err, const char *what) {
    return mr_error_set(err, MR_ERR_NOMEM, "out of memory %s", what);
}

int mr_error_add(struct mr_error *err, const char *format, ...) {
    va_list args;
    va_start(args, format);
    append(err, format, args);
    va_end(args);
    return err->code;
}

const char *mr_error_name(int status) {
    switch (status) {
#define MR_STATUS_ROW(name, value, exit_status, text)                                              \
    case value:                                                                                    \
        return #name;
        MR_STATUS_TABLE(MR_STATUS_ROW)
#undef MR_STATUS_ROW
    default:
        return "UNKNOWN";
    }
}

int mr_error_exit_status(int status) {
    switch (status) {
#define MR_STATUS_ROW(name, value, exit_status, text)                                              \
    case value:                                                                                    \
        return exit_status;
        MR_STATUS_TABLE(MR_STATUS_ROW)
#undef MR_STATUS_ROW
    default:
        return 1;
    }
}
