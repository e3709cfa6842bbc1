/* listener: the one door: accepts connections, and hands over those that are greeted. */
#include "lib/net/listener.h"

#include "lib/base/check.h"
#include "lib/base/error.h"
#include "lib/base/hash.h"
#include "lib/job/problems.h"
#include "lib/net/address.h"
#include "lib/net/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define BACKLOG 512
#define ACCEPTS_MAX 64    /* in a row, before others have their turn */
#define TOLD_ADDRESSES 64 /* whose last mention is remembered */
#define TOLD_MS 1000

/* A connection before its greeting, or one that was refused and is still told so. */
struct guest {
    struct mr_listener *listener;
    struct mr_conn *conn;
    struct guest *older;
    struct guest *younger;
    bool is_listed;
};

struct mr_listener {
    struct mr_net *net;
    const struct mr_listener_events *events;
    void *user;
    char address[MR_ADDRESS_TEXT_MAX];
    int fd;
    int reserve; /* a descriptor to give up when there are no others */
    uv_poll_t poll;
    uv_timer_t timer; /* of a rest */
    unsigned parts;   /* handles and guests that are not gone yet */
    bool is_closing;
    struct guest *oldest;
    struct guest *youngest;
    uint32_t guests; /* listed */
    struct {
        uint64_t address; /* hashed, without its port */
        uint64_t at_ms;
    } told[TOLD_ADDRESSES];
};

static void on_connection(uv_poll_t *poll, int status, int events);

/* ---- guests ---------------------------------------------------------------------------------- */

static void unlist(struct guest *guest) {
    struct mr_listener *listener = guest->listener;
    if (guest->is_listed) {
        *(guest->older ? &guest->older->younger : &listener->oldest) = guest->younger;
        *(guest->younger ? &guest->younger->older : &listener->youngest) = guest->older;
        guest->is_listed = false;
        listener->guests--;
    }
}

static void list(struct guest *guest) {
    struct mr_listener *listener = guest->listener;
    guest->older = listener->youngest;
    *(guest->older ? &guest->older->younger : &listener->oldest) = guest;
    listener->youngest = guest;
    guest->is_listed = true;
    listener->guests++;
}

static void part_gone(struct mr_listener *listener) {
    if (--listener->parts > 0) {
        return;
    }
    if (listener->events && listener->events->closed) {
        listener->events->closed(listener, listener->user);
    }
    free(listener);
}

/* Whether an address was not mentioned within a second; notes that it is now. */
static bool may_tell(struct mr_listener *listener, const char *address) {
    const char *port = strrchr(address, ':');
    uint64_t hash = mr_hash_xxh3(address, port ? (size_t)(port - address) : strlen(address));
    size_t row = hash % TOLD_ADDRESSES;
    uint64_t now = uv_now(listener->net->loop);
    if (listener->told[row].address == hash && now - listener->told[row].at_ms < TOLD_MS) {
        return false;
    }
    listener->told[row].address = hash;
    listener->told[row].at_ms = now;
    return true;
}

static void on_guest_closed(struct mr_conn *conn, bool by_peer, const struct mr_error *why,
                            void *user) {
    struct guest *guest = user;
    struct mr_listener *listener = guest->listener;
    (void)by_peer;
    unlist(guest);
    free(guest);
    if (!listener->is_closing && listener->events->turned_away && why->code &&
        why->code != MR_ERR_CLOSED && may_tell(listener, mr_conn_peer(conn)->address)) {
        listener->events->turned_away(listener, why, listener->user);
    }
    part_gone(listener);
}

/* Not called: before its greeting a connection hands out no frame, and then it has an owner. */
static void on_guest_frame(struct mr_conn *conn, const struct mr_frame *frame, void *user) {
    (void)frame;
    MR_CHECK(mr_conn_user(conn) != user);
}

static const struct mr_conn_events guest_events = {.frame = on_guest_frame,
                                                   .closed = on_guest_closed};

/* A guest said who it is: the owner of the listener takes it over, or tells why not. */
static int on_door(struct mr_conn *conn, void *user, struct mr_error *err) {
    struct guest *guest = user;
    struct mr_listener *listener = guest->listener;
    unlist(guest);
    int status = listener->events->accepted(listener, conn, listener->user, err);
    if (!status) {
        MR_CHECK(mr_conn_user(conn) != guest);
        free(guest);
        part_gone(listener);
        return MR_OK;
    }
    return mr_error_set(err, status, "no reason was given"); /* where there is none */
}

