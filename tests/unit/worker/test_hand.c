/* test_hand: programs that are no task processes, though they are started as such, don't hold a
 * hand up for long, nor have it take for an answer what is none. */
#include "lib/worker/hand.h"

#include "lib/worker/orders.h"
#include "lib/worker/supervisor.h"
#include "tests/unit/test.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];
static char program[96];

static char id[] = "0123456789abcdef0123456789abcdef"; /* but that it begins with the process's */
static const struct mr_orders_job job = {.id = id, .job = "none", .scratch = "/nowhere"};

/* A script that is started in a process's place: its channel is descriptor 3. */
static struct mr_hand make_hand(const char *script, struct mr_hand_source *source) {
    char begin[9];
    snprintf(begin, sizeof begin, "%08x", (unsigned)getpid());
    memcpy(id, begin, 8);
    snprintf(folder, sizeof folder, "/tmp/millrace-hand.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(program, sizeof program, "%s/program", folder);
    FILE *file = fopen(program, "we");
    cr_assert_not_null(file);
    fprintf(file, "#!/bin/sh\ncd %s\n%s\n", folder, script);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(chmod(program, 0700), 0);
    *source = (struct mr_hand_source){.program = program,
                                      .job = &job,
                                      .job_name = "none",
                                      .id = id,
                                      .timeout = 60, /* for what answers, however late */
                                      .kill_seconds = 0.3};
    return (struct mr_hand){.source = source};
}

static void remove_file(const char *name) {
    char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)unlink(path);
}

static void end_hand(struct mr_hand *hand) {
    mr_hand_stop(hand);
    remove_file("program");
    remove_file("bytes");
    remove_file("starts");
    remove_file("orders");
    cr_assert_eq(rmdir(folder), 0);
    cr_assert_eq(waitpid(-1, NULL, WNOHANG), (pid_t)-1); /* nobody is left */
}

/* Writes what the channel of a process says that answers these orders as done. */
static void write_answers(const uint64_t *orders, size_t count) {
    char path[160];
    char bytes[4096];
    int fds[2];
    struct mr_error err = {0};
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct mr_channel channel = {.fd = fds[0]};
    for (size_t i = 0; i < count; i++) {
        struct mr_orders_result result = {.records_read = orders[i]};
        channel.order = orders[i];
        cr_assert_eq(mr_orders_send_result(&channel, &result, &err), 0);
        cr_assert_eq(mr_channel_send_end(&channel, &err), 0);
    }
    ssize_t len = read(fds[1], bytes, sizeof bytes);
    cr_assert_gt(len, (ssize_t)0);
    snprintf(path, sizeof path, "%s/bytes", folder);
    FILE *file = fopen(path, "we");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, (size_t)len, file), (size_t)len);
    cr_assert_eq(fclose(file), 0);
    mr_channel_close(&channel);
    close(fds[1]);
}

static struct mr_hand_outcome work(struct mr_hand *hand, const struct mr_orders_task *task) {
    struct mr_hand_outcome outcome;
    mr_hand_work(hand, task, &outcome);
    return outcome;
}

/* Deaf to all orders, it answers nothing, and does not end: it is killed. */
Test(hand, does_not_wait_for_ever) {
    struct mr_hand_source source;
    struct mr_orders_task task = {.phase = MR_PHASE_REDUCE, .partitions = 1, .attempt = 1};
    struct mr_hand hand = make_hand("exec sleep 1000", &source);
    source.timeout = 0.2;
    struct mr_hand_outcome outcome = work(&hand, &task);
    cr_assert_eq(outcome.err.code, MR_ERR_JOB);
    cr_assert_not_null(strstr(outcome.err.text, "nothing moved"), "%s", outcome.err.text);
    cr_assert(outcome.is_crash && !hand.process);
    mr_hand_release(&outcome);
    end_hand(&hand);
}

/* Nor while it sends an order that is longer than what lies between them holds. */
Test(hand, does_not_send_for_ever) {
    struct mr_hand_source source;
    size_t count = 100000;
    uint64_t *skips = calloc(count, sizeof *skips);
    cr_assert_not_null(skips);
    struct mr_orders_task task = {
        .phase = MR_PHASE_MAP, .partitions = 1, .attempt = 1, .skips = skips, .skip_count = count};
    struct mr_hand hand = make_hand("exec sleep 1000", &source);
    source.timeout = 0.2;
    struct mr_hand_outcome outcome = work(&hand, &task);
    cr_assert_eq(outcome.err.code, MR_ERR_JOB);
    cr_assert_not_null(strstr(outcome.err.text, "nothing moved"), "%s", outcome.err.text);
    mr_hand_release(&outcome);
    free(skips);
    end_hand(&hand);
}

