/* test_process: a task process starts, says hello, and ends with all it is; by the built command.
 */
#include "lib/worker/process.h"

#include "lib/base/error.h"
#include "lib/net/message.h"
#include "tests/unit/test.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 20000

/* Groups are known by their names: each of the tests, which run at once, has its own. */
static const char *own_name(void) {
    static char name[32];
    snprintf(name, sizeof name, "millrace-test-%d", (int)getpid());
    return name;
}

static struct mr_process *start(void) {
    struct mr_error err = {0};
    struct mr_process *process = NULL;
    struct mr_process_options options = {.program = getenv("MILLRACE"), .name = own_name()};
    if (!options.program) {
        cr_skip_test("MILLRACE does not name the command");
    }
    cr_assert_eq(mr_process_start(&options, &process, &err), 0, "%s", err.text);
    return process;
}

/* Waits for news of one kind; the frame's body is stored. */
static void expect(struct mr_process *process, enum mr_process_news wanted, struct mr_bytes *body) {
    enum mr_process_news news = MR_PROCESS_QUIET;
    enum mr_channel_kind kind = MR_CHANNEL_NOTHING;
    struct mr_error err = {0};
    cr_assert_eq(mr_process_wait(process, PATIENCE_MS, &news, &kind, body, &err), 0, "%s",
                 err.text);
    cr_assert_eq(news, wanted);
    cr_assert(wanted != MR_PROCESS_FRAME || kind == MR_CHANNEL_HELLO);
}

static pid_t hear_hello(struct mr_process *process) {
    struct mr_bytes body = {0};
    struct mr_message_reader *reader = NULL;
    struct mr_error err = {0};
    expect(process, MR_PROCESS_FRAME, &body);
    cr_assert_eq(mr_message_open(body, &reader, &err), 0);
    cr_assert_not_null(mr_message_text(reader));
    pid_t pid = (pid_t)mr_message_u64(reader);
    mr_message_close(reader);
    cr_assert(pid > 1 && kill(pid, 0) == 0);
    return pid;
}

/* No child of ours is left, nor the worker that was its child. */
static void expect_gone(struct mr_process *process, pid_t worker) {
    mr_process_stop(process);
    cr_assert_eq(waitpid(-1, NULL, WNOHANG), (pid_t)-1);
    cr_assert_eq(errno, ECHILD);
    cr_assert(kill(worker, 0) == -1 && errno == ESRCH);
}

Test(process, starts_and_stops) {
    struct mr_process *process = start();
    pid_t worker = hear_hello(process);
    cr_assert_not_null(mr_process_bounds(process));
    expect_gone(process, worker);
}

/* Told to quit it ends as a program does; left alone, at once. */
Test(process, ends_when_nobody_asks_any_more) {
    for (int quits = 0; quits < 2; quits++) {
        struct mr_process *process = start();
        struct mr_error err = {0};
        struct mr_bytes body = {0};
        pid_t worker = hear_hello(process);
        if (quits) {
            struct mr_channel *channel = mr_process_channel(process);
            cr_assert_eq(mr_channel_send(channel, MR_CHANNEL_QUIT, body, &err), 0);
        } else {
            mr_channel_close(mr_process_channel(process));
        }
        expect(process, MR_PROCESS_ENDED, &body);
        const struct mr_supervisor_report *report = mr_process_report(process);
        cr_assert_eq(report->magic, MR_SUPERVISOR_MAGIC);
        cr_assert_eq(report->wait_status, quits ? 0 : SIGKILL);
        cr_assert_gt(report->peak_bytes, (uint64_t)100000);
        expect_gone(process, worker);
    }
}

Test(process, is_killed) {
    for (int at_once = 0; at_once < 2; at_once++) {
        struct mr_process *process = start();
        struct mr_bytes body;
        pid_t worker = hear_hello(process);
        mr_process_terminate(process, at_once);
        expect(process, MR_PROCESS_ENDED, &body);
        int status = mr_process_report(process)->wait_status;
        cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == (at_once ? SIGKILL : SIGTERM));
        expect_gone(process, worker);
    }
}

/* An order that is none ends it, with words in its log. */
Test(process, says_in_its_log_why_it_ended) {
    struct mr_process *process = start();
    struct mr_error err = {0};
    struct mr_bytes body = {0};
    pid_t worker = hear_hello(process);
    cr_assert_eq(mr_channel_send(mr_process_channel(process), MR_CHANNEL_DONE, body, &err), 0);
    expect(process, MR_PROCESS_ENDED, &body);
    mr_error_set(&err, MR_ERR_JOB, "it ended");
    mr_log_add(mr_process_log(process), &err);
    cr_assert_not_null(strstr(err.text, "an order that is none"), "%s", err.text);
    expect_gone(process, worker);
}

Test(process, a_program_that_is_not_there) {
    struct mr_error err = {0};
    struct mr_process *process = NULL;
    struct mr_process_options options = {.program = "/nowhere/millrace", .name = own_name()};
    cr_assert_eq(mr_process_start(&options, &process, &err), MR_ERR_USAGE);
    cr_assert_not_null(strstr(err.text, "/nowhere/millrace"), "%s", err.text);
}

/* A program that is something else is not waited for. */
Test(process, a_program_that_is_no_millrace) {
    struct mr_error err = {0};
    struct mr_process *process = NULL;
    struct mr_process_options options = {.program = "/bin/true", .name = own_name()};
    struct mr_bytes body;
    cr_assert_eq(mr_process_start(&options, &process, &err), 0, "%s", err.text);
    expect(process, MR_PROCESS_ENDED, &body);
    cr_assert_eq(mr_process_report(process)->magic, 0u);
    mr_process_stop(process);
}
