/* unruly_block: unruly, which maps blocks. */
#define MAP_BLOCK
#include "unruly.c"
