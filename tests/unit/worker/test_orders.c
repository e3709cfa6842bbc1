/* test_orders: what one side says is what the other reads; what is malformed is refused. */
#include "lib/worker/orders.h"

#include "lib/net/message.h"
#include "tests/unit/test.h"
#include <stdlib.h>
#include <sys/socket.h>

struct pair {
    struct mr_channel a;
    struct mr_channel b;
};

static struct pair make_pair(void) {
    int fds[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    return (struct pair){{.fd = fds[0]}, {.fd = fds[1]}};
}

static void end_pair(struct pair *pair) {
    mr_channel_close(&pair->a);
    mr_channel_close(&pair->b);
}

static struct mr_bytes hear(struct pair *pair, enum mr_channel_kind wanted) {
    enum mr_channel_kind kind = MR_CHANNEL_NOTHING;
    struct mr_bytes body = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_channel_receive(&pair->b, &kind, &body, &err), 1, "%s", err.text);
    cr_assert_eq(kind, wanted);
    return body;
}

static const char id[] = "0123456789abcdef0123456789abcdef";

Test(orders, job) {
    struct pair pair = make_pair();
    struct mr_error err = {0};
    struct mr_orders_held held;
    struct mr_run_param params[] = {{"fold", NULL}, {"top", "20"}};
    struct mr_orders_job read = {0};
    struct mr_orders_job job = {.id = id,
                                .job = "wordcount",
                                .params = params,
                                .param_count = 2,
                                .files_xxh3 = 7,
                                .rounds = 2,
                                .verbose = true,
                                .scratch = "/tmp/x",
                                .memory = {.block_bytes = 1, .record_bytes_max = UINT64_MAX}};
    cr_assert_eq(mr_orders_send_job(&pair.a, &job, &err), 0, "%s", err.text);
    cr_assert_eq(mr_orders_read_job(hear(&pair, MR_CHANNEL_JOB), &read, &held, &err), 0, "%s",
                 err.text);
    cr_assert_str_eq(read.id, id);
    cr_assert_str_eq(read.job, "wordcount");
    cr_assert_str_eq(read.scratch, "/tmp/x");
    cr_assert(read.param_count == 2 && read.params[0].value == NULL);
    cr_assert_str_eq(read.params[0].name, "fold");
    cr_assert_str_eq(read.params[1].value, "20");
    cr_assert(read.files_xxh3 == 7 && read.rounds == 2 && read.verbose);
    cr_assert(read.memory.block_bytes == 1 && read.memory.record_bytes_max == UINT64_MAX);
    mr_orders_release(&held);
    job.id = "short";
    cr_assert_eq(mr_orders_send_job(&pair.a, &job, &err), 0);
    cr_assert_eq(mr_orders_read_job(hear(&pair, MR_CHANNEL_JOB), &read, &held, &err), MR_ERR_IO);
    mr_orders_release(&held);
    end_pair(&pair);
}

Test(orders, task) {
    struct pair pair = make_pair();
    struct mr_error err = {0};
    struct mr_orders_held held;
    static const uint32_t winners[] = {1, 0, UINT32_MAX};
    static const uint64_t skips[] = {5, UINT64_MAX};
    struct mr_orders_task read = {0};
    struct mr_orders_task task = {.phase = MR_PHASE_REDUCE,
                                  .round = 1,
                                  .task = 2,
                                  .attempt = 3,
                                  .partitions = 4,
                                  .is_last = true,
                                  .output = "/out",
                                  .split = {.begin = 10, .end = UINT64_MAX},
                                  .winners = winners,
                                  .winner_count = 3,
                                  .pass = 1234567890123,
                                  .state_len = 55,
                                  .state_xxh3 = {UINT64_MAX, 1},
                                  .care_block = 77,
                                  .skips = skips,
                                  .skip_count = 2};
    task.input = (struct mr_input){.path = (char *)(uintptr_t) "in", .size = 9, .ino = 8};
    task.input.mtime = (struct timespec){.tv_sec = 5, .tv_nsec = 6};
    cr_assert_eq(mr_orders_send_task(&pair.a, &task, &err), 0, "%s", err.text);
    cr_assert_eq(mr_orders_read_task(hear(&pair, MR_CHANNEL_REDUCE), &read, &held, &err), 0, "%s",
                 err.text);
    cr_assert(read.round == 1 && read.task == 2 && read.attempt == 3 && read.partitions == 4);
    cr_assert(read.is_last && read.care_block == 77 && read.split.end == UINT64_MAX);
    cr_assert(read.input.size == 9 && read.input.ino == 8 && read.input.mtime.tv_nsec == 6);
    cr_assert_str_eq(read.output, "/out");
    cr_assert_str_eq(read.input.path, "in");
    cr_assert(read.pass == task.pass && read.state_len == 55);
    cr_assert(read.state_xxh3[0] == UINT64_MAX && read.state_xxh3[1] == 1);
    cr_assert(read.winner_count == 3 && read.skip_count == 2);
    cr_assert_eq(memcmp(read.winners, winners, sizeof winners), 0);
    cr_assert_eq(memcmp(read.skips, skips, sizeof skips), 0);
    mr_orders_release(&held);
    end_pair(&pair);
}

