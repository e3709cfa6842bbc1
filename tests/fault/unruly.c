/* unruly: a job that does at a chosen record or key what a process must be kept from, for the tests
 * of --isolate. It maps lines, one at a time, to themselves, and counts them. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <mr/job.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
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

/* With --until FILE: the fault waits for the file. */
static void await_word(struct mr_ctx *ctx) {
    const char *until = mr_param(ctx, "until");
    while (until && access(until, F_OK) != 0) {
        pause_ms(5);
    }
}

/* With --groups FILE: which groups this process is in, once a process. */
static void name_groups(struct mr_ctx *ctx) {
    static atomic_flag is_done = ATOMIC_FLAG_INIT;
    char text[4096];
    const char *path = atomic_flag_test_and_set(&is_done) ? NULL : mr_param(ctx, "groups");
    int from = path ? open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC) : -1;
    int to = from >= 0 ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
    for (ssize_t got; to >= 0 && (got = read(from, text, sizeof text)) > 0;) {
        (void)!write(to, text, (size_t)got);
    }
    if (to >= 0) {
        close(to);
    }
    if (from >= 0) {
        close(from);
    }
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

static int count_names(const char *names) {
    int count = 0;
    int number;
    FILE *file = fopen(names, "r");
    while (file && fscanf(file, "%d", &number) == 1) {
        count++;
    }
    if (file) {
        fclose(file);
    }
    return count;
}

/* Until so many of them have named themselves: before that they may be ended unseen. */
static void await_names(struct mr_ctx *ctx, int count) {
    const char *names = mr_param(ctx, "names");
    for (int tries = 0; names && tries < 30000 && count_names(names) < count; tries++) {
        pause_ms(1);
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

/* A thread that forks, and stays, so that its children remain its own. */
static void *thread_main(void *arg) {
    breed(arg, 5);
    for (;;) {
        pause_ms(1000);
    }
    return NULL;
}

static void breed_by_thread(struct mr_ctx *ctx) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, thread_main, ctx) == 0) {
        pthread_detach(thread);
        await_names(ctx, 5);
    }
}

/* Children of children, none of them orphaned. */
static void breed_deep(struct mr_ctx *ctx, int depth) {
    if (fork() == 0) {
        if (depth > 1) {
            breed_deep(ctx, depth - 1);
        }
        stay(ctx);
    }
}

/* Stops the supervisor; what is left behind, and is there only then, lets it go on after a while.
 */
static void delay_above(void) {
    pid_t above = getppid();
    kill(above, SIGSTOP);
    if (fork() == 0) {
        setsid();
        pause_ms(300);
        kill(above, SIGCONT);
        _exit(0);
    }
}

/* Descriptors that are sockets: one of them is the engine's. */
static int sockets[64];
static size_t socket_count;

static void find_sockets(void) {
    socket_count = 0;
    for (int fd = 0; fd < 1024 && socket_count < sizeof sockets / sizeof *sockets; fd++) {
        struct stat about;
        if (fstat(fd, &about) == 0 && S_ISSOCK(about.st_mode)) {
            sockets[socket_count++] = fd;
        }
    }
}

static void babble(void) {
    for (size_t i = 0; i < socket_count; i++) {
        (void)!write(sockets[i], "x", 1);
    }
}

