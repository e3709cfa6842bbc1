/* test_restart: the master: restarts, at any moment, with workers that go on. */
#include "master/journal/journal.h"
#include "play.h"

static const struct job_plan plain = {
    .rounds = 1, .partitions = 1, .splits = 3, .output = "/out/dir"};

static void come_back(struct actor *actor, struct play *play, const char *name,
                      uint64_t incarnation, enum mr_core_role roles, uint32_t slots) {
    actor_close(actor);
    worker_open(actor, play, name, incarnation, roles, slots);
}

/* Attempts that run are kept, so is what is done; what was said and not answered is said again. */
Test(restart, keeps) {
    struct play play;
    struct actor client, mapper, reducer;
    struct mr_buffer spec = spec_of(&plain);
    struct mr_wire_start starts[3];
    struct taken taken;
    play_open(&play);
    play_submit(&play, &client, &spec);
    actor_close(&client);
    worker_open(&mapper, &play, "m", 7, MR_CORE_MAPS, 2);
    worker_open(&reducer, &play, "r", 8, MR_CORE_REDUCES, 1);
    starts[0] = actor_start(&mapper);
    starts[1] = actor_start(&mapper);
    actor_done(&mapper, &starts[0], 3);
    actor_expect(&mapper, MR_WIRE_ANSWER);
    starts[2] = actor_start(&mapper);
    play_stop_master(&play);
    play_start_master(&play);
    come_back(&mapper, &play, "m", 7, MR_CORE_MAPS, 2);
    come_back(&reducer, &play, "r", 8, MR_CORE_REDUCES, 1);
    for (int i = 0; i < 2; i++) { /* the same attempts, not others */
        struct mr_wire_start again = actor_start(&mapper);
        cr_assert_eq(again.attempt, 1);
        cr_assert(again.task == starts[1].task || again.task == starts[2].task);
    }
    actor_done(&mapper, &starts[0], 3); /* the answer might have been lost: it is given again */
    actor_take(&mapper, MR_WIRE_ANSWER, &taken);
    cr_assert_eq(taken.is.answer_.is_accepted, 1);
    taken_release(&taken);
    actor_done(&mapper, &starts[1], 3);
    actor_done(&mapper, &starts[2], 3);
    reducer.does_all = true;
    struct mr_wire_start reduce = actor_start(&reducer);
    cr_assert_eq(reduce.attempt, 1);
    actor_work(&reducer, &reduce);
    actor_open(&client, &play, MR_NET_CLIENT);
    cr_assert_eq(client_submit(&client, ID_A, &spec), 1); /* submitting twice is once */
    client_follow(&client, ID_A);
    actor_take(&client, MR_WIRE_ENDED, &taken);
    cr_assert_eq(taken.is.ended_.jobs[0].status, 0);
    taken_release(&taken);
    actor_close(&client);
    actor_close(&mapper);
    actor_close(&reducer);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* A worker that restarts with the master offers what lies in its scratch: that is not made again.
 */
Test(restart, offers) {
    struct play play;
    struct actor client, mapper;
    struct mr_buffer spec = spec_of(&plain);
    struct mr_wire_start start;
    struct taken taken;
    play_open(&play);
    play_submit(&play, &client, &spec);
    worker_open(&mapper, &play, "m", 7, MR_CORE_MAPS, 1);
    start = actor_start(&mapper);
    actor_done(&mapper, &start, 3);
    actor_expect(&mapper, MR_WIRE_ANSWER);
    actor_close(&mapper);
    actor_close(&client);
    play_stop_master(&play);
    play_start_master(&play);
    struct mr_wire_row_held held[] = {{ID_A, 0, 2, 0, 0, 0}, /* a job of which nothing is held */
                                      {ID_A, 0, 0, start.task, 1, 100 + start.task},
                                      {ID_A, 0, 0, 2, 9, 1},
                                      {ID_B, 0, 0, 0, 1, 1},
                                      {ID_C, 0, 2, 0, 0, 0}};
    actor_open(&mapper, &play, MR_NET_MAPPER);
    actor_register(&mapper, "m", 70, MR_CORE_MAPS, 1, held, 5);
    actor_registered(&mapper);
    cr_assert_eq(mapper.node, 0);
    actor_take(&mapper, MR_WIRE_DISCARD, &taken); /* no such attempt won */
    cr_assert_eq(taken.is.discard_.attempt, 9);
    taken_release(&taken);
    actor_take(&mapper, MR_WIRE_FORGET, &taken); /* no such job is known */
    cr_assert_str_eq(taken.is.forget_.id, ID_B);
    taken_release(&taken);
    actor_take(&mapper, MR_WIRE_FORGET, &taken); /* though nothing of it is held */
    cr_assert_str_eq(taken.is.forget_.id, ID_C);
    taken_release(&taken);
    mapper.does_all = true;
    for (int i = 0; i < 2; i++) {
        struct mr_wire_start next = actor_start(&mapper);
        cr_assert_neq(next.task, start.task);
        if (i == 0) {
            actor_done(&mapper, &next, 3);
        }
    }
    cr_assert_eq(mapper.starts, 2);
    actor_close(&mapper);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* The state is put in the place of `to`, as it lies there. */
static void copy_state(const char *from, const char *to) {
    const char *const commands[2][5] = {{"rm", "-rf", to, NULL}, {"cp", "-r", from, to, NULL}};
    for (int i = 0; i < 2; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            execvp(commands[i][0], (char *const *)(uintptr_t)commands[i]);
            _exit(1);
        }
        cr_assert_eq(waitpid(pid, NULL, 0), pid);
    }
}

/* Registers with what was seen of the journal in `saw`; returns what it is told now. */
static struct mr_wire_registered register_again(struct actor *actor, struct play *play,
                                                const struct mr_wire_registered *saw,
                                                bool accepts_older, const char *refused) {
    struct mr_wire_registered told = {0};
    struct mr_wire_register said = {.identity = 1,
                                    .incarnation = 7,
                                    .name = "m",
                                    .host = "host",
                                    .roles = MR_CORE_MAPS,
                                    .slots = 1,
                                    .address = "127.0.0.1:1",
                                    .scratch = "/nowhere",
                                    .cluster = saw->cluster,
                                    .epoch = saw->epoch,
                                    .start = saw->start,
                                    .sequence = saw->sequence,
                                    .accepts_older = accepts_older};
    struct taken taken;
    actor_open(actor, play, MR_NET_MAPPER);
    actor_send(actor, MR_WIRE_REGISTER, &said);
    actor_take(actor, refused ? MR_WIRE_REFUSED : MR_WIRE_REGISTERED, &taken);
    if (refused) {
        cr_assert_not_null(strstr(taken.is.refused_.why, refused), "%s", taken.is.refused_.why);
    } else {
        told = taken.is.registered_;
        told.cluster = saw->cluster;
    }
    taken_release(&taken);
    return told;
}

/* F7: a copy of the state is put back, and has grown when the worker comes: it is given nothing. */
Test(restart, older_state) {
    struct play play;
    struct actor client, mapper;
    struct mr_buffer spec = spec_of(&plain);
    struct mr_wire_registered saw = {0};
    struct taken taken;
    char cluster[MR_WIRE_ID_MAX];
    char copy[160];
    play_open(&play);
    snprintf(copy, sizeof copy, "%s/copy", play.dir);
    play_start_master(&play);
    actor_open(&mapper, &play, MR_NET_MAPPER);
    actor_register(&mapper, "m", 7, MR_CORE_MAPS, 1, NULL, 0);
    actor_take(&mapper, MR_WIRE_REGISTERED, &taken);
    saw = taken.is.registered_;
    snprintf(cluster, sizeof cluster, "%s", saw.cluster);
    saw.cluster = cluster;
    taken_release(&taken);
    actor_close(&mapper);
    play_stop_master(&play);
    copy_state(play.state, copy);
    play_start_master(&play);
    saw = register_again(&mapper, &play, &saw, false, NULL);
    struct mr_wire_registered early = saw;
    actor_close(&mapper);
    play_stop_master(&play);
    play_start_master(&play);
    saw = register_again(&mapper, &play, &saw, false, NULL);
    cr_assert_neq(saw.start, early.start);
    actor_close(&mapper);
    play_stop_master(&play);
    copy_state(copy, play.state);
    for (int i = 0; i < 3; i++) { /* entries enough, and starts as many as were seen */
        static const char *const ids[] = {ID_A, ID_B, ID_C};
        play_start_master(&play);
        actor_open(&client, &play, MR_NET_CLIENT);
        (void)client_submit(&client, ids[i], &spec);
        actor_close(&client);
        if (i < 2) {
            play_stop_master(&play);
        }
    }
    register_again(&mapper, &play, &saw, false, "older (it knows nothing of that start)");
    actor_close(&mapper);
    register_again(&mapper, &play, &early, false, "older (it knows nothing of that start)");
    cr_assert_not(actor_has(&mapper, MR_WIRE_START));
    actor_close(&mapper);
    struct mr_wire_registered now = register_again(&mapper, &play, &saw, true, NULL);
    (void)actor_start(&mapper);
    actor_close(&mapper);
    register_again(&mapper, &play, &now, false, NULL); /* it is of this journal now */
    actor_close(&mapper);
    saw.cluster = ID_C; /* what it saw was no state of this cluster */
    register_again(&mapper, &play, &saw, false, NULL);
    actor_close(&mapper);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* A second master on the same state is refused; a damaged journal, too. */
Test(restart, refuses) {
    struct play play;
    struct play other;
    struct mr_error err = {0};
    char path[256];
    play_open(&play);
    play_start_master(&play);
    other = play;
    cr_assert_eq(play_try_master(&other, &err), MR_MASTER_EXIT_IN_USE, "%s", err.text);
    play_stop_master(&play);
    snprintf(path, sizeof path, "%s/journal.db", play.state);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs("this is no journal, and it is long enough to be seen as none at all", file);
    fclose(file);
    err = (struct mr_error){0};
    cr_assert_eq(play_try_master(&play, &err), MR_MASTER_EXIT_CORRUPT, "%s", err.text);
    uv_run(&play.loop, UV_RUN_DEFAULT);
    play.master = NULL;
    play_close(&play);
}

/* A journal that can't be gone on with is told before anybody is let in, not when it is ready. */
Test(restart, refuses_to_resume) {
    struct play play;
    struct mr_journal *journal = NULL;
    struct mr_core_effects effects;
    struct mr_error err = {0};
    const struct mr_core_event events[] = {
        {.kind = MR_CORE_SUBMIT, .job = 1, .shape = {1, 1, NULL}, .max_attempts = 4, .weight = 1},
        {.kind = MR_CORE_NODE_UP,
         .worker = {0, 1},
         .host = MR_CORE_NONE,
         .roles = MR_CORE_DOES_BOTH,
         .slots = 2}};
    play_open(&play);
    cr_assert_eq(mkdir(play.state, 0700), 0);
    cr_assert_eq(mr_journal_open(play.state, MR_JOURNAL_RUN, &journal, &err), 0);
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(mr_journal_apply(journal, &events[i], 0, &effects, &err), 0, "%s", err.text);
    }
    cr_assert_eq(mr_journal_commit(journal, &err), 0);
    mr_journal_close(journal);
    cr_assert_eq(play_try_master(&play, &err), MR_MASTER_EXIT_CORRUPT);
    cr_assert_not_null(strstr(err.text, "does not tell what job 1 is"), "%s", err.text);
    cr_assert_null(play.master);
    play_close(&play);
}
