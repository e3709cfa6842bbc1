/* address: "HOST:PORT" in text, and socket addresses as such text. */
#include "lib/net/address.h"

#include "lib/base/error.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PORT_MAX 65535

/* Cuts the host off: its length, and where the colon before the port stands; NULL: there is none.
 */
static const char *cut_host(const char *text, const char **host, size_t *len) {
    const char *colon;
    *host = text;
    if (text[0] == '[') {
        const char *end = strchr(text, ']');
        *host = text + 1;
        *len = end ? (size_t)(end - *host) : 0;
        colon = end ? end + 1 : text;
    } else {
        colon = text + strcspn(text, ":");
        *len = (size_t)(colon - text);
    }
    return *colon == ':' ? colon : NULL;
}

int mr_address_read(const char *text, const char *purpose, struct mr_address *address,
                    struct mr_error *err) {
    const char *host;
    size_t len;
    const char *colon = cut_host(text, &host, &len);
    const char *port = colon ? colon + 1 : "";
    size_t digits = strspn(port, "0123456789");
    if (len == 0 || len >= sizeof address->host || digits == 0 || digits >= sizeof address->port ||
        port[digits] || atol(port) > PORT_MAX) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "%s \"%.200s\" is no HOST:PORT (an IPv6 address stands in brackets: "
                            "[::1]:7077)",
                            purpose, text);
    }
    memcpy(address->host, host, len);
    address->host[len] = '\0';
    memcpy(address->port, port, digits + 1);
    return MR_OK;
}

void mr_address_write(const struct sockaddr *socket, char text[MR_ADDRESS_TEXT_MAX]) {
    char host[INET6_ADDRSTRLEN] = "";
    char scope[1 + IF_NAMESIZE] = "";
    if (socket->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const void *)socket;
        inet_ntop(AF_INET, &four->sin_addr, host, sizeof host);
        snprintf(text, MR_ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(four->sin_port));
    } else if (socket->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const void *)socket;
        inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host);
        if (six->sin6_scope_id && if_indextoname(six->sin6_scope_id, scope + 1)) {
            scope[0] = '%';
        }
        snprintf(text, MR_ADDRESS_TEXT_MAX, "[%s%s]:%u", host, scope, ntohs(six->sin6_port));
    } else {
        snprintf(text, MR_ADDRESS_TEXT_MAX, "?");
    }
}

bool mr_address_is_loopback(const struct sockaddr *socket) {
    if (socket->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const void *)socket;
        return ntohl(four->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (socket->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const void *)socket;
        const unsigned char *bytes = six->sin6_addr.s6_addr;
        return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr) && bytes[12] == IN_LOOPBACKNET);
    }
    return false;
}
