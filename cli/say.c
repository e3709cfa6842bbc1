/* say: the command's errors on standard error, and whether its standard output arrived. */
#include "cli/say.h"

#include "lib/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void mr_say_guard(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF) {
            /* The lowest free number is this one. Reading gets nothing, writing fails. */
            int got = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
            (void)got;
        }
    }
}

void mr_say_text(const char *text) {
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t done = write(STDERR_FILENO, text, len);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return;
        }
        text += done;
        len -= (size_t)done;
    }
}

void mr_say_error(const struct mr_error *err) {
    if (!err->text[0] || err->code == MR_ERR_CLOSED) {
        return;
    }
    char line[MR_ERROR_TEXT_MAX + 16];
    for (const char *text = err->text; *text;) {
        size_t len = strcspn(text, "\n");
        int used = snprintf(line, sizeof line, "millrace: %.*s\n", (int)len, text);
        for (char *at = line; at < line + used - 1; at++) {
            *at = (unsigned char)*at < ' ' || *at == 0x7f ? '?' : *at;
        }
        mr_say_text(line);
        text += len + (text[len] == '\n');
    }
}

int mr_say_close(int status, struct mr_error *err) {
    if (close(STDOUT_FILENO) == 0 || status) {
        return status;
    }
    return mr_error_errno(err, MR_ERR_IO, errno, "close standard output");
}
