/* test_conn: two ends of a connection on one loop: greeting, frames, back-pressure, ends. */
#include "lib/net/conn.h"
#include "lib/net/entry.h"

#include "tests/unit/net/port.h"
#include "tests/unit/net/rig.h"

#define PIECE MR_FRAME_PIECE_MAX

Test(conn, greets_and_speaks) {
    struct rig rig = {0};
    rig_plain(&rig);
    rig_connect(&rig);
    struct end *a = &rig.dialed;
    struct end *b = &rig.accepted[0];
    const struct mr_conn_peer *peer = mr_conn_peer(a->conn);
    cr_assert_eq(peer->role, MR_NET_MASTER);
    cr_assert_str_eq(peer->name, "master");
    cr_assert_str_eq(peer->version, MR_VERSION);
    cr_assert_eq(peer->protocol, MR_NET_PROTOCOL);
    cr_assert_str_eq(peer->address, rig.address);
    cr_assert_eq(mr_conn_peer(b->conn)->role, MR_NET_MAPPER);
    cr_assert(strncmp(mr_conn_peer(b->conn)->address, "127.0.0.1:", 10) == 0);
    rig_say(a, "one");
    rig_say(a, "two");
    rig_say(b, "three");
    cr_assert_gt(mr_conn_queued(a->conn), (size_t)0);
    RIG_UNTIL(&rig, b->frames == 2 && a->frames == 1);
    cr_assert(rig_heard(b, "onetwo") && rig_heard(a, "three"));
    cr_assert_eq(mr_conn_queued(a->conn), (size_t)0);
    cr_assert_eq(mr_net_counters(rig.server)->greeted, (uint64_t)1);
    cr_assert_gt(mr_net_counters(rig.server)->bytes_received, (uint64_t)0);
    mr_conn_close(a->conn);
    RIG_UNTIL(&rig, a->closed && b->closed);
    cr_assert(a->why.code == 0 && !a->by_peer);
    cr_assert(b->why.code == 0 && b->by_peer, "%s", b->why.text);
    rig_stop(&rig);
}

/* All that was queued arrives before the close. */
Test(conn, close_flushes) {
    struct rig rig = {0};
    struct mr_error err = {0};
    char *piece = calloc(1, PIECE);
    cr_assert_not_null(piece);
    rig_plain(&rig);
    rig_connect(&rig);
    memset(piece, 7, PIECE);
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(mr_conn_send_bulk(rig.dialed.conn, RIG_BULK, mr_bytes_text("h"),
                                       (struct mr_bytes){piece, PIECE}, &err),
                     0);
    }
    free(piece);
    rig_say(&rig.dialed, "last");
    mr_conn_close(rig.dialed.conn);
    cr_assert_eq(mr_conn_send(rig.dialed.conn, RIG_KIND, mr_bytes_text("x"), &err), MR_ERR_CLOSED);
    mr_conn_close(rig.dialed.conn); /* twice is once */
    RIG_UNTIL(&rig, rig.dialed.closed && rig.accepted[0].closed);
    cr_assert_eq(rig.accepted[0].piece_bytes, (uint64_t)20 * PIECE);
    cr_assert(rig_heard(&rig.accepted[0], "last"));
    cr_assert_eq(rig.dialed.why.code, 0, "%s", rig.dialed.why.text);
    cr_assert(rig.accepted[0].by_peer, "%s", rig.accepted[0].why.text);
    rig_stop(&rig);
}

static void fill(char *piece, uint64_t at, uint64_t *sum) {
    for (size_t i = 0; i < PIECE; i++) {
        piece[i] = (char)((at + i) * 2654435761u >> 11);
        *sum += (unsigned char)piece[i] * (at + i);
    }
}

