/* address: "HOST:PORT" in text, and socket addresses as such text. */
#ifndef MR_NET_ADDRESS_H
#define MR_NET_ADDRESS_H

#include <mr/status.h>
#include <stdbool.h>

#define MR_ADDRESS_HOST_MAX 256
#define MR_ADDRESS_PORT_MAX 6
#define MR_ADDRESS_TEXT_MAX 80 /* "[IPv6%interface]:port" and a NUL */

struct sockaddr;

struct mr_address {
    char host[MR_ADDRESS_HOST_MAX]; /* without brackets */
    char port[MR_ADDRESS_PORT_MAX]; /* decimal, at most 65535 */
};

/* Reads "HOST:PORT"; an IPv6 address stands in brackets. What is no such text: MR_ERR_USAGE, with
 * `purpose` ("--master") in the sentence. */
MR_MUST_USE int mr_address_read(const char *text, const char *purpose, struct mr_address *address,
                                struct mr_error *err);

/* Writes "HOST:PORT" of an IPv4 or IPv6 socket address; "?" of another. */
void mr_address_write(const struct sockaddr *socket, char text[MR_ADDRESS_TEXT_MAX]);

/* Whether only this machine can reach it. */
bool mr_address_is_loopback(const struct sockaddr *socket);

#endif
