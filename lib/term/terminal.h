/* terminal: what the terminal behind a descriptor can show. */
#ifndef MR_TERM_TERMINAL_H
#define MR_TERM_TERMINAL_H

#include <stdbool.h>

/* A terminal at all; and one on which a line can be drawn again in place (TERM is set and not
 * "dumb"). */
bool mr_terminal_is(int fd);
bool mr_terminal_is_rich(int fd);

/* Colour is welcome: a rich terminal, and NO_COLOR unset or empty. */
bool mr_terminal_has_color(int fd);

/* The locale's characters are UTF-8, by LC_ALL, LC_CTYPE and LANG. */
bool mr_terminal_is_utf8(void);

/* The width in columns: the terminal's, else $COLUMNS, else 80. */
unsigned mr_terminal_columns(int fd);

#endif