/* A reader that pauses fills the writer's queue, which is told, and nothing is lost. */
Test(conn, back_pressure) {
    struct rig rig = {0};
    struct mr_error err = {0};
    char *piece = malloc(PIECE);
    uint64_t sum = 0;
    uint64_t sent = 0;
    cr_assert_not_null(piece);
    rig_plain(&rig);
    rig_connect(&rig);
    struct end *a = &rig.dialed;
    struct end *b = &rig.accepted[0];
    mr_conn_pause(b->conn);
    for (int i = 0; i < 64 && !mr_conn_is_full(a->conn); i++) {
        fill(piece, sent, &sum);
        cr_assert_eq(mr_conn_send_bulk(a->conn, RIG_BULK, mr_bytes_text("h"),
                                       (struct mr_bytes){piece, PIECE}, &err),
                     0);
        sent += PIECE;
        uv_run(&rig.loop, UV_RUN_NOWAIT);
    }
    cr_assert(mr_conn_is_full(a->conn));
    cr_assert_geq(mr_conn_queued(a->conn), MR_CONN_DRAINED_BYTES);
    cr_assert_leq(mr_conn_queued(a->conn), MR_CONN_FULL_BYTES + 2 * PIECE);
    cr_assert_eq(b->frames, 0, "it is paused");
    rig_say(b, "the other way goes on");
    RIG_UNTIL(&rig, a->frames == 1);
    mr_conn_resume(b->conn);
    RIG_UNTIL(&rig, b->piece_bytes == sent);
    cr_assert_eq(b->piece_sum, sum);
    RIG_UNTIL(&rig, a->drained == 1);
    cr_assert_not(mr_conn_is_full(a->conn));
    free(piece);
    rig_stop(&rig);
}

static void pause_each(struct end *end, const struct mr_frame *frame) {
    (void)frame;
    mr_conn_pause(end->conn);
}

static void turn(struct rig *rig) {
    for (int i = 0; i < 20; i++) {
        uv_run(&rig->loop, UV_RUN_NOWAIT);
    }
}

/* Pausing inside the callback holds back what came with the same read, whatever else comes. */
Test(conn, pauses_between_frames) {
    static const struct mr_net_config patient = {.limits = {.farewell_ms = RIG_PATIENCE_MS}};
    struct rig rig = {0};
    struct mr_error err = {0};
    struct end other = {0};
    rig_start(&rig, &patient, &patient, 1);
    rig_connect(&rig);
    struct end *b = &rig.accepted[0];
    b->on_frame = pause_each;
    cr_assert_eq(mr_entry_dial(rig.client, rig.address, &rig_events, &other, &other.conn, &err), 0);
    RIG_UNTIL(&rig, other.ready && rig.accepted_count == 2);
    for (int i = 0; i < 5; i++) {
        rig_say(&rig.dialed, "x");
    }
    mr_conn_close(rig.dialed.conn);
    for (int i = 1; i <= 5; i++) {
        RIG_UNTIL(&rig, b->frames == i);
        rig_say(&other, "many bytes of somebody else, which come into the same memory; and more");
        RIG_UNTIL(&rig, rig.accepted[1].frames == i);
        turn(&rig);
        cr_assert(b->frames == i && !b->closed);
        mr_conn_resume(b->conn);
    }
    RIG_UNTIL(&rig, b->closed);
    cr_assert(b->by_peer && b->why.code == 0, "%s", b->why.text);
    mr_conn_drop(other.conn, NULL);
    RIG_UNTIL(&rig, other.closed && rig.accepted[1].closed);
    rig_stop(&rig);
}

/* So does pausing before the first frame. */
Test(conn, pauses_at_the_door) {
    struct rig rig = {.pauses = true};
    rig_plain(&rig);
    rig_connect(&rig);
    struct end *b = &rig.accepted[0];
    for (int i = 0; i < 5; i++) {
        rig_say(&rig.dialed, i == 4 ? "last" : "x");
        turn(&rig);
    }
    cr_assert_eq(b->frames, 0);
    mr_conn_resume(b->conn);
    RIG_UNTIL(&rig, b->frames == 5 || b->closed);
    cr_assert(rig_heard(b, "xxxxlast"), "%s", b->why.text);
    rig_stop(&rig);
}

