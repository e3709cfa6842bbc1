/* description: a job as a Millrace to come plans it. */
#undef MR_VERSION
#define MR_VERSION "9.9.9"
#include "lib/client/description.c"
