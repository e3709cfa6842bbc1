/* test_many: the master: many tasks, many jobs. */
#include "master/shell/notes.h"
#include "play.h"

#include "lib/base/clock.h"

#ifdef MR_TEST_IN_PROCESS /* with a sanitizer */
#define TASKS 1000
#else
#define TASKS 10000
#endif

/* Many empty tasks; the rate is printed, not judged. */
Test(many, tasks) {
    static const struct job_plan plan = {
        .rounds = 1, .partitions = 1, .splits = TASKS, .output = "/out/dir"};
    struct play play;
    struct actor client, mappers[2], reducer;
    struct mr_buffer spec = spec_of(&plan);
    struct taken taken;
    play_open(&play);
    play_start_master(&play);
    for (int i = 0; i < 2; i++) {
        char name[8];
        snprintf(name, sizeof name, "m%d", i);
        worker_open(&mappers[i], &play, name, 7, MR_CORE_MAPS, 16);
        mappers[i].does_all = true;
    }
    worker_open(&reducer, &play, "r", 8, MR_CORE_REDUCES, 1);
    reducer.does_all = true;
    actor_open(&client, &play, MR_NET_CLIENT);
    double started = mr_clock_seconds();
    (void)client_submit(&client, ID_A, &spec);
    client_follow(&client, "1");
    actor_take(&client, MR_WIRE_ENDED, &taken);
    double seconds = mr_clock_seconds() - started;
    cr_assert_eq(taken.is.ended_.jobs[0].status, 0);
    taken_release(&taken);
    /* The last that run may be thought slow, and begun once more. */
    cr_assert_eq(mappers[0].firsts + mappers[1].firsts, TASKS);
    fprintf(stderr, "%d tasks in %.2f s: %.0f a second\n", TASKS, seconds, TASKS / seconds);
    actor_close(&client);
    actor_close(&mappers[0]);
    actor_close(&mappers[1]);
    actor_close(&reducer);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* As a master leaves it that dies when the end of a job is on disk, and not yet that an older one
 * is forgotten. */
static void leave_one_more(const struct play *play) {
    struct mr_journal *journal = NULL;
    struct mr_error why = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_journal_open(play->state, MR_JOURNAL_RUN, &journal, &err), 0, "%s", err.text);
    cr_assert_eq(mr_journal_put(journal, 5, MR_NOTES_ID, 0, ID_A, strlen(ID_A), &err), 0);
    cr_assert_eq(mr_notes_put_error(journal, 5, MR_NOTES_END, &why, &err), 0);
    cr_assert_eq(mr_journal_commit(journal, &err), 0, "%s", err.text);
    mr_journal_close(journal);
}

static void expect_none_more(const struct play *play) {
    struct mr_journal *journal = NULL;
    struct mr_error err = {0};
    size_t count;
    cr_assert_eq(mr_journal_open(play->state, MR_JOURNAL_LOOK, &journal, &err), 0, "%s", err.text);
    cr_assert_null(mr_journal_some(journal, 5, UINT32_MAX, &count), "it stays for good");
    cr_assert_not_null(mr_journal_some(journal, 11, UINT32_MAX, &count));
    mr_journal_close(journal);
}

/* Jobs beyond what is remembered: the oldest are forgotten, ids included, their blobs are gone. */
Test(many, jobs) {
    static const struct job_plan plan = {
        .rounds = 1, .partitions = 1, .splits = 1, .output = "/out/dir"};
    struct play play;
    struct actor client, worker;
    struct mr_buffer spec = spec_of(&plan);
    play_open(&play);
    play_start_master(&play);
    worker_open(&worker, &play, "w", 7, MR_CORE_DOES_BOTH, 4);
    worker.does_all = true;
    actor_open(&client, &play, MR_NET_CLIENT);
    for (uint32_t i = 0; i < MR_CORE_HISTORY + 10; i++) {
        char id[33];
        char number[16];
        snprintf(id, sizeof id, "%032x", i + 1);
        client.blob_count = 0;
        cr_assert_eq(client_submit(&client, id, &spec), i + 1);
        snprintf(number, sizeof number, "%u", i + 1);
        client_follow(&client, number);
        actor_expect(&client, MR_WIRE_ENDED);
    }
    struct mr_wire_ask_jobs ask = {NULL, 0};
    struct taken taken;
    actor_send(&client, MR_WIRE_ASK_JOBS, &ask);
    actor_take(&client, MR_WIRE_JOBS, &taken);
    cr_assert_eq(taken.is.jobs_.jobs_count, MR_CORE_HISTORY);
    cr_assert_eq(taken.is.jobs_.jobs[0].job, 11);
    taken_release(&taken);
    actor_close(&client);
    actor_close(&worker);
    play_stop_master(&play);
    play_start_master(&play); /* it is so after a restart, too */
    actor_open(&client, &play, MR_NET_CLIENT);
    actor_send(&client, MR_WIRE_ASK_JOBS, &ask);
    actor_take(&client, MR_WIRE_JOBS, &taken);
    cr_assert_eq(taken.is.jobs_.jobs_count, MR_CORE_HISTORY);
    cr_assert_str_eq(taken.is.jobs_.jobs[255].state, "done");
    taken_release(&taken);
    actor_close(&client);
    play_stop_master(&play);
    leave_one_more(&play);
    play_start_master(&play);
    play_stop_master(&play);
    expect_none_more(&play);
    play_close(&play);
    mr_buffer_fini(&spec);
}

/* Numbers are never used again, also where the job of the last one ended long before others did. */
Test(many, numbers) {
    static const struct job_plan plan = {
        .rounds = 1, .partitions = 1, .splits = 1, .output = "/out/dir"};
    enum { JOBS = MR_CORE_HISTORY + 2 };
    struct play play;
    struct actor client;
    struct mr_buffer spec = spec_of(&plan);
    char id[33];
    play_open(&play);
    play_start_master(&play);
    actor_open(&client, &play, MR_NET_CLIENT);
    for (uint32_t i = 1; i <= JOBS; i++) {
        snprintf(id, sizeof id, "%032x", i);
        client.blob_count = 0;
        cr_assert_eq(client_submit(&client, id, &spec), i);
    }
    for (uint32_t i = 0; i < JOBS; i++) { /* the last first */
        char number[16];
        struct mr_wire_cancel cancel = {number};
        snprintf(number, sizeof number, "%u", i ? i : JOBS);
        actor_send(&client, MR_WIRE_CANCEL, &cancel);
        actor_expect(&client, MR_WIRE_RESULT);
    }
    actor_sync(&client);
    actor_close(&client);
    play_stop_master(&play);
    play_start_master(&play);
    actor_open(&client, &play, MR_NET_CLIENT);
    cr_assert_eq(client_submit(&client, ID_A, &spec), JOBS + 1);
    actor_close(&client);
    play_close(&play);
    mr_buffer_fini(&spec);
}