/* Returns how many bytes. */
static uint64_t send_until_full(struct mr_conn *conn) {
    struct mr_error err = {0};
    char *piece = calloc(1, PIECE);
    uint64_t sent = 0;
    cr_assert_not_null(piece);
    for (; !mr_conn_is_full(conn); sent += PIECE) {
        cr_assert_eq(mr_conn_send_bulk(conn, RIG_BULK, mr_bytes_text("h"),
                                       (struct mr_bytes){piece, PIECE}, &err),
                     0);
    }
    free(piece);
    return sent;
}

/* A peer that takes nothing is given up. */
Test(conn, a_stalled_peer_is_closed) {
    static const struct mr_net_config hasty = {.limits = {.stall_ms = 300}};
    struct rig rig = {0};
    rig_start(&rig, &hasty, &hasty, 1);
    rig_connect(&rig);
    mr_conn_pause(rig.accepted[0].conn);
    (void)send_until_full(rig.dialed.conn);
    RIG_UNTIL(&rig, rig.dialed.closed);
    cr_assert_eq(rig.dialed.why.code, MR_ERR_CLOSED);
    cr_assert_not_null(strstr(rig.dialed.why.text, "took nothing"));
    cr_assert_eq(mr_net_counters(rig.client)->stalled, (uint64_t)1);
    mr_conn_resume(rig.accepted[0].conn);
    RIG_UNTIL(&rig, rig.accepted[0].closed);
    cr_assert_eq(rig.accepted[0].why.code, MR_ERR_CLOSED);
    rig_stop(&rig);
}

Test(conn, another_secret) {
    static const struct mr_net_config none;
    struct rig rig = {0};
    rig_start(&rig, &none, &none, 2);
    rig_dial(&rig);
    RIG_UNTIL(&rig, rig.dialed.closed && rig.turned_away);
    cr_assert_eq(rig.dialed.why.code, MR_ERR_CLUSTER);
    cr_assert_not_null(strstr(rig.dialed.why.text, "doesn't know this secret"), "%s",
                       rig.dialed.why.text);
    cr_assert_not_null(strstr(rig.dialed.why.text, rig.address));
    cr_assert_not_null(strstr(rig.last_turned_away.text, "doesn't know this cluster's secret"));
    cr_assert_eq(mr_net_counters(rig.server)->wrong_secret, (uint64_t)1);
    cr_assert_eq(rig.accepted_count, 0);
    rig_stop(&rig);
}

/* ---- who says nothing ------------------------------------------------------------------------ */

/* Where looks are more than two pulses apart all the time, as on a machine with too much to do,
 * nobody is ever silent: so the pulse is not quicker than that takes. */
static const struct mr_net_config quick = {.limits = {.pulse_ms = 60, .silence_ms = 400}};
static const struct mr_net_config mute = {.limits = {.pulse_ms = 1000000, .silence_ms = 400}};

static void look_at_clock(uv_timer_t *timer) {
    *(bool *)timer->data = true;
}

/* Runs the loop for so long. */
static void pass(struct rig *rig, uint64_t ms) {
    bool is_over = false;
    uv_timer_t *timer = rig_timer(rig, look_at_clock, ms, 0);
    timer->data = &is_over;
    RIG_UNTIL(rig, is_over);
    uv_close((uv_handle_t *)timer, rig_on_timer_closed);
}

/* Pulses are no frames of the owner's, and nothing that it is waiting for. */
Test(conn, pulses_keep_it) {
    struct rig rig = {0};
    rig_start(&rig, &quick, &quick, 1);
    rig_connect(&rig);
    uint64_t heard = mr_conn_heard_ms(rig.dialed.conn);
    uint64_t bytes = mr_net_counters(rig.server)->bytes_received;
    pass(&rig, 1200);
    cr_assert(rig.dialed.conn && rig.accepted[0].conn);
    cr_assert_eq(rig.dialed.frames + rig.accepted[0].frames, 0);
    cr_assert_eq(mr_conn_heard_ms(rig.dialed.conn), heard);
    cr_assert_gt(mr_net_counters(rig.server)->bytes_received, bytes);
    rig_say(&rig.dialed, "hello");
    RIG_UNTIL(&rig, rig_heard(&rig.accepted[0], "hello"));
    rig_stop(&rig);
}

