/* play: a master, and fake workers and clients that speak the wire to it, on one loop.
 *
 * Fakes do exactly what a test tells them to: so lost replies, repeated words, zombies and restarts
 * at any moment can be played. Nothing is timed but a limit that only a hanging test meets. */
#ifndef MR_TESTS_SHELL_PLAY_H
#define MR_TESTS_SHELL_PLAY_H

#include "../../test.h"
#include "lib/base/error.h"
#include "lib/base/hash.h"
#include "lib/job/problems.h"
#include "lib/net/entry.h"
#include "lib/net/message.h"
#include "lib/net/wire.h"
#include "lib/worker/account.h"
#include "lib/worker/spec.h"
#include "master/core/terms.h"
#include "master/shell/master.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#define PLAY_LIMIT_MS 90000 /* less than a test of ctest has: so it fails with a sentence */
#define PLAY_BLOBS 16
#define PLAY_LEASE_MS                                                                              \
    1000000 /* no fake says that it lives: none is lost but where a test says so */

struct play;

/* A message that came. */
struct heard {
    struct heard *next;
    uint16_t kind;
    struct mr_buffer body;
    struct mr_buffer piece;
};

struct actor {
    struct play *play;
    struct mr_conn *conn;
    bool is_ready;
    bool is_closed;
    bool does_all; /* answers START, TURN, PUBLISH and WANT by itself */
    bool is_mute;  /* but does not say DONE */
    struct heard *first;
    struct heard **last;
    uint32_t node;
    uint64_t incarnation;
    uint64_t identity; /* of its folder; 0: 1 */
    uint64_t starts;
    uint64_t firsts; /* of these: of first attempts */
    uint8_t *known;  /* sources of reduce tasks, by task */
    uint64_t known_round;
    uint64_t known_total;
    uint64_t known_count;
    struct mr_wire_start waiting[64]; /* reduce tasks that wait for their sources */
    size_t waiting_count;
    struct mr_bytes blobs[PLAY_BLOBS]; /* that it can send */
    size_t blob_count;
    struct mr_error why; /* of its end */
};

struct play {
    uv_loop_t loop;
    uv_timer_t limit;
    bool is_late;
    char dir[64];
    char state[128];
    char secret_path[128];
    char address[96];
    struct mr_master *master;
    struct mr_error why;
    pid_t pid; /* of a master that is a process of its own, or 0 */
    uint32_t lease_ms;
    uint32_t heartbeat_ms; /* 0: a quarter of that */
    struct mr_net *nets[MR_NET_ROLES];
};

/* ---- the loop ---- */

static inline void play_on_limit(uv_timer_t *timer) {
    ((struct play *)timer->data)->is_late = true;
}