/* An attempt that is not wanted any more. */
Test(hand, stops) {
    struct mr_hand_source source;
    struct mr_orders_task task = {.phase = MR_PHASE_REDUCE, .partitions = 1, .attempt = 1};
    struct mr_hand hand = make_hand("exec sleep 1000", &source);
    atomic_store(&hand.stop, true);
    struct mr_hand_outcome outcome = work(&hand, &task);
    cr_assert_eq(outcome.err.code, MR_ERR_INTERRUPTED);
    mr_hand_release(&outcome);
    end_hand(&hand);
}

/* What the engine told the supervisor first, as a script has noted it; 0: nothing. */
static int first_order(void) {
    char path[160];
    snprintf(path, sizeof path, "%s/orders", folder);
    FILE *file = fopen(path, "re");
    cr_assert_not_null(file);
    int order = fgetc(file);
    fclose(file);
    return order == EOF ? 0 : order;
}

/* All stood still, it and the engine, for longer than a task may: it was not the task. */
Test(hand, counts_no_standstill) {
    struct mr_hand_source source;
    struct mr_orders_task task = {.phase = MR_PHASE_REDUCE, .partitions = 1, .attempt = 1};
    struct mr_hand hand = make_hand("head -c 1 <&5 >orders & echo >>starts\n"
                                    "sleep 4; cat bytes >&3; exec sleep 1000",
                                    &source);
    char starts[160];
    int status = 0;
    snprintf(starts, sizeof starts, "%s/starts", folder);
    write_answers((uint64_t[]){1}, 1);
    source.timeout = 3;
    pid_t engine = fork();
    if (engine == 0) {
        struct mr_hand_outcome outcome = work(&hand, &task);
        mr_hand_stop(&hand);
        _exit(outcome.err.code == 0 && outcome.result.records_read == 1 ? 0 : 1);
    }
    while (access(starts, F_OK) != 0) {
        usleep(1000);
    }
    usleep(300000); /* it has looked by now, most probably */
    cr_assert_eq(kill(engine, SIGSTOP), 0);
    usleep(3300000);
    cr_assert_eq(kill(engine, SIGCONT), 0);
    cr_assert_eq(waitpid(engine, &status, 0), engine);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it has an answer");
    cr_assert_neq(first_order(), (int)MR_SUPERVISOR_TERM, "it was given up");
    end_hand(&hand);
}

/* An answer to another order is none: the process is broken, the task is not. */
Test(hand, takes_no_answer_to_another_order) {
    struct mr_hand_source source;
    struct mr_orders_task task = {.phase = MR_PHASE_REDUCE, .partitions = 1, .attempt = 1};
    struct mr_hand hand = make_hand("cat bytes >&3; exec sleep 1000", &source);
    write_answers((uint64_t[]){2}, 1);
    struct mr_hand_outcome outcome = work(&hand, &task);
    cr_assert_eq(outcome.err.code, MR_ERR_IO);
    cr_assert_not_null(strstr(outcome.err.text, "another order"), "%s", outcome.err.text);
    cr_assert(outcome.is_broken && !outcome.is_fatal && !outcome.is_crash && !hand.process);
    mr_hand_release(&outcome);
    outcome = work(&hand, &task); /* which is the second order */
    cr_assert_eq(outcome.err.code, 0, "%s", outcome.err.text);
    cr_assert_eq(outcome.result.records_read, (uint64_t)2);
    mr_hand_release(&outcome);
    end_hand(&hand);
}

/* What was said beyond the answer is not heard when the next task is done: by another process. */
Test(hand, answers_ahead_are_not_believed) {
    struct mr_hand_source source;
    struct mr_orders_task task = {.phase = MR_PHASE_REDUCE, .partitions = 1, .attempt = 1};
    struct mr_hand hand = make_hand("echo >>starts\n"
                                    "[ $(wc -l <starts) = 1 ] && cat bytes >&3\n"
                                    "exec sleep 1000",
                                    &source);
    write_answers((uint64_t[]){1, 2}, 2);
    struct mr_hand_outcome outcome = work(&hand, &task);
    cr_assert_eq(outcome.err.code, 0, "%s", outcome.err.text);
    cr_assert_eq(outcome.result.records_read, (uint64_t)1);
    mr_hand_release(&outcome);
    source.timeout = 0.2;
    outcome = work(&hand, &task);
    cr_assert_eq(hand.started, 2u);
    cr_assert_eq(outcome.err.code, MR_ERR_JOB, "it says nothing");
    mr_hand_release(&outcome);
    end_hand(&hand);
}