/* Makes room for one more: who has waited longest goes. */
static void crowd_out(struct mr_listener *listener) {
    struct mr_error why = {0};
    struct guest *guest = listener->oldest;
    mr_error_set(&why, MR_ERR_CLUSTER, "%s did not say who it is, and others wait at the door",
                 mr_conn_peer(guest->conn)->address);
    listener->net->counters.crowded++;
    unlist(guest);
    mr_conn_drop(guest->conn, &why);
}

static void admit(struct mr_listener *listener, int fd, const struct sockaddr *from) {
    char address[MR_ADDRESS_TEXT_MAX];
    struct mr_error err = {0};
    struct guest *guest = calloc(1, sizeof *guest);
    mr_address_write(from, address);
    listener->net->counters.accepted++;
    if (listener->guests >= listener->net->limits.greeting_count_max) {
        crowd_out(listener);
    }
    if (!guest) {
        (void)close(fd);
        return;
    }
    guest->listener = listener;
    if (mr_entry_accept(listener->net, fd, address, on_door, &guest_events, guest, &guest->conn,
                        &err)) {
        free(guest); /* no memory for one more: it is turned away */
        return;
    }
    listener->parts++;
    list(guest);
}

/* ---- accepting ------------------------------------------------------------------------------- */

static void hold_reserve(struct mr_listener *listener) {
    if (listener->reserve < 0) {
        listener->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
}

static void start_accepting(struct mr_listener *listener) {
    if (!listener->is_closing) {
        hold_reserve(listener);
        uv_poll_start(&listener->poll, UV_READABLE, on_connection);
    }
}

static void on_rested(uv_timer_t *timer) {
    start_accepting(timer->data);
}

/* No descriptor is left. One peer is told by closing; the others wait in the backlog. */
static void rest(struct mr_listener *listener) {
    listener->net->counters.accept_pauses++;
    if (listener->reserve >= 0) {
        (void)close(listener->reserve);
        listener->reserve = -1;
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            (void)close(fd);
        }
        hold_reserve(listener);
    }
    uv_poll_stop(&listener->poll);
    uv_timer_start(&listener->timer, on_rested, listener->net->limits.accept_pause_ms, 0);
}

static void on_connection(uv_poll_t *poll, int status, int events) {
    struct mr_listener *listener = poll->data;
    (void)events;
    if (status) { /* libuv has stopped looking */
        rest(listener);
        return;
    }
    for (int i = 0; i < ACCEPTS_MAX && !listener->is_closing; i++) {
        struct sockaddr_storage from = {0};
        socklen_t len = sizeof from;
        int fd =
            accept4(listener->fd, (struct sockaddr *)&from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            admit(listener, fd, (struct sockaddr *)&from);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            rest(listener);
            return;
        } /* others are the peer's: it is gone already */
    }
}

/* ---- its beginning and end ------------------------------------------------------------------- */

static int look_up(const char *text, struct addrinfo **found, struct mr_error *err) {
    struct mr_address address;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    if (mr_address_read(text, "--listen", &address, err)) {
        return err->code;
    }
    int failed = getaddrinfo(address.host, address.port, &hints, found);
    return failed ? mr_error_set(err, MR_ERR_USAGE, "--listen \"%.200s\": %s", text,
                                 gai_strerror(failed))
                  : MR_OK;
}

/* Adds what forbids to listen at these addresses. */
static void judge(const struct mr_listener_options *options, const struct addrinfo *found,
                  const char *command, struct mr_problems *problems) {
    bool is_loopback = true;
    for (; found; found = found->ai_next) {
        is_loopback &= mr_address_is_loopback(found->ai_addr);
    }
    if (!is_loopback && !options->has_explicit_secret) {
        mr_problems_add(problems, MR_ERR_USAGE,
                        "\"%.200s\" can be reached from other machines, which takes a secret: run "
                        "'millrace secret new cluster.key', copy that file to each machine, and "
                        "give each command --secret cluster.key",
                        options->address);
    }
    if (!is_loopback && geteuid() == 0 && !options->allow_root) {
        mr_problems_add(problems, MR_ERR_USAGE,
                        "\"%.200s\" can be reached from other machines, and millrace %s would run "
                        "as root: run it as another user, or with --allow-root",
                        options->address, command);
    }
}

