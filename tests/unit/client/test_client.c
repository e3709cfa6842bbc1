/* test_client: calls over a connection that is refused, lost, and made again; blobs both ways. */
#include "lib/base/error.h"
#include "lib/client/ask.h"
#include "lib/client/download.h"
#include "lib/client/watch.h"
#include "tests/unit/client/fake.h"

#include <stdatomic.h>

/* ---- questions --------------------------------------------------------------------------------*/

/* Lists two nodes in two messages; the first time the connection is lost in between. */
static void list_nodes(struct fake *fake, struct mr_conn *conn, unsigned kind,
                       const union mr_wire_any *any, struct mr_bytes piece) {
    struct mr_wire_row_node_line line = {.node = 1, .name = "mapper-1", .address = "here:1"};
    struct mr_wire_nodes nodes = {.nodes = &line, .nodes_count = 1, .follows = 1};
    (void)any;
    (void)piece;
    if (kind != MR_WIRE_ASK_NODES) {
        return;
    }
    fake_say(fake, conn, MR_WIRE_NODES, &nodes);
    if (fake->heard[MR_WIRE_ASK_NODES] == 1) {
        mr_conn_close(conn);
        return;
    }
    nodes.follows = 0;
    line.node = 2;
    fake_say(fake, conn, MR_WIRE_NODES, &nodes);
}

static int count_nodes(const union mr_wire_any *answer, void *arg, struct mr_error *err) {
    (void)err;
    *(size_t *)arg += answer->nodes_.nodes_count;
    return !answer->nodes_.follows;
}

static void forget_nodes(void *arg) {
    *(size_t *)arg = 0;
}

Test(client, a_question_is_asked_again_when_the_connection_was_lost) {
    struct fake fake = {.hear = list_nodes};
    struct mr_error err = {0};
    struct mr_wire_ask_nodes question = {.all = 1};
    size_t count = 7;
    fake_start(&fake);
    struct mr_client *client = fake_client(&fake, 20000);
    struct mr_ask ask = {.question = MR_WIRE_ASK_NODES,
                         .message = &question,
                         .answer = MR_WIRE_NODES,
                         .take = count_nodes,
                         .restart = forget_nodes,
                         .arg = &count};
    cr_assert_eq(mr_ask(client, &ask, &err), 0, "%s", err.text);
    cr_assert_eq(count, 2u, "what came before the loss is void");
    mr_client_close(client);
    fake_end(&fake);
    cr_assert_eq(fake.heard[MR_WIRE_ASK_NODES], 2u);
}

static void refuse(struct fake *fake, struct mr_conn *conn, unsigned kind,
                   const union mr_wire_any *any, struct mr_bytes piece) {
    struct mr_wire_result result = {.status = (uint64_t)-MR_ERR_USAGE, .why = "no job 9"};
    (void)kind;
    (void)any;
    (void)piece;
    fake_say(fake, conn, MR_WIRE_RESULT, &result);
}

Test(client, a_refusal_is_the_failure) {
    struct fake fake = {.hear = refuse};
    struct mr_error err = {0};
    struct mr_wire_cancel question = {.job = "9"};
    fake_start(&fake);
    struct mr_client *client = fake_client(&fake, 20000);
    struct mr_ask ask = {
        .question = MR_WIRE_CANCEL, .message = &question, .answer = MR_WIRE_RESULT};
    cr_assert_eq(mr_ask(client, &ask, &err), MR_ERR_USAGE);
    cr_assert_str_eq(err.text, "no job 9");
    mr_client_close(client);
    fake_end(&fake);
}

/* ---- a master that isn't there ----------------------------------------------------------------*/

static unsigned told;

static void hear_told(const char *line) {
    told += strstr(line, "waiting for the master at 127.0.0.1:1") != NULL;
}

/* Enough of waiting, once it has been told. */
static int stop_waiting(struct mr_client *client, void *arg, struct mr_error *err) {
    if (told == 0) {
        mr_client_set_clock(client, 10);
        return 0;
    }
    if (++*(unsigned *)arg < 100) { /* it may be told again meanwhile, but must not */
        mr_client_set_clock(client, 10);
        return 0;
    }
    return mr_error_set(err, MR_ERR_INTERRUPTED, "it waits");
}

static int ask_nothing(struct mr_client *client, void *arg, struct mr_error *err) {
    (void)client;
    (void)arg;
    return err->code;
}

