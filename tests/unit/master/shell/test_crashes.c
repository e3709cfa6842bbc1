/* test_crashes: the master: killed at each place where its journal is written, and started again.
 */
#include "play.h"

#include <sys/resource.h>

static const struct job_plan plain = {
    .rounds = 1, .partitions = 1, .splits = 2, .output = "/out/dir"};

/* A master that is a process of its own; it dies at the point's n-th time ("" never), and no file
 * of its can be longer than `file_bytes` (0: any). */
static void start_process(struct play *play, const char *point, unsigned file_bytes) {
    char program[512];
    char line[128] = "";
    int out[2];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 32);
    cr_assert_gt(len, 0);
    program[len] = '\0';
    snprintf(strrchr(program, '/'), 32, "/../millrace-cluster");
    cr_assert_eq(pipe(out), 0);
    play->pid = fork();
    cr_assert_geq(play->pid, 0);
    if (play->pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        setenv("MILLRACE_FAIL_POINT", point, 1);
        if (file_bytes) {
            struct rlimit limit = {file_bytes, file_bytes};
            signal(SIGXFSZ, SIG_IGN);
            setrlimit(RLIMIT_FSIZE, &limit);
        }
        execl(program, "millrace", "master", "--listen", "127.0.0.1:0", "--secret",
              play->secret_path, "--state", play->state, "--allow-root", "--lease", "1000s",
              (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    FILE *said = fdopen(out[0], "r");
    bool is_ready = fgets(line, sizeof line, said) != NULL;
    fclose(said);
    play->address[0] = '\0';
    if (is_ready) {
        cr_assert_eq(sscanf(line, "ready %90s", play->address), 1, "it said: %s", line);
    }
}

/* ThreadSanitizer puts signals off, and was seen to lose one that came just when the loop began:
 * there it is sent again, each second, as `cluster up` does. */
static void say_again(const struct play *play, int signal_number) {
#ifdef __SANITIZE_THREAD__
    siginfo_t about = {.si_pid = 0};
    for (int i = 1; waitid(P_PID, (id_t)play->pid, &about, WEXITED | WNOWAIT | WNOHANG) == 0 &&
                    about.si_pid == 0;
         i++) {
        usleep(10000);
        if (i % 100 == 0) {
            kill(play->pid, signal_number);
        }
    }
#else
    (void)play;
    (void)signal_number;
#endif
}

/* Waits for its end, with this exit status; whether it was killed instead. */
static bool end_process(struct play *play, int signal_number, int exit_status) {
    int status = 0;
    if (signal_number) {
        kill(play->pid, signal_number);
        say_again(play, signal_number);
    }
    cr_assert_eq(waitpid(play->pid, &status, 0), play->pid);
    play->pid = 0;
    if (WIFEXITED(status)) {
        cr_assert_eq(WEXITSTATUS(status), exit_status, "exit status %d", WEXITSTATUS(status));
    }
    return WIFSIGNALED(status);
}

/* A client, a mapper, a reducer; what they said last is lost with the master. */
struct cast {
    struct actor client;
    struct actor mapper;
    struct actor reducer;
};

static bool try_open(struct actor *actor, struct play *play, enum mr_net_role role) {
    struct mr_error err = {0};
    *actor = (struct actor){.play = play, .does_all = true};
    actor->last = &actor->first;
    cr_assert_eq(
        mr_entry_dial(play->nets[role], play->address, &actor_events, actor, &actor->conn, &err),
        0);
    PLAY_UNTIL(play, actor->is_ready || actor->is_closed);
    return actor->is_ready && !actor->is_closed;
}

static bool is_any_closed(const struct cast *cast) {
    return cast->client.is_closed || cast->mapper.is_closed || cast->reducer.is_closed;
}

/* Plays until the job has ended (true), or the master is gone. */
static bool act(struct play *play, struct cast *cast, const struct mr_buffer *spec) {
    struct mr_hash_128 hash = mr_hash_xxh3_128(spec->data, spec->len);
    struct mr_wire_submit submit = {ID_A, hash.high, hash.low};
    if (!try_open(&cast->mapper, play, MR_NET_MAPPER) ||
        !try_open(&cast->reducer, play, MR_NET_REDUCER) ||
        !try_open(&cast->client, play, MR_NET_CLIENT)) {
        return false;
    }
    actor_register(&cast->mapper, "m", 7, MR_CORE_MAPS, 1, NULL, 0);
    actor_register(&cast->reducer, "r", 8, MR_CORE_REDUCES, 1, NULL, 0);
    cast->client.blobs[cast->client.blob_count++] = (struct mr_bytes){spec->data, spec->len};
    actor_send(&cast->client, MR_WIRE_SUBMIT, &submit);
    PLAY_UNTIL(play, actor_has(&cast->client, MR_WIRE_SUBMITTED) || is_any_closed(cast));
    if (is_any_closed(cast)) {
        return false;
    }
    client_follow(&cast->client, ID_A);
    PLAY_UNTIL(play, actor_has(&cast->client, MR_WIRE_ENDED) || is_any_closed(cast));
    return actor_has(&cast->client, MR_WIRE_ENDED);
}

static void leave(struct cast *cast) {
    struct actor *all[] = {&cast->client, &cast->mapper, &cast->reducer};
    for (size_t i = 0; i < 3; i++) {
        if (all[i]->play) {
            actor_close(all[i]);
        }
    }
    *cast = (struct cast){{0}, {0}, {0}};
}

static void expect_done(struct cast *cast) {
    struct taken taken;
    actor_take(&cast->client, MR_WIRE_ENDED, &taken);
    cr_assert_eq(taken.is.ended_.jobs[0].status, 0);
    cr_assert_eq(taken.is.ended_.jobs[0].job, 1);
    taken_release(&taken);
}

/* The first failure of the journal ends the master, before anything is said that is not in it. */
Test(crashes, the_journal_fails) {
    struct play play;
    struct cast cast = {{0}, {0}, {0}};
    struct mr_buffer spec = spec_of(&plain);
    bool has_failed = false;
    play_open(&play);
    start_process(&play, "", 0); /* makes the journal */
    cr_assert(!end_process(&play, SIGTERM, 0));
    for (unsigned kib = 24; kib < 512 && !has_failed; kib += 8) { /* enough to begin with */
        start_process(&play, "", kib << 10);
        has_failed = play.address[0] && !act(&play, &cast, &spec);
        bool was_killed = end_process(&play, has_failed ? 0 : SIGTERM,
                                      has_failed || !play.address[0] ? MR_MASTER_EXIT_IO : 0);
        cr_assert(!was_killed);
        if (!has_failed && play.address[0]) {
            break; /* the job was done */
        }
        leave(&cast);
    }
    cr_assert(has_failed);
    start_process(&play, "", 0);
    cr_assert(act(&play, &cast, &spec));
    expect_done(&cast);
    leave(&cast);
    cr_assert(!end_process(&play, SIGTERM, 0));
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* Has no blob be made: their temporary names are taken. */
static void bar_blobs(const struct play *play) {
    char path[192];
    for (int i = 1; i < 64; i++) {
        snprintf(path, sizeof path, "%s/blobs/new-%d", play->state, i);
        FILE *file = fopen(path, "w");
        cr_assert_not_null(file);
        fclose(file);
    }
}

/* A manifest that can't be written ends the master, not the job: that goes on when there is room.
 */
Test(crashes, the_manifest_fails) {
    struct play play;
    struct actor client, worker;
    struct mr_buffer spec = spec_of(&plain);
    struct mr_wire_start start = {0};
    play_open(&play);
    play_submit(&play, &client, &spec);
    worker_open(&worker, &play, "w", 7, MR_CORE_DOES_BOTH, 1);
    for (int i = 0; i < 2; i++) {
        start = actor_start(&worker);
        actor_done(&worker, &start, 2);
    }
    start = actor_start(&worker);
    cr_assert_eq(start.phase, MR_PHASE_REDUCE);
    bar_blobs(&play);
    actor_done(&worker, &start, 2);
    PLAY_UNTIL(&play, !play.master);
    cr_assert_eq(mr_master_exit_status(&play.why), MR_MASTER_EXIT_IO);
    actor_close(&client);
    actor_close(&worker);
    play_start_master(&play);
    actor_open(&client, &play, MR_NET_CLIENT);
    client_follow(&client, "1");
    worker_open(&worker, &play, "w", 7, MR_CORE_DOES_BOTH, 1);
    worker.does_all = true;
    actor_done(&worker, &start, 2);
    struct taken taken;
    actor_take(&client, MR_WIRE_ENDED, &taken);
    cr_assert_eq(taken.is.ended_.jobs[0].status, 0);
    taken_release(&taken);
    actor_close(&client);
    actor_close(&worker);
    play_close(&play);
    mr_buffer_fini(&spec);
}

#ifdef MR_FAIL_POINTS

/* Runs a job with a master that dies at that place; whether it did. */
static bool run(const char *point) {
    struct play play;
    struct cast cast = {{0}, {0}, {0}};
    struct mr_buffer spec = spec_of(&plain);
    play_open(&play);
    start_process(&play, point, 0);
    bool is_ended = play.address[0] && act(&play, &cast, &spec);
    bool has_died = false;
    if (!is_ended) {
        has_died = end_process(&play, 0, 0);
        cr_assert(has_died);
        leave(&cast);
        start_process(&play, "", 0);
        cr_assert(play.address[0]);
        is_ended = act(&play, &cast, &spec);
    }
    cr_assert(is_ended, "after dying at %s", point);
    expect_done(&cast);
    leave(&cast);
    has_died |= end_process(&play, SIGTERM, 0);
    play_close(&play);
    mr_buffer_fini(&spec);
    return has_died;
}

static void run_all(const char *name) {
    char point[64];
    int deaths = 0;
    for (int n = 1; n < 64; n++) {
        snprintf(point, sizeof point, "%s:%d", name, n);
        if (!run(point)) {
            break;
        }
        deaths++;
    }
    fprintf(stderr, "%s: died %d times\n", name, deaths);
    cr_assert_geq(deaths, 6);
    cr_assert_lt(deaths, 60);
}

Test(crashes, before_the_commit) {
    run_all("journal_pre_commit");
}

Test(crashes, after_the_commit) {
    run_all("journal_post_commit");
}

Test(crashes, before_the_replies) {
    run_all("journal_pre_reply");
}

#endif