Test(orders, a_turn_is_an_order_too) {
    struct pair pair = make_pair();
    struct mr_error err = {0};
    struct mr_orders_held held;
    struct mr_orders_task read = {0};
    struct mr_orders_task task = {.phase = MR_PHASE_LOOP, .partitions = 1};
    cr_assert_eq(mr_orders_send_task(&pair.a, &task, &err), 0, "%s", err.text);
    cr_assert_eq(mr_orders_read_task(hear(&pair, MR_CHANNEL_TURN), &read, &held, &err), 0, "%s",
                 err.text);
    cr_assert(read.pass == 0 && read.winner_count == 0);
    mr_orders_release(&held);
    end_pair(&pair);
}

Test(orders, files_of_a_pass) {
    struct mr_error err = {0};
    char path[MR_ORDERS_PATH_MAX];
    struct mr_orders_task task = {
        .phase = MR_PHASE_MAP, .round = 1, .task = 2, .attempt = 3, .state_xxh3 = {10, 11}};
    cr_assert_eq(mr_orders_path("/s", &task, path, &err), 0);
    cr_assert_str_eq(path, "/s/map-1-2-3");
    task.pass = 7;
    cr_assert_eq(mr_orders_path("/s", &task, path, &err), 0);
    cr_assert_str_eq(path, "/s/map-7-1-2-3");
    task.phase = MR_PHASE_LOOP;
    cr_assert_eq(mr_orders_path("/s", &task, path, &err), 0);
    cr_assert_str_eq(path, "/s/lines-7-1-2-3");
    cr_assert_eq(mr_orders_next_path("/s", &task, path, &err), 0);
    cr_assert_str_eq(path, "/s/next-7-3");
    cr_assert_eq(mr_orders_state_path("/s", &task, path, &err), 0);
    cr_assert_str_eq(path, "/s/state-000000000000000a000000000000000b");
}

Test(orders, answers) {
    struct pair pair = make_pair();
    struct mr_error err = {0};
    struct mr_error failure = {0};
    struct mr_error read_failure = {0};
    struct mr_orders_lost lost = {true, 7, 3};
    struct mr_orders_lost read_lost = {0};
    struct mr_orders_held held;
    struct mr_orders_result result = {.records_read = 1, .output_xxh3 = UINT64_MAX};
    struct mr_orders_result read = {0};
    const char *name = NULL;
    uint64_t value = 0;
    cr_assert_eq(mr_orders_send_result(&pair.a, &result, &err), 0);
    cr_assert_eq(mr_orders_read_result(hear(&pair, MR_CHANNEL_DONE), &read, &err), 0);
    cr_assert_eq(memcmp(&read, &result, sizeof read), 0);
    cr_assert_eq(mr_orders_send_counter(&pair.a, "lines", 5, &err), 0);
    cr_assert_eq(
        mr_orders_read_counter(hear(&pair, MR_CHANNEL_COUNTER), &name, &value, &held, &err), 0);
    cr_assert(value == 5 && strcmp(name, "lines") == 0);
    mr_orders_release(&held);
    failure.code = MR_ERR_INPUT;
    memset(failure.text, 'x', sizeof failure.text - 1);
    cr_assert_eq(mr_orders_send_failure(&pair.a, &failure, &lost, &err), 0);
    cr_assert_eq(
        mr_orders_read_failure(hear(&pair, MR_CHANNEL_FAILED), &read_failure, &read_lost, &err), 0);
    cr_assert(read_lost.is_known);
    cr_assert_eq(read_lost.task, 7);
    cr_assert_eq(read_lost.attempt, 3);
    cr_assert_eq(read_failure.code, MR_ERR_INPUT);
    cr_assert_str_eq(read_failure.text, failure.text);
    end_pair(&pair);
}