static int hear_nothing(struct mr_client *client, const struct mr_client_message *message,
                        void *arg, struct mr_error *err) {
    (void)message;
    return ask_nothing(client, arg, err);
}

Test(client, a_master_that_is_away_is_waited_for) {
    struct fake fake = {.hear = refuse};
    struct mr_error err = {0};
    struct mr_client *client = NULL;
    unsigned looks = 0;
    struct mr_client_call call = {
        .begin = ask_nothing, .take = hear_nothing, .expired = stop_waiting, .arg = &looks};
    fake_start(&fake); /* for its secret */
    struct mr_client_options options = {
        .master = "127.0.0.1:1", .secret = fake.secret, .connect_ms = 1000000, .say = hear_told};
    cr_assert_eq(mr_client_open(&options, &client, &err), 0, "%s", err.text);
    mr_client_set_clock(client, 10);
    cr_assert_eq(mr_client_run(client, &call, &err), MR_ERR_INTERRUPTED, "%s", err.text);
    cr_assert_eq(told, 1u);
    mr_client_close(client);
    fake_end(&fake);
}

Test(client, but_not_for_ever) {
    struct fake fake = {.hear = refuse};
    struct mr_error err = {0};
    struct mr_client *client = NULL;
    struct mr_wire_cancel question = {.job = "9"};
    struct mr_ask ask = {
        .question = MR_WIRE_CANCEL, .message = &question, .answer = MR_WIRE_RESULT};
    fake_start(&fake); /* for its secret */
    struct mr_client_options options = {
        .master = "127.0.0.1:1", .secret = fake.secret, .connect_ms = 200};
    cr_assert_eq(mr_client_open(&options, &client, &err), 0, "%s", err.text);
    cr_assert_eq(mr_ask(client, &ask, &err), MR_ERR_CLUSTER);
    cr_assert_not_null(strstr(err.text, "no master answers at 127.0.0.1:1: "), "%s", err.text);
    mr_client_close(client);
    fake_end(&fake);
}

Test(client, one_that_refuses_is_not) {
    struct fake fake = {.hear = refuse};
    struct mr_error err = {0};
    struct mr_client *client = NULL;
    struct mr_wire_cancel question = {.job = "9"};
    struct mr_ask ask = {
        .question = MR_WIRE_CANCEL, .message = &question, .answer = MR_WIRE_RESULT};
    char other[64];
    snprintf(other, sizeof other, "/tmp/millrace-other-%d.key", (int)getpid());
    (void)unlink(other);
    fake_start(&fake);
    cr_assert_eq(mr_secret_new(other, &err), 0, "%s", err.text);
    struct mr_client_options options = {
        .master = fake.address, .secret = other, .connect_ms = 1000000000};
    cr_assert_eq(mr_client_open(&options, &client, &err), 0, "%s", err.text);
    cr_assert_eq(mr_ask(client, &ask, &err), MR_ERR_CLUSTER);
    cr_assert_not_null(strstr(err.text, "secret"), "%s", err.text);
    mr_client_close(client);
    fake_end(&fake);
    (void)unlink(other);
}

/* ---- a job that is watched --------------------------------------------------------------------*/

static void end_job(struct fake *fake, struct mr_conn *conn, unsigned kind,
                    const union mr_wire_any *any, struct mr_bytes piece) {
    struct mr_wire_row_job_line line = {.job = 4,
                                        .id = "0123456789abcdef0123456789abcdef",
                                        .label = "wordcount logs",
                                        .state = "running",
                                        .map_tasks = 3,
                                        .maps_done = 1};
    struct mr_wire_progress progress = {
        .jobs = &line, .jobs_count = 1, .nodes = 2, .news = "map-1 is done again"};
    struct mr_wire_ended ended = {.jobs = &line, .jobs_count = 1, .log = "one\ntwo\n"};
    (void)piece;
    if (kind != MR_WIRE_FOLLOW || !any->follow_.job || strcmp(any->follow_.job, "4") != 0) {
        return;
    }
    fake_say(fake, conn, MR_WIRE_PROGRESS, &progress);
    if (fake->heard[MR_WIRE_FOLLOW] < 3) {
        mr_conn_close(conn); /* and once more */
        return;
    }
    line.status = (uint64_t)-MR_ERR_INPUT;
    line.why = "map-1 failed";
    line.seconds_us = 2500000;
    fake_say(fake, conn, MR_WIRE_ENDED, &ended);
}