#define PLAY_UNTIL(play, condition)                                                                \
    do {                                                                                           \
        (play)->is_late = false;                                                                   \
        uv_timer_start(&(play)->limit, play_on_limit, PLAY_LIMIT_MS, 0);                           \
        while (!(condition) && !(play)->is_late) {                                                 \
            uv_run(&(play)->loop, UV_RUN_ONCE);                                                    \
        }                                                                                          \
        uv_timer_stop(&(play)->limit);                                                             \
        cr_assert(!(play)->is_late, "waited in vain: " #condition);                                \
    } while (0)

/* When a test that waits by asking again and again gives up (uv_hrtime). */
static inline uint64_t play_deadline(void) {
    return uv_hrtime() + (uint64_t)PLAY_LIMIT_MS * 1000000;
}

/* ---- the master ---- */

static inline void play_on_ended(void *arg, const struct mr_error *why) {
    struct play *play = arg;
    play->master = NULL;
    play->why = *why;
}

static inline int play_try_master(struct play *play, struct mr_error *err) {
    struct mr_master_options options = {.state = play->state,
                                        .listen = "127.0.0.1:0",
                                        .secret = play->secret_path,
                                        .allow_root = true,
                                        .lease_ms = play->lease_ms,
                                        .heartbeat_ms = play->heartbeat_ms ? play->heartbeat_ms
                                                                           : play->lease_ms / 4};
    int exit_status = 0;
    play->master = NULL;
    if (!mr_master_open(&play->loop, &options, play_on_ended, play, &play->master, &exit_status,
                        err)) {
        snprintf(play->address, sizeof play->address, "%s", mr_master_address(play->master));
    }
    return exit_status;
}

static inline void play_start_master(struct play *play) {
    struct mr_error err = {0};
    (void)play_try_master(play, &err);
    cr_assert_eq(err.code, 0, "%s", err.text);
}

/* What is not committed is lost, as by kill -9. */
static inline void play_stop_master(struct play *play) {
    mr_master_close(play->master);
    PLAY_UNTIL(play, !play->master);
    cr_assert_eq(play->why.code, 0, "%s", play->why.text);
}

static inline void play_open(struct play *play) {
    struct mr_error err = {0};
    struct mr_secret secret;
    *play = (struct play){.dir = "/tmp/millrace-play-XXXXXX", .lease_ms = PLAY_LEASE_MS};
    signal(SIGPIPE, SIG_IGN);
    cr_assert_not_null(mkdtemp(play->dir));
    snprintf(play->state, sizeof play->state, "%s/state", play->dir);
    snprintf(play->secret_path, sizeof play->secret_path, "%s/key", play->dir);
    cr_assert_eq(mr_secret_new(play->secret_path, &err), 0, "%s", err.text);
    cr_assert_eq(mr_secret_read(play->secret_path, &secret, &err), 0, "%s", err.text);
    cr_assert_eq(uv_loop_init(&play->loop), 0);
    uv_timer_init(&play->loop, &play->limit);
    play->limit.data = play;
    for (int role = 0; role < MR_NET_ROLES; role++) {
        struct mr_net_config config = {.loop = &play->loop,
                                       .secret = &secret,
                                       .role = (enum mr_net_role)role,
                                       .name = "fake",
                                       .limit = mr_wire_limit};
        cr_assert_eq(mr_net_create(&config, &play->nets[role], &err), 0, "%s", err.text);
    }
}

static inline void play_close(struct play *play) {
    char command[128];
    if (play->master) {
        play_stop_master(play);
    }
    uv_close((uv_handle_t *)&play->limit, NULL);
    uv_run(&play->loop, UV_RUN_DEFAULT);
    for (int role = 0; role < MR_NET_ROLES; role++) {
        mr_net_destroy(play->nets[role]);
    }
    cr_assert_eq(uv_loop_close(&play->loop), 0, "handles are left");
    snprintf(command, sizeof command, "%s", play->dir);
    pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", command, (char *)NULL);
        _exit(1);
    }
    waitpid(pid, NULL, 0);
}

/* ---- actors ---- */

static inline void actor_send(struct actor *actor, enum mr_wire_kind kind, const void *message) {
    struct mr_error err = {0};
    (void)!mr_wire_send(actor->conn, kind, message, &err);
    cr_assert(err.code == 0 || err.code == MR_ERR_CLOSED, "%s", err.text);
}

static inline struct mr_buffer account_of(const struct mr_wire_start *start, uint32_t maps) {
    struct mr_account account = {.attempt = (uint32_t)start->attempt};
    struct mr_buffer bytes = {0};
    struct mr_error err = {0};
    if (start->phase == MR_PHASE_MAP) {
        account.records_read = account.records_mapped = account.emitted = account.output_records =
            1;
        account.bytes_read = 10;
    } else {
        account.pairs_reduced = maps;
        account.groups = account.groups_with_output = account.records_out = 1;
        account.part_bytes = 8;
    }
    cr_assert_eq(mr_account_put(&account, &bytes, &err), 0);
    return bytes;
}

/* `maps`: of the round, of which the one reduce task reads all. */
static inline void actor_done(struct actor *actor, const struct mr_wire_start *start,
                              uint32_t maps) {
    struct mr_buffer account = account_of(start, maps);
    struct mr_wire_done done = {.job = start->job,
                                .round = start->round,
                                .phase = start->phase,
                                .task = start->task,
                                .attempt = start->attempt,
                                .digest = 100 + start->task,
                                .account = {account.data, account.len},
                                .seconds_us = 1000};
    actor_send(actor, MR_WIRE_DONE, &done);
    mr_buffer_fini(&account);
}

static inline void actor_send_blob(struct actor *actor, struct mr_bytes bytes) {
    struct mr_hash_128 hash = mr_hash_xxh3_128(bytes.data, bytes.len);
    struct mr_wire_blob head = {hash.high, hash.low, bytes.len, 0};
    struct mr_error err = {0};
    cr_assert_leq(bytes.len, MR_WIRE_PIECE_MAX);
    (void)!mr_wire_send_piece(actor->conn, MR_WIRE_BLOB, &head, bytes, &err);
}