/* A long record is told by its first bytes. */
Test(orders, skipped) {
    struct pair pair = make_pair();
    struct mr_error err = {0};
    struct mr_orders_held held;
    struct mr_orders_skipped read = {0};
    char *record = calloc(1, MR_ORDERS_SKIPPED_SHOWN + 5);
    cr_assert_not_null(record);
    struct mr_orders_skipped skipped = {
        3, MR_ORDERS_SKIPPED_SHOWN + 5, {record, MR_ORDERS_SKIPPED_SHOWN + 5}};
    cr_assert_eq(mr_orders_send_skipped(&pair.a, &skipped, &err), 0);
    cr_assert_eq(mr_orders_read_skipped(hear(&pair, MR_CHANNEL_SKIPPED), &read, &held, &err), 0);
    cr_assert(read.offset == 3 && read.len == MR_ORDERS_SKIPPED_SHOWN + 5);
    cr_assert_eq(read.record.len, MR_ORDERS_SKIPPED_SHOWN);
    mr_orders_release(&held);
    free(record);
    end_pair(&pair);
}

/* A body with a value too few, for every kind. */
Test(orders, malformed_bodies) {
    struct mr_orders_job job = {0};
    struct mr_orders_task task = {0};
    struct mr_orders_result result;
    struct mr_orders_skipped skipped;
    const char *name;
    uint64_t value;
    for (int count = 0; count < 40; count++) {
        struct mr_message *message = mr_message_create();
        struct mr_bytes body;
        struct mr_error none = {0};
        struct mr_error err[6] = {0};
        struct mr_orders_held held[4];
        struct mr_error failure;
        struct mr_orders_lost lost;
        for (int i = 0; i < count; i++) {
            mr_message_put_u64(message, UINT64_MAX);
        }
        cr_assert_eq(mr_message_body(message, &body, &none), 0);
        cr_assert_eq(mr_orders_read_job(body, &job, &held[0], &err[0]), MR_ERR_IO);
        cr_assert_eq(mr_orders_read_task(body, &task, &held[1], &err[1]), MR_ERR_IO);
        cr_assert_eq(mr_orders_read_counter(body, &name, &value, &held[2], &err[2]), MR_ERR_IO);
        cr_assert_eq(mr_orders_read_skipped(body, &skipped, &held[3], &err[3]), MR_ERR_IO);
        cr_assert_eq(mr_orders_read_failure(body, &failure, &lost, &err[4]), MR_ERR_IO);
        bool fits = count == (int)(sizeof result / sizeof(uint64_t));
        cr_assert_eq(mr_orders_read_result(body, &result, &err[5]), fits ? 0 : MR_ERR_IO);
        for (int i = 0; i < 4; i++) {
            mr_orders_release(&held[i]);
        }
        mr_message_destroy(message);
    }
}

Test(orders, paths_and_ids) {
    struct mr_error err = {0};
    char path[MR_ORDERS_PATH_MAX];
    unsigned char bytes[MR_ORDERS_ID_LEN / 2];
    struct mr_orders_task task = {.phase = MR_PHASE_MAP, .round = 1, .task = 2, .attempt = 3};
    cr_assert_eq(mr_orders_path("/s", &task, path, &err), 0);
    cr_assert_str_eq(path, "/s/map-1-2-3");
    task.phase = MR_PHASE_REDUCE;
    cr_assert_eq(mr_orders_path("/s", &task, path, &err), 0);
    cr_assert_str_eq(path, "/s/pairs-1-2-3");
    mr_orders_id_bytes(id, bytes);
    cr_assert(bytes[0] == 0x01 && bytes[7] == 0xef && bytes[15] == 0xef);
}