static void count_progress(void *arg, const struct mr_wire_progress *progress) {
    *(unsigned *)arg += progress->jobs[0].maps_done == 1 && progress->nodes == 2 &&
                        strcmp(progress->news, "map-1 is done again") == 0;
}

Test(client, a_job_is_watched_to_its_end_through_losses) {
    struct fake fake = {.hear = end_job};
    struct mr_error err = {0};
    unsigned count = 0;
    struct mr_watch watch = {.job = "4", .progress = count_progress, .arg = &count};
    fake_start(&fake);
    struct mr_client *client = fake_client(&fake, 20000);
    cr_assert_eq(mr_watch_run(&watch, client, &err), 0, "%s", err.text);
    cr_assert_eq(count, 3u);
    cr_assert_eq(watch.end.status, MR_ERR_INPUT);
    cr_assert_str_eq(watch.end.why, "map-1 failed");
    cr_assert_str_eq(watch.end.log, "one\ntwo\n");
    cr_assert_str_eq(watch.end.label, "wordcount logs");
    cr_assert_str_eq(watch.end.id, "0123456789abcdef0123456789abcdef");
    cr_assert_eq(watch.end.job, 4u);
    cr_assert(watch.end.seconds > 2.4 && watch.end.seconds < 2.6);
    mr_watch_fini(&watch);
    mr_client_close(client);
    fake_end(&fake);
}

/* ---- blobs ------------------------------------------------------------------------------------*/

static const char blob_text[] = "what the master has";

/* Gives one blob, cut in two, wrong the first time, and has no other. */
static void give_blob(struct fake *fake, struct mr_conn *conn, unsigned kind,
                      const union mr_wire_any *any, struct mr_bytes piece) {
    struct mr_hash_128 hash = mr_hash_xxh3_128(blob_text, sizeof blob_text);
    struct mr_wire_blob blob = {.high = any->want_.high, .low = any->want_.low};
    (void)piece;
    if (kind != MR_WIRE_WANT) {
        return;
    }
    if (any->want_.high == hash.high) {
        blob.total = sizeof blob_text;
        bool is_wrong = fake->heard[MR_WIRE_WANT] == 1;
        struct mr_bytes first = {is_wrong ? "WHAT" : blob_text, 4};
        struct mr_bytes rest = {blob_text + 4, sizeof blob_text - 4};
        (void)!mr_wire_send_piece(conn, MR_WIRE_BLOB, &blob, first, &fake->err);
        blob.offset = 4;
        (void)!mr_wire_send_piece(conn, MR_WIRE_BLOB, &blob, rest, &fake->err);
        return;
    }
    (void)!mr_wire_send_piece(conn, MR_WIRE_BLOB, &blob, (struct mr_bytes){0}, &fake->err);
}

static int download(struct mr_client *client, struct mr_hash_128 hash, uint64_t most,
                    struct mr_buffer *bytes, struct mr_error *err) {
    struct mr_download blob = {.hash = hash, .most = most};
    return mr_download_run(client, &blob, bytes, err);
}

Test(client, blobs_are_believed_by_their_hash) {
    struct fake fake = {.hear = give_blob};
    struct mr_error err = {0};
    struct mr_buffer bytes = {0};
    struct mr_hash_128 hash = mr_hash_xxh3_128(blob_text, sizeof blob_text);
    fake_start(&fake);
    struct mr_client *client = fake_client(&fake, 20000);
    cr_assert_eq(download(client, hash, 100, &bytes, &err), MR_ERR_CLUSTER);
    cr_assert_not_null(strstr(err.text, "damaged"), "%s", err.text);
    err = (struct mr_error){0};
    cr_assert_eq(download(client, hash, 100, &bytes, &err), 0, "%s", err.text);
    cr_assert_eq(bytes.len, sizeof blob_text);
    cr_assert_str_eq(bytes.data, blob_text);
    cr_assert_eq(download(client, hash, 10, &bytes, &err), MR_ERR_CLUSTER);
    cr_assert_not_null(strstr(err.text, "too long"), "%s", err.text);
    err = (struct mr_error){0};
    hash.high ^= 1;
    cr_assert_eq(download(client, hash, 100, &bytes, &err), MR_ERR_CLUSTER);
    cr_assert_not_null(strstr(err.text, "gone"), "%s", err.text);
    mr_buffer_fini(&bytes);
    mr_client_close(client);
    fake_end(&fake);
}