static void *babble_later(void *arg) {
    (void)arg;
    for (int i = 0; i < 10; i++) {
        pause_ms(20);
        babble();
    }
    return NULL;
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

/* What is done to the processes around it, and to the engine's channel. */
static int meddle(struct mr_ctx *ctx, const char *how) {
    if (strcmp(how, "threads") == 0) {
        breed_by_thread(ctx);
    } else if (strcmp(how, "deep") == 0) {
        breed_deep(ctx, 6);
        await_names(ctx, 6);
    } else if (strcmp(how, "delayabove") == 0) {
        delay_above();
    } else if (strcmp(how, "stopabove") == 0) {
        kill(getppid(), SIGSTOP);
        pause_ms(1000000);
    } else if (strcmp(how, "stopself") == 0) {
        raise(SIGSTOP);
    } else if (strcmp(how, "comeback") == 0) {
        (void)!fork(); /* both go on */
    } else if (strcmp(how, "babble") == 0) {
        find_sockets();
        babble();
    } else if (strcmp(how, "babblelate") == 0) {
        pthread_t thread;
        find_sockets();
        return pthread_create(&thread, NULL, babble_later, NULL) ? -1 : pthread_detach(thread);
    }
    return 0;
}

static int misbehave(struct mr_ctx *ctx) {
    const char *how = mr_param(ctx, "how");
    leave_mark(ctx);
    await_word(ctx);
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
        await_names(ctx, 50);
    } else if (strcmp(how, "breedcrash") == 0) {
        breed(ctx, 50);
        daemonize(ctx);
        await_names(ctx, 51);
        abort();
    } else if (strcmp(how, "bomb") == 0) { /* until the bound holds it */
        int born = 0;
        while (born < 5000) {
            pid_t child = fork();
            if (child == 0) {
                stay(ctx);
            }
            if (child < 0) {
                int error = errno;
                await_names(ctx, born);
                return mr_fail(ctx, "fork: %s after %d", strerror(error), born > 100 ? 100 : 0);
            }
            born++;
        }
    } else if (strcmp(how, "daemon") == 0) {
        daemonize(ctx);
        await_names(ctx, 1);
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
    return meddle(ctx, how);
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

/* With --how wander: fails at the line whose number is that of the failures. */
static bool wanders_here(struct mr_ctx *ctx, struct mr_bytes line) {
    struct stat about = {.st_size = 0};
    char number[24];
    if (strcmp(mr_param(ctx, "how"), "wander") != 0) {
        return false;
    }
    (void)!stat(mr_param(ctx, "struck"), &about);
    int len = snprintf(number, sizeof number, "%lld", (long long)about.st_size + 1);
    return (size_t)len == line.len && memcmp(number, line.data, line.len) == 0;
}

/* With --hunger N: so many MiB, once a process. */
static void eat(struct mr_ctx *ctx) {
    static char *food; /* static: or the compiler would see that nobody reads it */
    size_t bytes = (size_t)mr_param_u64(ctx, "hunger") << 20;
    if (bytes && !food) {
        food = malloc(bytes);
        if (!food) {
            abort();
        }
        for (size_t i = 0; i < bytes; i += 4096) {
            ((volatile char *)food)[i] = 1;
        }
    }
}

/* The line as a key; with --wide N: N bytes long. */
static int emit(struct mr_ctx *ctx, struct mr_bytes line) {
    char key[512];
    size_t wide = mr_param_u64(ctx, "wide");
    if (line.len >= wide || wide > sizeof key) {
        return mr_emit_u64(ctx, line, 1);
    }
    memset(key, '.', wide);
    memcpy(key, line.data, line.len);
    return mr_emit_u64(ctx, (struct mr_bytes){key, wide}, 1);
}

static int map(struct mr_ctx *ctx, void *state, struct mr_bytes line) {
    (void)state;
    int status = 0;
    name_groups(ctx);
    eat(ctx);
    if (wanders_here(ctx, line)) {
        leave_mark(ctx);
        return mr_fail(ctx, "not this one either");
    }
    if ((is_it(ctx, "at", line) || is_it(ctx, "also-at", line)) && is_time(ctx)) {
        status = misbehave(ctx);
    }
    status = status ? status : mr_counter_add(ctx, "lines", 1);
    return status ? status : emit(ctx, line);
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
    for (int tries = 0; tries < 4000; tries++) {
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

/* Whether a child of this task's lives until it ends by itself. */
static bool may_have_children(void) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        pause_ms(1000);
        _exit(5);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 5;
}

static int reduce(struct mr_ctx *ctx, void *state, struct mr_bytes key, uint64_t count) {
    (void)state;
    int status = is_it(ctx, "reduce-at", key) && is_time(ctx) ? misbehave(ctx) : 0;
    if (is_it(ctx, "gone-by", key) && !are_gone(ctx)) {
        return mr_fail(ctx, "a process that map left is still there");
    }
    if (is_it(ctx, "child-by", key) && !may_have_children()) {
        return mr_fail(ctx, "a child of this task's was killed");
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
    TEXT("until", "not before this file is there"),
    TEXT("groups", "a file that gets the groups of each process that maps"),
    TEXT("gone-by", "in reduce, at this key: fail while a process that was left is there"),
    TEXT("child-by", "in reduce, at this key: have a child, for a second"),
    {.name = "hunger",
     .kind = MR_PARAM_U64,
     .fallback = "0",
     .metavar = "N",
     .help = "in map: use so many MiB more"},
    {.name = "wide",
     .kind = MR_PARAM_U64,
     .fallback = "0",
     .metavar = "N",
     .help = "pad keys to so many bytes"},
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