static void dawdle(struct end *end, const struct mr_frame *frame) {
    (void)end;
    (void)frame;
    usleep(150000);
}

/* The pulse is due just when the other side's farewell has come: it was a farewell nevertheless. */
Test(conn, farewell_at_the_pulse) {
    struct rig rig = {0};
    rig_start(&rig, &quick, &quick, 1);
    rig_connect(&rig);
    rig.accepted[0].on_frame = dawdle;
    rig_say(&rig.dialed, "the last words");
    mr_conn_close(rig.dialed.conn);
    RIG_UNTIL(&rig, rig.dialed.closed && rig.accepted[0].closed);
    cr_assert(rig.accepted[0].by_peer, "%s", rig.accepted[0].why.text);
    rig_stop(&rig);
}

/* One that says nothing, and one that hears nothing of it: whoever notices ends it. */
Test(conn, silence_ends_it) {
    struct rig rig = {0};
    rig_start(&rig, &quick, &mute, 1);
    rig_connect(&rig);
    RIG_UNTIL(&rig, rig.accepted[0].closed);
    cr_assert_eq(rig.accepted[0].why.code, MR_ERR_CLOSED);
    cr_assert_not_null(strstr(rig.accepted[0].why.text, "said nothing for 400 ms"));
    cr_assert_eq(mr_net_counters(rig.server)->silent, (uint64_t)1);
    rig_stop(&rig);
}

/* Who doesn't listen can't tell: silence counts from when it does again. */
Test(conn, silence_while_paused) {
    struct rig rig = {0};
    rig_start(&rig, &quick, &mute, 1);
    rig.pauses = true;
    rig_connect(&rig);
    pass(&rig, 1200);
    cr_assert(rig.dialed.conn && rig.accepted[0].conn);
    mr_conn_resume(rig.accepted[0].conn);
    pass(&rig, 100);
    cr_assert(rig.accepted[0].conn);
    RIG_UNTIL(&rig, rig.accepted[0].closed);
    rig_stop(&rig);
}

/* This process stood still: what came meanwhile is heard before anybody is given up. */
Test(conn, silence_of_ones_own) {
    struct rig rig = {0};
    rig_start(&rig, &quick, &quick, 1);
    rig_connect(&rig);
    pass(&rig, 100);
    usleep(1000000);
    pass(&rig, 200);
    cr_assert(rig.dialed.conn && rig.accepted[0].conn);
    rig_stop(&rig);
}

/* Nor is anybody late for what this process did not listen to. */
Test(conn, a_greeting_behind_a_standstill) {
    static const struct mr_net_config hasty = {.limits = {.connect_ms = 1000, .greeting_ms = 1000}};
    struct rig rig = {0};
    rig_start(&rig, &hasty, &hasty, 1);
    rig_dial(&rig);
    RIG_UNTIL(&rig, mr_net_counters(rig.server)->accepted == 1);
    usleep(1300000);
    RIG_UNTIL(&rig, rig.dialed.closed || (rig.dialed.ready && rig.accepted_count == 1));
    cr_assert_eq(rig.dialed.closed, 0, "%s", rig.dialed.why.text);
    cr_assert_eq(mr_net_counters(rig.server)->late, (uint64_t)0);
    rig_stop(&rig);
}

