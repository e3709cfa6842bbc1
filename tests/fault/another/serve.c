/* serve: task processes of a Millrace to come. */
#undef MR_VERSION
#define MR_VERSION "9.9.9"
#include "task/serve.c"
