/* intern: texts that live as long as the process, each kept once. */
#ifndef MR_BASE_INTERN_H
#define MR_BASE_INTERN_H

#include <mr/status.h>

/* The kept copy of a text; NULL: out of memory. Any thread. Meant for names, of which there are
 * few: nothing is ever given back. */
const char *mr_intern(const char *text);

#endif
