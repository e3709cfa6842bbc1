/* test_listener: the door: who may listen where, and what strangers can do there. */
#include "lib/net/listener.h"

#include "lib/job/problems.h"
#include "lib/net/cipher.h"
#include "lib/net/greeting.h"
#include "lib/net/message.h"
#include "tests/unit/net/rig.h"

#include <sys/resource.h>

static const struct mr_net_config hasty = {.limits = {.greeting_ms = 1000}};
static const struct mr_net_config none;

/* Whether the other side closed: reads away what came before. */
static bool is_closed(int fd) {
    char bytes[4096];
    ssize_t got;
    while ((got = read(fd, bytes, sizeof bytes)) > 0) {
    }
    return got == 0 || errno == ECONNRESET;
}

/* ---- where it may listen --------------------------------------------------------------------- */

static int check(const char *address, bool secret, bool root, struct mr_error *err) {
    struct mr_listener_options options = {
        .address = address, .has_explicit_secret = secret, .allow_root = root};
    struct mr_problems problems = {0};
    *err = (struct mr_error){0};
    int status = mr_listener_check(&options, "master", &problems);
    cr_assert_eq(mr_problems_report(&problems, err), status);
    return status;
}

Test(listener, loopback_needs_nothing_the_world_a_secret) {
    struct mr_error err;
    cr_assert_eq(check("127.0.0.1:0", false, false, &err), 0);
    cr_assert_eq(check("127.1.2.3:7077", false, false, &err), 0);
    cr_assert_eq(check("[::1]:0", false, false, &err), 0);
    cr_assert_eq(check("localhost:0", false, false, &err), 0);
    cr_assert_eq(check("[::ffff:127.0.0.1]:0", false, false, &err), 0);
    cr_assert_eq(check("0.0.0.0:7077", false, true, &err), MR_ERR_USAGE);
    cr_assert_not_null(strstr(err.text, "millrace secret new cluster.key"), "%s", err.text);
    cr_assert_eq(check("[::]:7077", false, true, &err), MR_ERR_USAGE);
    cr_assert_eq(check("10.1.2.3:7077", true, true, &err), 0);
    cr_assert_eq(check("nonsense", true, true, &err), MR_ERR_USAGE);
    cr_assert_eq(check("127.0.0.1:65536", true, true, &err), MR_ERR_USAGE);
    if (geteuid() == 0) {
        cr_assert_eq(check("0.0.0.0:7077", true, false, &err), MR_ERR_USAGE);
        cr_assert_not_null(strstr(err.text, "--allow-root"));
        cr_assert_null(strstr(err.text, "secret new"));
        cr_assert_eq(check("0.0.0.0:7077", false, false, &err), MR_ERR_USAGE);
        cr_assert_not_null(strstr(err.text, "--allow-root"), "all reasons are told");
        cr_assert_not_null(strstr(err.text, "secret new"));
    }
}

Test(listener, one_at_a_port) {
    struct rig rig = {0};
    struct mr_error err = {0};
    struct mr_listener *second;
    rig_plain(&rig);
    struct mr_listener_options options = {.address = rig.address};
    cr_assert_eq(
        mr_listener_open(rig.server, &options, "master", &rig_listener_events, &rig, &second, &err),
        MR_ERR_IO);
    cr_assert_not_null(strstr(err.text, "in use"), "%s", err.text);
    options.address = "0.0.0.0:0";
    err = (struct mr_error){0};
    cr_assert_eq(
        mr_listener_open(rig.server, &options, "master", &rig_listener_events, &rig, &second, &err),
        MR_ERR_USAGE);
    rig_stop(&rig);
}

