/* net: who we are, said by a Millrace to come. */
#include "lib/net/net.h"
#undef MR_VERSION
#define MR_VERSION "9.9.9"
#ifdef ANOTHER_PROTOCOL
#undef MR_NET_PROTOCOL
#define MR_NET_PROTOCOL 99u
#endif
#include "lib/net/net.c"