/* A farewell has time for what is queued, of which a standstill takes none. */
Test(conn, a_farewell_behind_a_standstill) {
    static const struct mr_net_config hasty = {.limits = {.farewell_ms = 2000}};
    struct rig rig = {0};
    rig_start(&rig, &hasty, &hasty, 1);
    rig_connect(&rig);
    uint64_t sent = send_until_full(rig.dialed.conn);
    mr_conn_close(rig.dialed.conn);
    usleep(2300000);
    RIG_UNTIL(&rig, rig.dialed.closed && rig.accepted[0].closed);
    cr_assert_eq(rig.accepted[0].piece_bytes, sent);
    cr_assert(rig.accepted[0].by_peer, "%s", rig.accepted[0].why.text);
    rig_stop(&rig);
}

Test(conn, another_version) {
    static const struct mr_net_config old = {.protocol = 7, .version = "0.0.7"};
    static const struct mr_net_config none;
    struct rig rig = {0};
    rig_start(&rig, &none, &old, 1);
    rig_dial(&rig);
    RIG_UNTIL(&rig, rig.dialed.closed && rig.turned_away);
    cr_assert_eq(rig.dialed.why.code, MR_ERR_CLUSTER);
    cr_assert_not_null(strstr(rig.dialed.why.text, "0.0.7"), "%s", rig.dialed.why.text);
    cr_assert_not_null(strstr(rig.dialed.why.text, "protocol 7"));
    cr_assert_not_null(strstr(rig.dialed.why.text, MR_VERSION));
    cr_assert_not_null(strstr(rig.last_turned_away.text, "protocol 7"));
    cr_assert_eq(mr_net_counters(rig.server)->refused, (uint64_t)1);
    rig_stop(&rig);
}

Test(conn, refused_by_the_owner) {
    struct rig rig = {.refuses = "this node was drained"};
    rig_plain(&rig);
    rig_dial(&rig);
    RIG_UNTIL(&rig, rig.dialed.closed);
    cr_assert_eq(rig.dialed.why.code, MR_ERR_USAGE, "the code travels");
    cr_assert_not_null(strstr(rig.dialed.why.text, "refuses: this node was drained"));
    cr_assert_eq(rig.dialed.ready, 0);
    rig_stop(&rig);
}

Test(conn, nobody_there) {
    struct rig rig = {0};
    struct mr_conn *conn;
    struct mr_error err = {0};
    rig_plain(&rig);
    int taken = take_port(rig.address);
    rig_dial(&rig);
    cr_assert_eq(rig.dialed.closed, 0, "not before the loop runs");
    RIG_UNTIL(&rig, rig.dialed.closed);
    cr_assert_eq(rig.dialed.why.code, MR_ERR_CLOSED);
    cr_assert_not_null(strstr(rig.dialed.why.text, "Connection refused"), "%s",
                       rig.dialed.why.text);
    cr_assert_eq(mr_entry_dial(rig.client, "nowhere", &rig_events, &rig.dialed, &conn, &err),
                 MR_ERR_USAGE);
    rig_dial(&rig); /* and one that is given up at once */
    mr_conn_drop(rig.dialed.conn, NULL);
    RIG_UNTIL(&rig, rig.dialed.closed == 2);
    cr_assert_eq(rig.dialed.why.code, 0);
    close(taken);
    rig_stop(&rig);
}

/* A listener of something else, which takes connections and says nothing, or nonsense. */
Test(conn, no_daemon_there) {
    static const struct mr_net_config hasty = {.limits = {.connect_ms = 200}};
    struct rig rig = {0};
    char address[MR_ADDRESS_TEXT_MAX];
    int other = take_port(address);
    cr_assert_eq(listen(other, 8), 0);
    rig_start(&rig, &hasty, &hasty, 1);
    memcpy(rig.address, address, sizeof address);
    rig_dial(&rig);
    RIG_UNTIL(&rig, rig.dialed.closed);
    cr_assert_eq(rig.dialed.why.code, MR_ERR_CLOSED);
    cr_assert_not_null(strstr(rig.dialed.why.text, "did not answer within 200 ms"));
    int silent = accept(other, NULL, NULL);
    int fd = -1;
    rig_stop(&rig);
    rig = (struct rig){0};
    rig_plain(&rig); /* which has the time to hear it */
    memcpy(rig.address, address, sizeof address);
    rig_dial(&rig);
    RIG_UNTIL(&rig, (fd = accept(other, NULL, NULL)) >= 0);
    cr_assert_eq(write(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28), 28);
    RIG_UNTIL(&rig, rig.dialed.closed);
    cr_assert_eq(rig.dialed.why.code, MR_ERR_CLUSTER);
    cr_assert_not_null(strstr(rig.dialed.why.text, "no daemon of Millrace"), "%s",
                       rig.dialed.why.text);
    close(silent);
    close(fd);
    close(other);
    rig_stop(&rig);
}