int mr_listener_check(const struct mr_listener_options *options, const char *command,
                      struct mr_problems *problems) {
    struct addrinfo *found = NULL;
    struct mr_error err = {0};
    if (look_up(options->address, &found, &err)) {
        mr_problems_add(problems, err.code, "%s", err.text);
        return err.code;
    }
    judge(options, found, command, problems);
    freeaddrinfo(found);
    return problems->found.code;
}

/* Opens, binds and listens at one address; 0, or an errno value. */
static int bind_one(const struct addrinfo *target, int *fd) {
    int one = 1;
    int zero = 0;
    *fd = socket(target->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0) {
        return errno;
    }
    (void)!setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (target->ai_family == AF_INET6) {
        (void)!setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    }
    if (bind(*fd, target->ai_addr, target->ai_addrlen) || listen(*fd, BACKLOG)) {
        int failed = errno;
        (void)close(*fd);
        *fd = -1;
        return failed;
    }
    return 0;
}

static int fail_to_listen(const char *text, int failed, struct mr_error *err) {
    (void)mr_error_errno(err, MR_ERR_IO, failed, "listen on %.200s", text);
    return failed == EADDRINUSE
               ? mr_error_add(err, ": another process listens there; end that one, or give "
                                   "another --listen HOST:PORT (port 0: any)")
               : err->code;
}

/* Binds the first address that can be bound. */
static int bind_any(const char *text, int *fd, struct mr_error *err) {
    struct addrinfo *found = NULL;
    int failed = 0;
    if (look_up(text, &found, err)) {
        return err->code;
    }
    for (const struct addrinfo *target = found; target && *fd < 0; target = target->ai_next) {
        failed = bind_one(target, fd);
    }
    freeaddrinfo(found);
    return *fd >= 0 ? MR_OK : fail_to_listen(text, failed, err);
}

static int write_address(struct mr_listener *listener, struct mr_error *err) {
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof name;
    if (getsockname(listener->fd, (struct sockaddr *)&name, &len)) {
        return mr_error_errno(err, MR_ERR_IO, errno, "ask for the listening address");
    }
    mr_address_write((struct sockaddr *)&name, listener->address);
    return MR_OK;
}

int mr_listener_open(struct mr_net *net, const struct mr_listener_options *options,
                     const char *command, const struct mr_listener_events *events, void *user,
                     struct mr_listener **listener, struct mr_error *err) {
    struct mr_problems problems = {0};
    int status;
    (void)mr_listener_check(options, command, &problems);
    if (mr_problems_report(&problems, err)) {
        return err->code;
    }
    struct mr_listener *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "listening");
    }
    *made =
        (struct mr_listener){.net = net, .events = events, .user = user, .fd = -1, .reserve = -1};
    if (bind_any(options->address, &made->fd, err) || write_address(made, err)) {
        goto failed;
    }
    status = uv_poll_init(net->loop, &made->poll, made->fd);
    if (status) {
        (void)fail_to_listen(options->address, -status, err);
        goto failed;
    }
    (void)uv_timer_init(net->loop, &made->timer);
    made->poll.data = made;
    made->timer.data = made;
    made->parts = 2;
    start_accepting(made);
    *listener = made;
    return MR_OK;

failed:
    if (made->fd >= 0) {
        (void)close(made->fd);
    }
    free(made);
    return err->code;
}

const char *mr_listener_address(const struct mr_listener *listener) {
    return listener->address;
}

static void on_handle_closed(uv_handle_t *handle) {
    part_gone(handle->data);
}

void mr_listener_close(struct mr_listener *listener) {
    if (listener->is_closing) {
        return;
    }
    listener->is_closing = true;
    while (listener->oldest) {
        struct guest *guest = listener->oldest;
        unlist(guest);
        mr_conn_drop(guest->conn, NULL);
    }
    uv_close((uv_handle_t *)&listener->poll, on_handle_closed);
    uv_close((uv_handle_t *)&listener->timer, on_handle_closed);
    (void)close(listener->fd);
    if (listener->reserve >= 0) {
        (void)close(listener->reserve);
        listener->reserve = -1;
    }
}
