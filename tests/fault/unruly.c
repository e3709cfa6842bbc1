/* unruly: a job that does at a chosen record or key what a process must be kept from, for the tests
 * of --isolate. It maps lines, one at a time, to themselves, and counts them. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <mr/job.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int *nowhere;

/* Makes the file --struck, by which the test knows that the fault was there. */
static void leave_mark(struct mr_ctx *ctx) {
    const char *mark = mr_param(ctx, "struck");
    int fd = mark ? open(mark, O_WRONLY | O_CREAT | O_APPEND, 0666) : -1;
    if (fd >= 0) {
        (void)!write(fd, "x", 1);
        close(fd);
    }
}

static void pause_ms(long ms) {
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

/* Touches memory until there is none. */
static void leak(void) {
    for (;;) {
        char *more = malloc(1 << 20);
        if (!more) {
            abort();
        }
        memset(more, 1, 1 << 20);
    }
}

/* Children that stay: they hold what they have inherited open, and name themselves in a file. */
static void stay(struct mr_ctx *ctx) {
    const char *names = mr_param(ctx, "names");
    FILE *file = names ? fopen(names, "a") : NULL;
    if (file) {
        fprintf(file, "%d\n", (int)getpid());
        fclose(file);
    }
    for (;;) {
        pause_ms(1000);
    }
}

static void breed(struct mr_ctx *ctx, int count) {
    for (int i = 0; i < count; i++) {
        if (fork() == 0) {
            stay(ctx);
        }
    }
}

/* A child of nobody, in a session of its own. */
static void daemonize(struct mr_ctx *ctx) {
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            setsid();
            stay(ctx);
        }
        _exit(0);
    }
    wait(NULL);
}

static void make_noise(void) {
    static char line[65536];
    memset(line, 'n', sizeof line - 1);
    line[sizeof line - 1] = '\n';
    for (int i = 0; i < 64; i++) { /* 4 MiB to each */
        (void)!write(STDOUT_FILENO, line, sizeof line);
        (void)!write(STDERR_FILENO, line, sizeof line);
    }
    fprintf(stderr, "the last words\n");
}

/* Everything that a program may change around itself. */
static void turn_over(void) {
    for (int fd = 0; fd < 256; fd++) {
        close(fd);
    }
    umask(0777);
    (void)!chdir("/");
    setlocale(LC_ALL, "");
    for (int number = 1; number < NSIG; number++) {
        signal(number, SIG_IGN);
    }
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setenv("LC_ALL", "de_DE.UTF-8", 1);
}

static int misbehave(struct mr_ctx *ctx) {
    const char *how = mr_param(ctx, "how");
    leave_mark(ctx);
    if (strcmp(how, "fail") == 0) {
        return mr_fail(ctx, "not this one");
    } else if (strcmp(how, "segv") == 0) {
        *nowhere = 1;
    } else if (strcmp(how, "abort") == 0) {
        fprintf(stderr, "the last words\n");
        abort();
    } else if (strcmp(how, "exit0") == 0) {
        exit(0);
    } else if (strcmp(how, "exit3") == 0) {
        exit(3);
    } else if (strcmp(how, "kill") == 0) {
        kill(getpid(), SIGKILL);
    } else if (strcmp(how, "killgroup") == 0) {
        kill(0, SIGKILL);
    } else if (strcmp(how, "killabove") == 0) {
        kill(getppid(), SIGKILL);
        pause_ms(10000);
    } else if (strcmp(how, "loop") == 0) {
        for (;;) {
            pause_ms(1);
        }
    } else if (strcmp(how, "stubborn") == 0) {
        signal(SIGTERM, SIG_IGN);
        for (;;) {
            pause_ms(1);
        }
    } else if (strcmp(how, "leak") == 0) {
        leak();
    } else if (strcmp(how, "breed") == 0) {
        breed(ctx, 50);
    } else if (strcmp(how, "breedcrash") == 0) {
        breed(ctx, 50);
        daemonize(ctx);
        pause_ms(100);
        abort();
    } else if (strcmp(how, "bomb") == 0) { /* until the bound holds it */
        int born = 0;
        while (born < 5000) {
            pid_t child = fork();
            if (child == 0) {
                stay(ctx);
            }
            if (child < 0) {
                return mr_fail(ctx, "fork: %s after %d", strerror(errno), born > 100 ? 100 : 0);
            }
            born++;
        }
    } else if (strcmp(how, "daemon") == 0) {
        daemonize(ctx);
        pause_ms(100);
    } else if (strcmp(how, "noise") == 0) {
        make_noise();
    } else if (strcmp(how, "noisecrash") == 0) {
        make_noise();
        abort();
    } else if (strcmp(how, "turn") == 0) {
        turn_over();
    } else if (strcmp(how, "wait") == 0) {
        pause_ms(30000);
    }
    return 0;
}

