/* verdict: says in a sentence how a task process ended that gave no answer. */
#include "lib/worker/verdict.h"

#include "lib/base/error.h"
#include "lib/base/signals.h"
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#define MIB 1048576.0

static const char *signal_name(int number, char spare[32]) {
    const char *name = mr_signals_crash_name(number);
    if (name) {
        return name;
    }
    if (number == SIGKILL) {
        return "SIGKILL (killed)";
    }
    snprintf(spare, 32, "SIG%s", sigabbrev_np(number) ? sigabbrev_np(number) : "?");
    return spare;
}

/* The kernel killed for want of memory; or, bounded otherwise, nine tenths of the bound and a
 * violent end: the next request would have been refused, or was. */
static bool is_out_of_memory(const struct mr_verdict *verdict) {
    const struct mr_supervisor_report *report = &verdict->report;
    return verdict->memory_bytes &&
           (report->memory_kills > 0 ||
            (!verdict->is_grouped && report->peak_bytes >= verdict->memory_bytes / 10 * 9));
}

static void say_how(const struct mr_verdict *verdict, struct mr_error *err) {
    int status = verdict->report.wait_status;
    char spare[32];
    if (verdict->timeout > 0) {
        mr_error_set(err, MR_ERR_JOB, "%s: nothing moved for %.3g s (--task-timeout)", verdict->job,
                     verdict->timeout);
    } else if (verdict->report.magic != MR_SUPERVISOR_MAGIC) {
        mr_error_set(err, MR_ERR_JOB, "%s: the task process and its supervisor were killed",
                     verdict->job);
    } else if (is_out_of_memory(verdict)) {
        mr_error_set(err, MR_ERR_JOB,
                     "%s: the task used too much memory: used %.1f MiB > %.1f MiB (--task-memory)",
                     verdict->job, (double)verdict->report.peak_bytes / MIB,
                     (double)verdict->memory_bytes / MIB);
    } else if (WIFSIGNALED(status)) {
        mr_error_set(err, MR_ERR_JOB, "%s: its code crashed by %s", verdict->job,
                     signal_name(WTERMSIG(status), spare));
    } else {
        mr_error_set(err, MR_ERR_JOB, "%s: its code ended the process with status %d, unfinished",
                     verdict->job, WEXITSTATUS(status));
    }
}

bool mr_verdict_has_place(const struct mr_verdict *verdict) {
    const struct mr_orders_task *task = verdict->task;
    uint64_t offset = verdict->where.offset + verdict->where.record;
    return task->phase == MR_PHASE_MAP && task->round == 0 &&
           verdict->where.phase == MR_PHASE_MAP && verdict->where.input &&
           verdict->where.task == task->task && offset >= task->split.begin &&
           offset < task->split.end;
}

void mr_verdict_say(const struct mr_verdict *verdict, struct mr_error *err) {
    const struct mr_orders_task *task = verdict->task;
    say_how(verdict, err);
    if (task->phase == MR_PHASE_LOOP) {
        mr_error_add(err, " in %s", task->pass ? "round_done" : "start");
    } else {
        mr_error_add(err, " in %s task %u", task->phase == MR_PHASE_MAP ? "map" : "reduce",
                     task->task);
    }
    if (task->pass) {
        mr_error_add(err, " of pass %llu", (unsigned long long)task->pass);
    }
    mr_error_add(err, ", attempt %u", task->attempt);
    if (mr_verdict_has_place(verdict)) {
        mr_error_add(err, " (%s, record at offset %llu)", task->input.path,
                     (unsigned long long)(verdict->where.offset + verdict->where.record));
    }
}