static inline void actor_answer_want(struct actor *actor, const struct mr_wire_want *want) {
    for (size_t i = 0; i < actor->blob_count; i++) {
        struct mr_hash_128 hash = mr_hash_xxh3_128(actor->blobs[i].data, actor->blobs[i].len);
        if (hash.high == want->high && hash.low == want->low) {
            actor_send_blob(actor, actor->blobs[i]);
            return;
        }
    }
    struct mr_wire_blob none = {want->high, want->low, 0, 0};
    struct mr_error err = {0};
    (void)!mr_wire_send_piece(actor->conn, MR_WIRE_BLOB, &none, (struct mr_bytes){0}, &err);
}

static inline bool actor_knows_all(const struct actor *actor, uint64_t round) {
    return actor->known && actor->known_round == round && actor->known_count == actor->known_total;
}

static inline void actor_learn(struct actor *actor, const struct mr_wire_sources *sources) {
    if (sources->phase != MR_PHASE_REDUCE) {
        return;
    }
    if (!actor->known || actor->known_round != sources->round) {
        free(actor->known);
        actor->known = calloc(sources->total + 1, 1);
        actor->known_round = sources->round;
        actor->known_total = sources->total;
        actor->known_count = 0;
    }
    for (size_t i = 0; i < sources->sources_count; i++) {
        uint8_t is_there = sources->sources[i].attempt != 0;
        actor->known_count += is_there;
        actor->known_count -= actor->known[sources->sources[i].task];
        actor->known[sources->sources[i].task] = is_there;
    }
    for (size_t i = 0; i < actor->waiting_count && actor->does_all; i++) {
        if (actor_knows_all(actor, actor->waiting[i].round)) {
            actor_done(actor, &actor->waiting[i], (uint32_t)actor->known_total);
            actor->waiting[i] = actor->waiting[--actor->waiting_count];
            i--;
        }
    }
}

/* A task is done when it can be. */
static inline void actor_work(struct actor *actor, const struct mr_wire_start *start) {
    if (start->phase == MR_PHASE_MAP) {
        actor_done(actor, start, 0);
    } else if (actor_knows_all(actor, start->round)) {
        actor_done(actor, start, (uint32_t)actor->known_total);
    } else {
        cr_assert_lt(actor->waiting_count, 64);
        actor->waiting[actor->waiting_count++] = *start;
    }
}

static inline void actor_do(struct actor *actor, unsigned kind, const union mr_wire_any *message) {
    if (kind == MR_WIRE_START && !actor->is_mute) {
        actor_work(actor, &message->start_);
    } else if (kind == MR_WIRE_PUBLISH && !message->publish_.parts_follow) {
        struct mr_wire_published published = {.job = message->publish_.job};
        actor_send(actor, MR_WIRE_PUBLISHED, &published);
    } else if (kind == MR_WIRE_WANT) {
        actor_answer_want(actor, &message->want_);
    } else if (kind == MR_WIRE_ASK_LOG) {
        struct mr_wire_log log = {.job = 1,
                                  .round = message->ask_log_.round,
                                  .phase = message->ask_log_.phase,
                                  .task = message->ask_log_.task,
                                  .attempt = message->ask_log_.attempt,
                                  .total = 18,
                                  .bytes = {"what it said\nlast\n", 18}};
        actor_send(actor, MR_WIRE_LOG, &log);
    }
}

static inline void actor_on_frame(struct mr_conn *conn, const struct mr_frame *frame, void *user) {
    struct actor *actor = user;
    struct mr_error err = {0};
    union mr_wire_any message;
    struct mr_layout_held held;
    (void)conn;
    cr_assert_eq(mr_wire_decode(frame->kind, frame->body, &message, &held, &err), 0, "%s",
                 err.text);
    actor->starts += frame->kind == MR_WIRE_START;
    actor->firsts += frame->kind == MR_WIRE_START && message.start_.attempt == 1;
    if (frame->kind == MR_WIRE_SOURCES) {
        actor_learn(actor, &message.sources_);
    }
    if (actor->does_all) {
        actor_do(actor, frame->kind, &message);
    }
    mr_layout_release(&held);
    struct heard *heard = calloc(1, sizeof *heard);
    heard->kind = frame->kind;
    if (frame->body.len) {
        cr_assert_eq(mr_buffer_append(&heard->body, frame->body.data, frame->body.len, &err), 0);
    }
    if (frame->piece.len) {
        cr_assert_eq(mr_buffer_append(&heard->piece, frame->piece.data, frame->piece.len, &err), 0);
    }
    *actor->last = heard;
    actor->last = &heard->next;
}

static inline void actor_on_ready(struct mr_conn *conn, void *user) {
    (void)conn;
    ((struct actor *)user)->is_ready = true;
}

