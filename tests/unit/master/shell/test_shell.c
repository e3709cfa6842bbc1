/* test_shell: the master: jobs from their submission to their end. */
#include "play.h"

static const struct job_plan plain = {
    .rounds = 1, .partitions = 1, .splits = 3, .output = "/out/dir"};

/* A job is submitted, run, published; the client hears of it all. */
Test(shell, job) {
    struct play play;
    struct actor client, mapper, reducer;
    struct mr_buffer spec = spec_of(&plain);
    struct taken taken;
    play_open(&play);
    play_start_master(&play);
    actor_open(&client, &play, MR_NET_CLIENT);
    cr_assert_eq(client_submit(&client, ID_A, &spec), 1);
    client_follow(&client, "1");
    worker_open(&mapper, &play, "m", 7, MR_CORE_MAPS, 2);
    worker_open(&reducer, &play, "r", 8, MR_CORE_REDUCES, 1);
    mapper.does_all = reducer.does_all = true;
    /* What was started before they did anything by themselves. */
    for (int i = 0; i < 2; i++) {
        struct mr_wire_start start = actor_start(&mapper);
        cr_assert_eq(start.phase, MR_PHASE_MAP);
        actor_work(&mapper, &start);
    }
    struct mr_wire_start start = actor_start(&reducer);
    cr_assert_eq(start.phase, MR_PHASE_REDUCE);
    cr_assert_eq(start.is_last, 1);
    actor_take(&reducer, MR_WIRE_JOB, &taken);
    cr_assert_str_eq(taken.is.job_.id, ID_A);
    taken_release(&taken);
    actor_work(&reducer, &start);
    actor_take(&client, MR_WIRE_ENDED, &taken);
    cr_assert_eq(taken.is.ended_.jobs[0].status, 0);
    cr_assert_str_eq(taken.is.ended_.jobs[0].state, "done");
    cr_assert_neq(taken.is.ended_.manifest_high, 0);
    struct mr_wire_want want = {taken.is.ended_.manifest_high, taken.is.ended_.manifest_low};
    taken_release(&taken);
    actor_send(&client, MR_WIRE_WANT, &want);
    actor_take(&client, MR_WIRE_BLOB, &taken);
    cr_assert_gt(taken.heard->piece.len, 10);
    taken_release(&taken);
    actor_take(&reducer, MR_WIRE_FORGET, &taken);
    cr_assert_str_eq(taken.is.forget_.id, ID_A);
    taken_release(&taken);
    actor_close(&client);
    actor_close(&mapper);
    actor_close(&reducer);
    play_close(&play);
    mr_buffer_fini(&spec);
}
