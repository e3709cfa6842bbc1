/* port: one of this machine's that nobody else gets, and at which nobody listens; for tests. */
#ifndef MR_TESTS_UNIT_NET_PORT_H
#define MR_TESTS_UNIT_NET_PORT_H

#include "lib/net/address.h"
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* Stores where; the caller closes what is returned. Who listens there by name may. */
static inline int take_port(char address[MR_ADDRESS_TEXT_MAX]) {
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t len = sizeof name;
    int one = 1;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&name, len), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    mr_address_write((struct sockaddr *)&name, address);
    return fd;
}

#endif