static inline void actor_on_closed(struct mr_conn *conn, bool by_peer, const struct mr_error *why,
                                   void *user) {
    struct actor *actor = user;
    (void)conn;
    (void)by_peer;
    actor->is_closed = true;
    actor->conn = NULL;
    if (why) {
        actor->why = *why;
    }
}

static const struct mr_conn_events actor_events = {
    .ready = actor_on_ready, .frame = actor_on_frame, .closed = actor_on_closed};

static inline void actor_open(struct actor *actor, struct play *play, enum mr_net_role role) {
    struct mr_error err = {0};
    *actor = (struct actor){.play = play};
    actor->last = &actor->first;
    cr_assert_eq(
        mr_entry_dial(play->nets[role], play->address, &actor_events, actor, &actor->conn, &err), 0,
        "%s", err.text);
    PLAY_UNTIL(play, actor->is_ready || actor->is_closed);
    cr_assert(actor->is_ready, "%s", actor->why.text);
}

static inline void actor_close(struct actor *actor) {
    if (actor->conn) {
        mr_conn_drop(actor->conn, NULL);
        PLAY_UNTIL(actor->play, actor->is_closed);
    }
    free(actor->known);
    actor->known = NULL;
    while (actor->first) {
        struct heard *heard = actor->first;
        actor->first = heard->next;
        mr_buffer_fini(&heard->body);
        mr_buffer_fini(&heard->piece);
        free(heard);
    }
    actor->last = &actor->first;
}

/* ---- what was heard ---- */

/* A message that was taken out; release it. */
struct taken {
    union mr_wire_any is;
    struct mr_layout_held held;
    struct heard *heard;
};

static inline struct heard **actor_find(struct actor *actor, enum mr_wire_kind kind) {
    struct heard **at = &actor->first;
    while (*at && (*at)->kind != kind) {
        at = &(*at)->next;
    }
    return at;
}

static inline bool actor_has(struct actor *actor, enum mr_wire_kind kind) {
    return *actor_find(actor, kind) != NULL;
}

/* Waits for the first message of a kind, and takes it out. */
static inline void actor_take(struct actor *actor, enum mr_wire_kind kind, struct taken *taken) {
    struct mr_error err = {0};
    PLAY_UNTIL(actor->play, actor_has(actor, kind) || actor->is_closed);
    struct heard **at = actor_find(actor, kind);
    cr_assert_not_null(*at, "closed: %s", actor->why.text);
    taken->heard = *at;
    *at = taken->heard->next;
    if (!*at) {
        actor->last = at;
    }
    struct mr_bytes body = {taken->heard->body.data, taken->heard->body.len};
    cr_assert_eq(mr_wire_decode(kind, body, &taken->is, &taken->held, &err), 0, "%s", err.text);
}

static inline void taken_release(struct taken *taken) {
    mr_layout_release(&taken->held);
    mr_buffer_fini(&taken->heard->body);
    mr_buffer_fini(&taken->heard->piece);
    free(taken->heard);
}

/* Waits for one, and forgets it. */
static inline void actor_expect(struct actor *actor, enum mr_wire_kind kind) {
    struct taken taken;
    actor_take(actor, kind, &taken);
    taken_release(&taken);
}

/* START, copied: it holds no lists in these tests but where they look for them. */
static inline struct mr_wire_start actor_start(struct actor *actor) {
    struct taken taken;
    actor_take(actor, MR_WIRE_START, &taken);
    struct mr_wire_start start = taken.is.start_;
    start.skips = NULL;
    start.skips_count = 0;
    taken_release(&taken);
    return start;
}

/* A round trip: all that was said before was dealt with, and is durable. */
static inline void actor_sync(struct actor *actor) {
    struct mr_wire_drain drain = {"no such node", 0};
    actor_send(actor, MR_WIRE_DRAIN, &drain);
    actor_expect(actor, MR_WIRE_RESULT);
}

/* ---- workers ---- */

static inline void actor_register(struct actor *actor, const char *name, uint64_t incarnation,
                                  enum mr_core_role roles, uint32_t slots,
                                  const struct mr_wire_row_held *held, size_t held_count) {
    struct mr_wire_register said = {.incarnation = incarnation,
                                    .identity = actor->identity ? actor->identity : 1,
                                    .name = name,
                                    .host = "host",
                                    .roles = roles,
                                    .slots = slots,
                                    .address = "127.0.0.1:1",
                                    .scratch = "/nowhere",
                                    .held = held,
                                    .held_count = held_count};
    actor->incarnation = incarnation;
    actor_send(actor, MR_WIRE_REGISTER, &said);
}

