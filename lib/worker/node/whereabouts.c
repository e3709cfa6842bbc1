/* whereabouts: which machine this is, and how others reach it. */
#include "lib/worker/node/whereabouts.h"

#include "lib/net/address.h"
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void mr_whereabouts_host(char host[MR_WHEREABOUTS_MAX]) {
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    host[0] = '\0';
    if (file) {
        if (!fgets(host, MR_WHEREABOUTS_MAX, file)) {
            host[0] = '\0';
        }
        (void)fclose(file); /* only read from */
    }
    host[strcspn(host, "\n")] = '\0';
    if (!*host) { /* then no two workers are on one machine */
        (void)gethostname(host, MR_WHEREABOUTS_MAX - 1);
        snprintf(host + strlen(host), 20, "-%ld", (long)getpid());
    }
}

static struct addrinfo *look_up(const char *text) {
    struct mr_address address;
    struct mr_error ignored = {0};
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL;
    if (mr_address_read(text, "an address", &address, &ignored) ||
        getaddrinfo(address.host, address.port, &hints, &found) != 0) {
        return NULL;
    }
    return found;
}

bool mr_whereabouts_is_near(const char *address) {
    struct addrinfo *found = look_up(address);
    bool is_near = found != NULL;
    for (const struct addrinfo *at = found; at; at = at->ai_next) {
        is_near &= mr_address_is_loopback(at->ai_addr);
    }
    if (found) {
        freeaddrinfo(found);
    }
    return is_near;
}

/* The address from which the kernel would speak to that one. No packet is sent for it. */
static bool find_own(const struct addrinfo *to, struct sockaddr_storage *own) {
    socklen_t len = sizeof *own;
    int fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_found = fd >= 0 && connect(fd, to->ai_addr, to->ai_addrlen) == 0 &&
                    getsockname(fd, (struct sockaddr *)own, &len) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_found;
}

static void write_own(const struct sockaddr_storage *own, const char *port,
                      char address[MR_WHEREABOUTS_MAX]) {
    char text[MR_ADDRESS_TEXT_MAX];
    mr_address_write((const struct sockaddr *)own, text);
    char *colon = strrchr(text, ':');
    int len = colon ? (int)(colon - text) : (int)strlen(text);
    snprintf(address, MR_WHEREABOUTS_MAX, "%.*s:%s", len, text, port);
}

void mr_whereabouts_reach(const char *bound, const char *master, char address[MR_WHEREABOUTS_MAX]) {
    struct mr_address at;
    struct mr_error ignored = {0};
    struct sockaddr_storage own;
    snprintf(address, MR_WHEREABOUTS_MAX, "%s", bound);
    if (mr_address_read(bound, "an address", &at, &ignored) ||
        (strcmp(at.host, "0.0.0.0") != 0 && strcmp(at.host, "::") != 0)) {
        return;
    }
    struct addrinfo *found = look_up(master);
    if (found && find_own(found, &own)) {
        write_own(&own, at.port, address);
    } else {
        char name[200] = "localhost";
        (void)gethostname(name, sizeof name - 1);
        snprintf(address, MR_WHEREABOUTS_MAX, "%s:%s", name, at.port);
    }
    if (found) {
        freeaddrinfo(found);
    }
}