static void drop_it(struct end *end, const struct mr_frame *frame) {
    struct mr_error why = {.code = MR_ERR_IO, .text = "enough"};
    (void)frame;
    mr_conn_drop(end->conn, &why);
    mr_conn_drop(end->conn, NULL); /* the first counts */
    mr_conn_close(end->conn);
    mr_conn_pause(end->conn);
    mr_conn_resume(end->conn);
    cr_assert_eq(mr_conn_send(end->conn, RIG_KIND, mr_bytes_text("x"), &(struct mr_error){0}),
                 MR_ERR_CLOSED);
    cr_assert_eq(mr_conn_queued(end->conn), (size_t)0);
}

Test(conn, dropped_inside_a_callback) {
    struct rig rig = {0};
    rig_plain(&rig);
    rig_connect(&rig);
    rig.accepted[0].on_frame = drop_it;
    rig_say(&rig.dialed, "one");
    rig_say(&rig.dialed, "two");
    RIG_UNTIL(&rig, rig.dialed.closed && rig.accepted[0].closed);
    cr_assert_eq(rig.accepted[0].frames, 1);
    cr_assert_eq(rig.accepted[0].why.code, MR_ERR_IO);
    cr_assert_str_eq(rig.accepted[0].why.text, "enough");
    cr_assert_eq(rig.dialed.why.code, MR_ERR_CLOSED, "it broke off");
    rig_stop(&rig);
}

static void echo(struct end *end, const struct mr_frame *frame) {
    struct mr_error err = {0};
    cr_assert_eq(mr_conn_send(end->conn, RIG_KIND, frame->body, &err), 0);
}

/* The largest frames, and a thousand small ones, come back as they went. */
Test(conn, all_sizes) {
    struct rig rig = {0};
    struct mr_error err = {0};
    char *body = malloc(MR_FRAME_CONTROL_MAX);
    size_t sent = 0;
    int frames = 0;
    cr_assert_not_null(body);
    for (size_t i = 0; i < MR_FRAME_CONTROL_MAX; i++) {
        body[i] = (char)(i * 2654435761u >> 9);
    }
    rig_plain(&rig);
    rig_connect(&rig);
    rig.accepted[0].on_frame = echo;
    for (size_t len = 0; len <= MR_FRAME_CONTROL_MAX; len = len < 1000 ? len + 1 : len * 2) {
        size_t most = len < MR_FRAME_CONTROL_MAX ? len : MR_FRAME_CONTROL_MAX;
        cr_assert_eq(mr_conn_send(rig.dialed.conn, RIG_KIND, (struct mr_bytes){body, most}, &err),
                     0);
        sent += most;
        frames++;
    }
    RIG_UNTIL(&rig, rig.dialed.frames == frames);
    cr_assert_eq(rig.dialed.bodies.len, sent);
    size_t at = 0;
    for (size_t len = 0; len <= MR_FRAME_CONTROL_MAX; len = len < 1000 ? len + 1 : len * 2) {
        cr_assert_eq(memcmp(rig.dialed.bodies.data + at, body, len), 0, "of %zu bytes", len);
        at += len;
    }
    cr_assert_gt(mr_conn_heard_ms(rig.dialed.conn), (uint64_t)0);
    free(body);
    rig_stop(&rig);
}