Test(listener, ipv6) {
    struct rig rig = {0};
    struct mr_error err = {0};
    struct mr_listener_options options = {.address = "[::1]:0"};
    struct mr_listener *six = NULL;
    rig_plain(&rig);
    if (mr_listener_open(rig.server, &options, "master", &rig_listener_events, &rig, &six, &err)) {
        rig_stop(&rig);
        cr_skip_test("no IPv6 here: %s", err.text);
    }
    snprintf(rig.address, sizeof rig.address, "%s", mr_listener_address(six));
    cr_assert(strncmp(rig.address, "[::1]:", 6) == 0);
    rig_connect(&rig);
    rig_say(&rig.dialed, "six");
    RIG_UNTIL(&rig, rig_heard(&rig.accepted[0], "six"));
    mr_listener_close(six);
    RIG_UNTIL(&rig, rig.listener_closed);
    rig.listener_closed = false;
    rig_stop(&rig);
}

/* ---- strangers ------------------------------------------------------------------------------- */

Test(listener, no_tls) {
    struct rig rig = {0};
    rig_plain(&rig);
    uint64_t began = uv_now(&rig.loop);
    for (int i = 0; i < 5; i++) {
        int fd = rig_raw(&rig);
        cr_assert_eq(write(fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
        RIG_UNTIL(&rig, is_closed(fd));
        close(fd);
    }
    cr_assert_eq(mr_net_counters(rig.server)->no_tls, (uint64_t)5);
    uint64_t seconds = (uv_now(&rig.loop) - began) / 1000;
    cr_assert_geq(rig.turned_away, 1);
    cr_assert_leq((uint64_t)rig.turned_away, 1 + seconds, "told once a second");
    cr_assert_not_null(strstr(rig.last_turned_away.text, "TLS"));
    rig_stop(&rig);
}

/* Sends one byte more, but never the last; true: the other side closed. */
static bool drip(struct stranger *stranger, size_t *at) {
    const struct mr_buffer *out = mr_tls_output(stranger->tls);
    if (*at + 1 < out->len && write(stranger->fd, out->data + *at, 1) == 1) {
        ++*at;
    }
    return is_closed(stranger->fd);
}

Test(listener, silence_and_slowloris_end_at_the_deadline) {
    struct rig rig = {0};
    struct mr_error err = {0};
    char bytes[1000] = {0};
    size_t at = 0;
    rig_start(&rig, &hasty, &none, 1);
    rig_connect(&rig);
    int silent = rig_raw(&rig);
    struct stranger slow = stranger_shake(&rig, MR_ROLE_KEY_WORKER);
    cr_assert_eq(mr_tls_write(slow.tls, bytes, sizeof bytes, &err), 0);
    RIG_UNTIL(&rig, drip(&slow, &at) && is_closed(silent) && rig.turned_away);
    cr_assert_gt(at, (size_t)3);
    cr_assert_eq(mr_net_counters(rig.server)->late, (uint64_t)2);
    cr_assert_not_null(strstr(rig.last_turned_away.text, "within 1000 ms"));
    rig_say(&rig.dialed, "unharmed");
    RIG_UNTIL(&rig, rig_heard(&rig.accepted[0], "unharmed"));
    close(silent);
    stranger_end(&slow);
    rig_stop(&rig);
}

/* More idle strangers than may wait: who came first goes, and a friend gets in all the same. */
Test(listener, a_crowd) {
    enum { CROWD = 300, MOST = 256 };
    static const struct mr_net_config patient = {.limits = {.greeting_ms = 1000000}};
    struct rig rig = {0};
    int fds[CROWD];
    rig_start(&rig, &patient, &none, 1);
    for (int i = 0; i < CROWD; i++) {
        fds[i] = rig_raw(&rig);
        uv_run(&rig.loop, UV_RUN_NOWAIT);
    }
    RIG_UNTIL(&rig, mr_net_counters(rig.server)->accepted == CROWD);
    cr_assert_eq(mr_net_counters(rig.server)->crowded, (uint64_t)(CROWD - MOST));
    RIG_UNTIL(&rig, is_closed(fds[CROWD - MOST - 1]));
    cr_assert_not(is_closed(fds[CROWD - MOST]));
    rig_connect(&rig);
    rig_say(&rig.dialed, "a friend");
    RIG_UNTIL(&rig, rig_heard(&rig.accepted[0], "a friend"));
    for (int i = 0; i < CROWD; i++) {
        close(fds[i]);
    }
    rig_stop(&rig);
}

/* A stranger who shook hands may say its greeting, and no more: bytes of TLS count too. */
Test(listener, no_flood_before_the_greeting) {
    struct rig rig = {0};
    struct mr_error err = {0};
    char head[MR_FRAME_HEAD_BYTES] = {100, 7, 0, 0, MR_GREETING_HELLO};
    rig_plain(&rig);
    struct stranger stranger = stranger_shake(&rig, MR_ROLE_KEY_WORKER);
    stranger_say(&stranger, head, sizeof head); /* its body does not come in a hurry */
    for (int i = 0; i < 300; i++) {
        cr_assert_eq(mr_tls_write(stranger.tls, "x", 1, &err), 0); /* a record each */
    }
    stranger_flush(&stranger);
    RIG_UNTIL(&rig, is_closed(stranger.fd) && rig.turned_away);
    cr_assert_eq(mr_net_counters(rig.server)->bad_frames, (uint64_t)1);
    cr_assert_not_null(strstr(rig.last_turned_away.text, "before it said who it is"));
    cr_assert_leq(mr_net_counters(rig.server)->bytes_received, (uint64_t)MR_CIPHER_STRANGER_BYTES);
    stranger_end(&stranger);
    rig_stop(&rig);
}

/* ---- frames made by hand --------------------------------------------------------------------- */

static void say_hello(struct stranger *stranger, enum mr_net_role role, uint32_t protocol,
                      const char *name) {
    struct mr_message *message = mr_message_create();
    struct mr_buffer frame = {0};
    struct mr_bytes body;
    struct mr_error err = {0};
    mr_message_put_u64(message, protocol);
    mr_message_put_text(message, MR_VERSION);
    mr_message_put_u64(message, role);
    mr_message_put_text(message, name);
    mr_message_put_u64(message, 12345); /* a later version says more */
    cr_assert_eq(mr_message_body(message, &body, &err), 0);
    cr_assert_eq(mr_frame_append(&frame, &mr_greeting_rules, MR_GREETING_HELLO, body, &err), 0);
    stranger_say(stranger, frame.data, frame.len);
    mr_buffer_fini(&frame);
    mr_message_destroy(message);
}

static struct stranger enter(struct rig *rig) {
    int before = rig->accepted_count;
    struct stranger stranger = stranger_shake(rig, MR_ROLE_KEY_WORKER);
    say_hello(&stranger, MR_NET_REDUCER, MR_NET_PROTOCOL, "by hand");
    RIG_UNTIL(rig, rig->accepted_count > before);
    return stranger;
}

static struct end *last(struct rig *rig) {
    return &rig->accepted[(rig->accepted_count - 1) % RIG_ENDS];
}

Test(listener, greetings_that_do_not_fit) {
    static const struct {
        enum mr_role_key key;
        enum mr_net_role role;
        uint32_t protocol;
        const char *name;
        bool fits;
    } rows[] = {
        {MR_ROLE_KEY_WORKER, MR_NET_MAPPER, MR_NET_PROTOCOL, "m", true},
        {MR_ROLE_KEY_CLIENT, MR_NET_CLIENT, MR_NET_PROTOCOL, "c", true},
        {MR_ROLE_KEY_CLIENT, MR_NET_MAPPER, MR_NET_PROTOCOL, "m", false}, /* with a client's key */
        {MR_ROLE_KEY_WORKER, MR_NET_CLIENT, MR_NET_PROTOCOL, "c", false},
        {MR_ROLE_KEY_WORKER, MR_NET_ROLES, MR_NET_PROTOCOL, "m", false}, /* no such role */
        {MR_ROLE_KEY_WORKER, MR_NET_MAPPER, MR_NET_PROTOCOL + 1, "m", false},
        {MR_ROLE_KEY_WORKER, MR_NET_MAPPER, 0, "m", false},
        {MR_ROLE_KEY_WORKER, MR_NET_MAPPER, MR_NET_PROTOCOL, "", false},
        {MR_ROLE_KEY_WORKER, MR_NET_MAPPER, MR_NET_PROTOCOL, "a\nb", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig rig = {0};
        rig_plain(&rig);
        struct stranger stranger = stranger_shake(&rig, rows[i].key);
        say_hello(&stranger, rows[i].role, rows[i].protocol, rows[i].name);
        RIG_UNTIL(&rig, rig.accepted_count || is_closed(stranger.fd));
        cr_assert_eq(rig.accepted_count, rows[i].fits ? 1 : 0, "row %zu", i);
        stranger_end(&stranger);
        rig_stop(&rig);
    }
}

/* A frame cut after any byte is no frame. */
Test(listener, cut_at_every_byte) {
    struct rig rig = {0};
    struct mr_frame_rules rules = {.version = MR_NET_PROTOCOL, .limit = rig_limit};
    struct mr_buffer frame = {0};
    struct mr_error err = {0};
    rig_plain(&rig);
    cr_assert_eq(mr_frame_append(&frame, &rules, RIG_KIND, mr_bytes_text("a body"), &err), 0);
    for (size_t cut = 0;; cut++) {
        struct stranger stranger = enter(&rig);
        struct end *end = last(&rig);
        int closed = end->closed;
        int frames = end->frames;
        cr_assert_eq(mr_tls_write(stranger.tls, frame.data, frame.len, &err), 0);
        struct mr_buffer *out = mr_tls_output(stranger.tls);
        size_t len = cut < out->len ? cut : out->len;
        bool is_whole = len == out->len;
        cr_assert_eq(write(stranger.fd, out->data, len), (ssize_t)len);
        cr_assert_eq(shutdown(stranger.fd, SHUT_WR), 0);
        RIG_UNTIL(&rig, end->closed > closed);
        cr_assert_eq(end->frames - frames, is_whole, "cut at %zu", cut);
        cr_assert(end->why.code == MR_ERR_CLOSED && !end->by_peer);
        stranger_end(&stranger);
        if (is_whole) {
            break;
        }
    }
    mr_buffer_fini(&frame);
    rig_stop(&rig);
}

/* Cut inside a frame, and then closed with all ceremony. */
Test(listener, closed_in_the_middle) {
    struct rig rig = {0};
    struct mr_frame_rules rules = {.version = MR_NET_PROTOCOL, .limit = rig_limit};
    struct mr_buffer frame = {0};
    struct mr_error err = {0};
    rig_plain(&rig);
    cr_assert_eq(mr_frame_append(&frame, &rules, RIG_KIND, mr_bytes_text("a body"), &err), 0);
    struct stranger stranger = enter(&rig);
    stranger_say(&stranger, frame.data, frame.len - 1);
    mr_tls_close(stranger.tls);
    stranger_flush(&stranger);
    RIG_UNTIL(&rig, last(&rig)->closed);
    cr_assert_eq(last(&rig)->why.code, MR_ERR_IO);
    cr_assert_not_null(strstr(last(&rig)->why.text, "in the middle"));
    mr_buffer_fini(&frame);
    stranger_end(&stranger);
    rig_stop(&rig);
}

/* Hostile frames of one who has the secret: closed and counted, at no cost, and nobody else is. */
Test(listener, hostile_frames) {
    struct rig rig = {0};
    struct mr_frame_rules rules = {.version = MR_NET_PROTOCOL, .limit = rig_limit};
    struct mr_buffer frame = {0};
    struct mr_error err = {0};
    static const struct {
        size_t at;
        unsigned char byte;
        const char *words;
    } rows[] = {
        {3, 0xff, "too long"},      {2, 0xff, "too long"},     {4, 99, "no known kind"},
        {5, 0x80, "no known kind"}, {6, 9, "another version"}, {8, 0x55, "damaged"},
        {16, 0x55, "damaged"},
    };
    rig_plain(&rig);
    rig_connect(&rig);
    cr_assert_eq(mr_frame_append(&frame, &rules, RIG_KIND, mr_bytes_text("a body"), &err), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct stranger stranger = enter(&rig);
        struct end *end = last(&rig);
        char bytes[64];
        memcpy(bytes, frame.data, frame.len);
        bytes[rows[i].at] = (char)((unsigned char)bytes[rows[i].at] ^ rows[i].byte);
        int closed = end->closed;
        stranger_say(&stranger, bytes, frame.len);
        RIG_UNTIL(&rig, end->closed > closed && is_closed(stranger.fd));
        cr_assert_eq(end->why.code, MR_ERR_IO);
        cr_assert_not_null(strstr(end->why.text, rows[i].words), "row %zu: %s", i, end->why.text);
        cr_assert_eq(end->frames, 0);
        cr_assert_eq(mr_net_counters(rig.server)->bad_frames, (uint64_t)i + 1);
        stranger_end(&stranger);
        rig.accepted_count = 1; /* the friend's stays */
        rig.accepted[1] = (struct end){0};
    }
    rig_say(&rig.dialed, "unharmed");
    RIG_UNTIL(&rig, rig_heard(&rig.accepted[0], "unharmed"));
    mr_buffer_fini(&frame);
    rig_stop(&rig);
}

/* ---- no descriptors -------------------------------------------------------------------------- */

static void count_turn(uv_prepare_t *prepare) {
    ++*(uint64_t *)prepare->data;
}

Test(listener, without_descriptors_it_rests) {
    struct rig rig = {0};
    struct rlimit before;
    int waiting[40];
    int taken[64];
    int count = 0;
    uint64_t turns = 0;
    uv_prepare_t counter = {.data = &turns};
    rig_plain(&rig);
    rig_connect(&rig);
    for (int i = 0; i < 40; i++) { /* connected, in the backlog */
        waiting[i] = rig_raw(&rig);
    }
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit low = {(rlim_t)waiting[39] + 10, before.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    while (count < 64 && (taken[count] = dup(waiting[0])) >= 0) {
        count++;
    }
    cr_assert(!uv_prepare_init(&rig.loop, &counter) && !uv_prepare_start(&counter, count_turn));
    uint64_t began = uv_hrtime();
    RIG_UNTIL(&rig, mr_net_counters(rig.server)->accept_pauses >= 4);
    uint64_t ms = (uv_hrtime() - began) / 1000000;
    uv_close((uv_handle_t *)&counter, NULL);
    rig_say(&rig.dialed, "unharmed");
    RIG_UNTIL(&rig, rig_heard(&rig.accepted[0], "unharmed"));
    while (count > 0) {
        close(taken[--count]);
    }
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    cr_assert_geq(ms, (uint64_t)240, "three pauses in %llu ms", (unsigned long long)ms);
    cr_assert_lt(turns, 10 * ms, "no busy loop: %llu turns", (unsigned long long)turns);
    uint64_t refused = mr_net_counters(rig.server)->accept_pauses; /* one in each, at most */
    RIG_UNTIL(&rig, mr_net_counters(rig.server)->accepted + refused >= 41);
    for (int i = 0; i < 40; i++) {
        close(waiting[i]);
    }
    rig_stop(&rig);
}

Test(listener, closing_it_leaves_what_was_handed_over) {
    struct rig rig = {0};
    rig_plain(&rig);
    rig_connect(&rig);
    int stranger = rig_raw(&rig);
    RIG_UNTIL(&rig, mr_net_counters(rig.server)->accepted == 2);
    mr_listener_close(rig.listener);
    mr_listener_close(rig.listener);
    RIG_UNTIL(&rig, rig.listener_closed && is_closed(stranger));
    rig_say(&rig.dialed, "still here");
    RIG_UNTIL(&rig, rig_heard(&rig.accepted[0], "still here"));
    close(stranger);
    rig_stop(&rig);
}