static bool is_it(struct mr_ctx *ctx, const char *param, struct mr_bytes text) {
    const char *wanted = mr_param(ctx, param);
    return wanted && strlen(wanted) == text.len && memcmp(wanted, text.data, text.len) == 0;
}

/* With --once FILE: only where the file is not there yet. */
static bool is_time(struct mr_ctx *ctx) {
    const char *once = mr_param(ctx, "once");
    if (!once) {
        return true;
    }
    int fd = open(once, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

static int map(struct mr_ctx *ctx, void *state, struct mr_bytes line) {
    (void)state;
    int status = 0;
    if ((is_it(ctx, "at", line) || is_it(ctx, "also-at", line)) && is_time(ctx)) {
        status = misbehave(ctx);
    }
    status = status ? status : mr_counter_add(ctx, "lines", 1);
    return status ? status : mr_emit_u64(ctx, line, 1);
}

#ifdef MAP_BLOCK
/* Without a word about where in the block it is. */
static int map_block(struct mr_ctx *ctx, void *state, struct mr_bytes block, uint64_t *records) {
    const char *at = block.data;
    const char *end = at + block.len;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        int status = map(ctx, state, (struct mr_bytes){at, (size_t)(stop - at)});
        if (status) {
            return status;
        }
        ++*records;
        at = stop + 1;
    }
    return 0;
}
#endif

/* Whether all that was left behind is gone, or going: waits for it a while. */
static bool are_gone(struct mr_ctx *ctx) {
    const char *names = mr_param(ctx, "names");
    for (int tries = 0; tries < 1000; tries++) {
        int alive = 0;
        while (waitpid(-1, NULL, WNOHANG) > 0) { /* ours, and killed */
        }
        int number;
        FILE *file = names ? fopen(names, "r") : NULL;
        while (file && fscanf(file, "%d", &number) == 1) {
            alive += kill(number, 0) == 0;
        }
        if (file) {
            fclose(file);
        }
        if (!alive) {
            return true;
        }
        pause_ms(5);
    }
    return false;
}

static int reduce(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint64_t count) {
    (void)state;
    int status = is_it(ctx, "reduce-at", key) && is_time(ctx) ? misbehave(ctx) : 0;
    if (is_it(ctx, "gone-by", key) && !are_gone(ctx)) {
        return mr_fail(ctx, "a process that map left is still there");
    }
    return status ? status : mr_emit_u64(ctx, key, count);
}

static const struct mr_round rounds[] = {
    {.name = "only",
     .value = MR_SUM_U64,
#ifdef MAP_BLOCK
     .map_block = map_block,
#else
     .map = map,
#endif
     .reduce_u64 = reduce},
};

#define TEXT(NAME, HELP)                                                                           \
    { .name = NAME, .kind = MR_PARAM_TEXT, .metavar = "TEXT", .help = HELP }

static const struct mr_param params[] = {
    {.name = "how",
     .kind = MR_PARAM_TEXT,
     .fallback = "nothing",
     .metavar = "HOW",
     .help = "what it does"},
    TEXT("at", "in map, at this line"),
    TEXT("also-at", "and at this one"),
    TEXT("reduce-at", "in reduce, at this key"),
    TEXT("once", "only where this file is not there, which it makes"),
    TEXT("struck", "a file that grows by a byte each time"),
    TEXT("gone-by", "in reduce, at this key: fail while a process that was left is there"),
    TEXT("names", "a file that gets the numbers of the processes that it leaves"),
    {0},
};

MR_PLUGIN = {
    .abi = MR_JOB_ABI,
    .name = "unruly",
    .summary = "misbehave as a process",
    .params = params,
    .rounds = rounds,
    .round_count = 1,
};