/* ---- signals ----------------------------------------------------------------------------------*/

static int hear_signal(struct mr_client *client, int signal_number, void *arg,
                       struct mr_error *err) {
    (void)client;
    *(int *)arg = signal_number;
    return mr_error_set(err, MR_ERR_INTERRUPTED, "interrupted");
}

static int end_it(struct mr_client *client, void *arg, struct mr_error *err) {
    return ask_nothing(client, arg, err) ? err->code : 1;
}

/* One that comes between two calls is heard by the next that can be interrupted. */
Test(client, signals_between_calls_are_kept) {
    struct fake fake = {.hear = give_blob};
    struct mr_error err = {0};
    int signal_number = 0;
    fake_start(&fake);
    struct mr_client *client = fake_client(&fake, 20000);
    struct mr_client_call deaf = {.begin = ask_nothing, .take = hear_nothing, .expired = end_it};
    struct mr_client_call call = {.begin = ask_nothing,
                                  .take = hear_nothing,
                                  .interrupted = hear_signal,
                                  .arg = &signal_number};
    mr_client_keep_signals(client, true);
    cr_assert_eq(kill(getpid(), SIGTERM), 0);
    mr_client_set_clock(client, 10);
    cr_assert_eq(mr_client_run(client, &deaf, &err), 0, "%s", err.text);
    cr_assert_eq(mr_client_run(client, &call, &err), MR_ERR_INTERRUPTED);
    cr_assert_eq(signal_number, SIGTERM);
    mr_client_keep_signals(client, false);
    mr_client_close(client);
    fake_end(&fake);
}

/* ---- time -------------------------------------------------------------------------------------*/

static atomic_bool is_said;

/* What was said before is with the kernel by now: the second answer is said, and then it is known
 * to have been. */
static void say_second(uv_async_t *async) {
    static struct mr_conn *conn;
    struct mr_wire_nodes nodes = {0};
    if (conn) { /* the second time */
        conn = NULL;
        atomic_store(&is_said, true);
        uv_close((uv_handle_t *)async, NULL);
        return;
    }
    struct fake *fake = async->data;
    conn = fake->conns[0];
    fake_say(fake, conn, MR_WIRE_NODES, &nodes);
    (void)uv_async_send(async);
}

static void say_both(struct fake *fake, struct mr_conn *conn, unsigned kind,
                     const union mr_wire_any *any, struct mr_bytes piece) {
    static uv_async_t second;
    struct mr_wire_nodes nodes = {.follows = 1};
    (void)any;
    (void)piece;
    if (kind == MR_WIRE_ASK_NODES) {
        fake_say(fake, conn, MR_WIRE_NODES, &nodes);
        (void)uv_async_init(&fake->loop, &second, say_second);
        second.data = fake;
        (void)uv_async_send(&second);
    }
}

static int ask_nodes(struct mr_client *client, void *arg, struct mr_error *err) {
    struct mr_wire_ask_nodes question = {.all = 1};
    (void)arg;
    return mr_client_send(client, MR_WIRE_ASK_NODES, &question, err);
}

/* The first is taken for so long that the time is over for the second, which is there. */
static int dawdle(struct mr_client *client, const struct mr_client_message *message, void *arg,
                  struct mr_error *err) {
    (void)arg;
    (void)err;
    if (message->kind != MR_WIRE_NODES || !message->as->nodes_.follows) {
        return 1;
    }
    mr_client_set_clock(client, 1);
    while (!atomic_load(&is_said)) {
        usleep(1000);
    }
    usleep(10000);
    return 0;
}

static int complain(struct mr_client *client, void *arg, struct mr_error *err) {
    (void)client;
    (void)arg;
    return mr_error_set(err, MR_ERR_CLOSED, "the time is over");
}

Test(client, what_came_in_time_is_heard) {
    struct fake fake = {.hear = say_both};
    struct mr_error err = {0};
    struct mr_client_call call = {.begin = ask_nodes, .take = dawdle, .expired = complain};
    fake_start(&fake);
    struct mr_client *client = fake_client(&fake, 20000);
    cr_assert_eq(mr_client_run(client, &call, &err), 0, "%s", err.text);
    mr_client_close(client);
    fake_end(&fake);
}
