/* test_verdict: how a process ended, in words. */
#include "lib/worker/verdict.h"

#include "tests/unit/test.h"
#include <signal.h>

static struct mr_orders_task task = {
    .phase = MR_PHASE_MAP, .task = 7, .attempt = 2, .split = {.begin = 100, .end = 200}};

static void expect(struct mr_verdict verdict, const char *words, const char *none) {
    struct mr_error err = {0};
    task.input.path = (char *)(uintptr_t) "in.txt";
    verdict.job = "job";
    verdict.task = &task;
    mr_verdict_say(&verdict, &err);
    cr_assert_eq(err.code, MR_ERR_JOB);
    cr_assert_not_null(strstr(err.text, words), "%s", err.text);
    cr_assert(!none || !strstr(err.text, none), "%s", err.text);
    cr_assert_not_null(strstr(err.text, "map task 7, attempt 2"), "%s", err.text);
}

Test(verdict, sentences) {
    struct mr_verdict verdict = {.report = {.magic = MR_SUPERVISOR_MAGIC, .wait_status = SIGSEGV}};
    expect(verdict, "SIGSEGV (segmentation fault)", "offset");
    verdict.report.wait_status = SIGXCPU;
    expect(verdict, "SIGXCPU", NULL);
    verdict.report.wait_status = 3 << 8;
    expect(verdict, "status 3, unfinished", NULL);
    verdict.memory_bytes = 100 << 20;
    verdict.report.peak_bytes = 89 << 20;
    expect(verdict, "status 3, unfinished", "memory");
    verdict.report.peak_bytes = 95 << 20;
    expect(verdict, "used 95.0 MiB > 100.0 MiB", NULL);
    verdict.report.peak_bytes = 0;
    verdict.report.memory_kills = 1;
    expect(verdict, "too much memory", NULL);
    verdict.timeout = 2.5;
    expect(verdict, "nothing moved for 2.5 s", "memory");
    verdict.timeout = 0;
    verdict.report.magic = 0;
    expect(verdict, "its supervisor were killed", NULL);
}

/* A place is told only where it is one of the task's. */
Test(verdict, places) {
    struct mr_verdict verdict = {
        .report = {.magic = MR_SUPERVISOR_MAGIC, .wait_status = SIGSEGV},
        .where = {.phase = MR_PHASE_MAP, .task = 7, .input = "", .offset = 120, .record = 30}};
    expect(verdict, "(in.txt, record at offset 150)", NULL);
    struct mr_verdict other = verdict;
    other.where.record = 80; /* the next split's */
    expect(other, "SIGSEGV", "offset");
    other = verdict;
    other.where.task = 6; /* of the task before */
    expect(other, "SIGSEGV", "offset");
    other = verdict;
    other.where.input = NULL; /* it was sealing */
    expect(other, "SIGSEGV", "offset");
    other = verdict;
    other.where.phase = MR_PHASE_REDUCE;
    expect(other, "SIGSEGV", "offset");
}
