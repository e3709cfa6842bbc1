/* crash: says in which job, task and record a crash happened, before the process ends by it. */
#include "master/local/crash.h"

#include "lib/base/signals.h"
#include "lib/job/context.h"
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STACK_BYTES ((size_t)64 << 10)

static _Thread_local void *stack;

/* A line built without anything that a signal handler may not call. */
struct line {
    char text[512];
    size_t len;
};

static void add_text(struct line *line, const char *text) {
    while (*text && line->len < sizeof line->text) {
        line->text[line->len++] = *text++;
    }
}

static void add_number(struct line *line, uint64_t number) {
    char digits[24];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    add_text(line, digits + at);
}

static void add_place(struct line *line, const struct mr_where *where) {
    add_text(line, " in job ");
    add_text(line, where->job);
    add_text(line, ", round ");
    add_text(line, where->round);
    if (where->pass) {
        add_text(line, ", pass ");
        add_number(line, where->pass);
    }
    if (where->phase == MR_PHASE_LOOP) {
        add_text(line, where->pass ? ", round_done" : ", start");
        return;
    }
    add_text(line, where->phase == MR_PHASE_MAP ? ", map task " : ", reduce task ");
    add_number(line, where->task);
    if (where->input) {
        add_text(line, ", ");
        add_text(line, where->input);
        add_text(line, ", record at offset ");
        add_number(line, where->offset + where->record);
    }
}

static void handle(int number) {
    struct line line = {.len = 0};
    const struct mr_where *where = mr_context_where;
    add_text(&line, "millrace: crashed by ");
    add_text(&line, mr_signals_crash_name(number));
    if (where) {
        add_place(&line, where);
    }
    add_text(&line, "\n");
    (void)!write(STDERR_FILENO, line.text, line.len);
    signal(number, SIG_DFL);
    raise(number);
}

/* Code that ends the process from within a callback would make a failed job look done. */
static void refuse_exit(void) {
    struct line line = {.len = 0};
    const struct mr_where *where = mr_context_where;
    if (!where) {
        return;
    }
    add_text(&line, "millrace: the job's code ended the process by exit()");
    add_place(&line, where);
    add_text(&line, "\n");
    (void)!write(STDERR_FILENO, line.text, line.len);
    signal(SIGABRT, SIG_DFL);
    raise(SIGABRT);
}

void mr_crash_install(void) {
    static atomic_flag is_guarded = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&is_guarded)) {
        (void)atexit(refuse_exit);
    }
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_ONSTACK | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        sigaction(signals[i], &action, NULL);
    }
}

void mr_crash_thread_start(void) {
    stack = malloc(STACK_BYTES);
    if (stack) { /* without: only an overflowing stack goes unreported */
        stack_t use = {.ss_sp = stack, .ss_size = STACK_BYTES};
        sigaltstack(&use, NULL);
    }
}

void mr_crash_thread_end(void) {
    if (stack) {
        stack_t none = {.ss_flags = SS_DISABLE};
        sigaltstack(&none, NULL);
        free(stack);
        stack = NULL;
    }
}
