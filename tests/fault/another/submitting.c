/* submitting: jobs as the master of a Millrace to come takes them in. */
#undef MR_VERSION
#define MR_VERSION "9.9.9"
#include "master/shell/submitting.c"
