/* terminal: what the terminal behind a descriptor can show. */
#include "lib/term/terminal.h"

#include "lib/base/number.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool mr_terminal_is(int fd) {
    return isatty(fd) == 1;
}

bool mr_terminal_is_rich(int fd) {
    const char *term = getenv("TERM");
    return term && term[0] && strcmp(term, "dumb") != 0 && mr_terminal_is(fd);
}

bool mr_terminal_has_color(int fd) {
    const char *refused = getenv("NO_COLOR");
    return !(refused && refused[0]) && mr_terminal_is_rich(fd);
}

bool mr_terminal_is_utf8(void) {
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *locale = getenv(names[i]);
        if (locale && locale[0]) {
            return strcasestr(locale, "UTF-8") || strcasestr(locale, "UTF8");
        }
    }
    return false;
}

unsigned mr_terminal_columns(int fd) {
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    const char *text = getenv("COLUMNS");
    uint64_t columns;
    if (text && mr_number_read_u64(text, &columns) && columns > 0 && columns < 10000) {
        return (unsigned)columns;
    }
    return 80;
}