static inline void actor_registered(struct actor *actor) {
    struct taken taken;
    actor_take(actor, MR_WIRE_REGISTERED, &taken);
    actor->node = (uint32_t)taken.is.registered_.node;
    taken_release(&taken);
}

static inline void worker_open(struct actor *actor, struct play *play, const char *name,
                               uint64_t incarnation, enum mr_core_role roles, uint32_t slots) {
    actor_open(actor, play, roles == MR_CORE_REDUCES ? MR_NET_REDUCER : MR_NET_MAPPER);
    actor_register(actor, name, incarnation, roles, slots, NULL, 0);
    actor_registered(actor);
}

/* ---- jobs ---- */

#define PLAY_MANIFEST                                                                              \
    "{\"format\":1,\"job\":\"wordcount\",\"parameters\":{},\"facts\":{},\"loops\":false,"          \
    "\"partitions\":1,\"id\":\"0\",\"version\":\"0\",\"started\":\"0\",\"output\":null,"           \
    "\"inputs\":[]}"

struct job_plan {
    uint32_t rounds;
    uint32_t partitions;
    uint32_t splits;
    const char *output;
    uint32_t max_attempts;
    uint32_t skip;
    bool loops;
};

static inline struct mr_buffer spec_of(const struct job_plan *plan) {
    struct mr_spec_round rounds[8];
    struct mr_spec_input input = {.path = "/data/input", .kind = 1, .size = 10 * plan->splits};
    struct mr_spec_split *splits = calloc(plan->splits + 1, sizeof *splits);
    struct mr_spec spec = {.version = MR_VERSION,
                           .job = "wordcount",
                           .label = "wordcount /data/input",
                           .rounds = rounds,
                           .rounds_count = plan->rounds,
                           .loops = plan->loops,
                           .inputs = &input,
                           .inputs_count = 1,
                           .splits = splits,
                           .splits_count = plan->splits,
                           .max_attempts = plan->max_attempts ? plan->max_attempts : 4,
                           .skip_bad_records = plan->skip,
                           .weight = 1,
                           .output = plan->output,
                           .manifest = {PLAY_MANIFEST, strlen(PLAY_MANIFEST)}};
    struct mr_buffer bytes = {0};
    struct mr_error err = {0};
    for (uint32_t i = 0; i < plan->rounds; i++) {
        rounds[i] = (struct mr_spec_round){"count", plan->partitions};
    }
    for (uint32_t i = 0; i < plan->splits; i++) {
        splits[i] = (struct mr_spec_split){0, 10 * i, 10 * (i + 1)};
    }
    cr_assert_eq(mr_spec_encode(&spec, &bytes, &err), 0, "%s", err.text);
    free(splits);
    return bytes;
}

/* Submits; returns the number. `spec` must live as long as the actor. */
static inline uint32_t client_submit(struct actor *client, const char *id,
                                     const struct mr_buffer *spec) {
    struct mr_hash_128 hash = mr_hash_xxh3_128(spec->data, spec->len);
    struct mr_wire_submit submit = {id, hash.high, hash.low};
    struct taken taken;
    client->does_all = true;
    client->blobs[client->blob_count++] = (struct mr_bytes){spec->data, spec->len};
    actor_send(client, MR_WIRE_SUBMIT, &submit);
    PLAY_UNTIL(client->play, actor_has(client, MR_WIRE_SUBMITTED) ||
                                 actor_has(client, MR_WIRE_RESULT) || client->is_closed);
    actor_take(client, MR_WIRE_SUBMITTED, &taken);
    uint32_t number = (uint32_t)taken.is.submitted_.job;
    taken_release(&taken);
    return number;
}

static inline void client_follow(struct actor *client, const char *job) {
    struct mr_wire_follow follow = {job};
    actor_send(client, MR_WIRE_FOLLOW, &follow);
}

/* A worker that serves there is lost: its lease need not end. */
static inline void client_say_dead(struct actor *client, const char *name, const char *address) {
    struct mr_wire_dead dead = {.name = name, .address = address};
    actor_send(client, MR_WIRE_DEAD, &dead);
    actor_expect(client, MR_WIRE_RESULT);
}

#define ID_A "0123456789abcdef0123456789abcdef"
#define ID_B "fedcba9876543210fedcba9876543210"
#define ID_C "00112233445566778899aabbccddeeff"

/* A master, and a client that has submitted a job to it as ID_A. */
static inline void play_submit(struct play *play, struct actor *client,
                               const struct mr_buffer *spec) {
    play_start_master(play);
    actor_open(client, play, MR_NET_CLIENT);
    (void)client_submit(client, ID_A, spec);
}

#endif
