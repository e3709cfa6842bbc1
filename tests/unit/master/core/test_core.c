/* test_core: every state answers every event, and what a job, a round and its effects go through.
 */
#include "tests/unit/master/core/shell.h"

/* A job of two maps and a reduce on a node of two slots, brought to a state. */
static struct mr_core *reach(enum place place) {
    struct mr_core *core = make_core();
    cr_assert_str_eq(answer(core, node_up(0, 1, MR_CORE_DOES_BOTH, 2)), "");
    if (place == NOTHING) {
        return core;
    }
    cr_assert_str_eq(answer(core, submit(JOB, 2, 1)), "SS");
    if (place == STOPPING) {
        cr_assert_str_eq(answer(core, of_job(MR_CORE_CANCEL, MR_ERR_INTERRUPTED)), "XXO");
        return core;
    }
    if (place >= REDUCING) {
        cr_assert_str_eq(answer(core, done(MR_PHASE_MAP, 0, 1)), "A");
        cr_assert_str_eq(answer(core, done(MR_PHASE_MAP, 1, 1)), "AMS");
    }
    if (place >= CLOSING) {
        cr_assert_str_eq(answer(core, done(MR_PHASE_REDUCE, 0, 1)), "AR");
    }
    if (place >= PUBLISHING) {
        cr_assert_str_eq(answer(core, last_round(0)), "P");
    }
    if (place == FINISHED) {
        cr_assert_str_eq(answer(core, of_job(MR_CORE_PUBLISHED, 0)), "OF");
    }
    return core;
}

/* One event of each kind, such that it fits some state. */
static struct mr_core_event sample(enum mr_core_event_kind kind) {
    switch (kind) {
    case MR_CORE_SUBMIT:
        return submit(JOB, 2, 1);
    case MR_CORE_ROUND_CLOSED:
        return next_round(0, 1, 1);
    case MR_CORE_ROUND_AGAIN:
        return round_again(1, 1, 1);
    case MR_CORE_CANCEL:
    case MR_CORE_ROUND_FAILED:
    case MR_CORE_PUBLISHED:
    case MR_CORE_PUBLISH_FAILED:
        return of_job(kind, MR_ERR_IO);
    case MR_CORE_NODE_UP:
        return node_up(1, 1, MR_CORE_MAPS, 1);
    case MR_CORE_OUTPUT_LOST: {
        struct mr_core_event event = of_attempt(kind, MR_PHASE_REDUCE, 0, 1);
        event.lost_attempt = 1;
        return event;
    }
    case MR_CORE_PART_LOST:
        return of_attempt(kind, MR_PHASE_REDUCE, 0, 1);
    default:
        return of_attempt(kind, MR_PHASE_MAP, 0, 1); /* the worker is in it too */
    }
}

Test(core, every_state_answers_every_event) {
    for (int place = 0; place < PLACES; place++) {
        for (int kind = 0; kind < MR_CORE_EVENT_KINDS; kind++) {
            struct mr_core *core = reload(reach((enum place)place));
            const char *got = answer(core, sample((enum mr_core_event_kind)kind));
            cr_assert_str_eq(got, answers[place][kind], "place %d, \"%s\": %s instead of %s", place,
                             mr_terms_event_name((enum mr_core_event_kind)kind), got,
                             answers[place][kind]);
            mr_core_destroy(reload(core));
        }
    }
}

Test(core, malformed_events_are_refused) {
    struct mr_core *core = reach(REDUCING);
    struct mr_core_event event = submit(7, 1, 0);
    cr_assert_str_eq(answer(core, event), "-"); /* no reduce task */
    event = submit(7, MR_CORE_TASKS_MAX + 1, 1);
    cr_assert_str_eq(answer(core, event), "-");
    event = submit(7, 1, 1);
    event.max_attempts = 0;
    cr_assert_str_eq(answer(core, event), "-");
    cr_assert_str_eq(answer(core, submit(0, 1, 1)), "-");
    cr_assert_str_eq(answer(core, node_up(1, 0, MR_CORE_MAPS, 1)), "-");
    cr_assert_str_eq(answer(core, node_up(1, 1, 0, 1)), "-");
    cr_assert_str_eq(answer(core, node_up(1, 1, MR_CORE_MAPS, 0)), "-");
    cr_assert_str_eq(answer(core, node_up(MR_CORE_NODES_MAX, 1, MR_CORE_MAPS, 1)), "-");
    cr_assert_str_eq(answer(core, of_job(MR_CORE_CANCEL, 0)), "-");
    cr_assert_str_eq(answer(core, of_attempt(MR_CORE_OUTPUT_LOST, MR_PHASE_MAP, 0, 1)), "-");
    event = failed(MR_PHASE_REDUCE, 0, 1);
    event.status = 0;
    cr_assert_str_eq(answer(core, event), "-");
    event = done((enum mr_phase)7, 0, 1);
    cr_assert_str_eq(answer(core, event), "-");
    event = (struct mr_core_event){.kind = MR_CORE_EVENT_KINDS};
    cr_assert_str_eq(answer(core, event), "-");
    cr_assert_str_eq(answer(core, done(MR_PHASE_REDUCE, 0, 1)), "AR"); /* nothing has changed */
    mr_core_destroy(core);
}

Test(core, rounds_follow_one_another_without_a_known_number) {
    struct mr_core *core = make_core();
    cr_assert_str_eq(answer(core, node_up(0, 1, MR_CORE_DOES_BOTH, 1)), "");
    cr_assert_str_eq(answer(core, submit(JOB, 1, 1)), "S");
    for (uint32_t round = 0; round < 1000; round++) {
        struct mr_core_event event = done(MR_PHASE_MAP, 0, 1);
        event.attempt.round = round;
        cr_assert_str_eq(answer(core, event), "AMS");
        event = done(MR_PHASE_REDUCE, 0, 1);
        event.attempt.round = round;
        cr_assert_str_eq(answer(core, event), "AR");
        cr_assert_eq(effect_of(MR_CORE_ROUND_DONE, 0).round, round);
        cr_assert_str_eq(answer(core, next_round(round, 1, 1)), "OS");
        cr_assert_str_eq(answer(core, next_round(round, 1, 1)), ""); /* said twice */
        cr_assert_str_eq(answer(core, event), "f");                  /* of a round that is closed */
    }
    cr_assert_eq(mr_core_job(core, JOB).round, 1000u);
    mr_core_destroy(reload(core));
}

Test(core, a_job_goes_on_with_a_later_round_in_the_place_of_one_that_cannot_be_done) {
    struct mr_core *core = reach(MAPPING);
    cr_assert_str_eq(answer(core, done(MR_PHASE_MAP, 0, 1)), "A");
    cr_assert_str_eq(answer(core, round_again(4, 2, 1)), "XOS");
    cr_assert_str_eq(answer(core, round_again(4, 2, 1)), ""); /* said twice */
    cr_assert_eq(mr_core_job(core, JOB).round, 4u);
    core = reload(core);
    cr_assert_str_eq(answer(core, done(MR_PHASE_MAP, 1, 1)), "fDS"); /* its slot is free now */
    cr_assert_str_eq(answer(core, done(MR_PHASE_MAP, 0, 1)), "f");   /* had won, in that round */
    for (uint32_t task = 0; task < 2; task++) {
        struct mr_core_event event = done(MR_PHASE_MAP, task, 1);
        event.attempt.round = 4;
        cr_assert_str_eq(answer(core, event), task ? "AMS" : "A");
    }
    struct mr_core_event event = done(MR_PHASE_REDUCE, 0, 1);
    event.attempt.round = 4;
    cr_assert_str_eq(answer(core, event), "AR");
    cr_assert_str_eq(answer(core, last_round(4)), "P");
    cr_assert_str_eq(answer(core, round_again(5, 0, 0)), ""); /* too late */
    mr_core_destroy(reload(core));
}

Test(core, a_round_without_maps_goes_straight_to_its_reduces) {
    struct mr_core *core = make_core();
    cr_assert_str_eq(answer(core, node_up(0, 1, MR_CORE_DOES_BOTH, 1)), "");
    cr_assert_str_eq(answer(core, submit(JOB, 0, 2)), "MS");
    mr_core_destroy(core);
}

Test(core, a_job_ends_once_with_its_status_and_is_remembered) {
    struct mr_core *core = reach(MAPPING);
    struct mr_core_event event = failed(MR_PHASE_MAP, 1, 1);
    event.is_fatal = true;
    event.status = MR_ERR_JOB;
    cr_assert_str_eq(answer(core, event), "fDXO");
    cr_assert_eq(mr_core_job(core, JOB).state, MR_CORE_JOB_STOPPING);
    cr_assert_str_eq(answer(core, done(MR_PHASE_MAP, 0, 1)), "fDF"); /* too late to count */
    struct mr_core_effect end = effect_of(MR_CORE_FINISHED, 0);
    cr_assert_eq(end.status, MR_ERR_JOB);
    cr_assert_eq(end.attempt.task, 1u);
    cr_assert_eq(end.attempt.attempt, 1u);
    core = reload(core);
    cr_assert_eq(mr_core_job(core, JOB).state, MR_CORE_JOB_FINISHED);
    cr_assert_eq(mr_core_job(core, JOB).status, MR_ERR_JOB);
    cr_assert_str_eq(answer(core, submit(JOB, 2, 1)), ""); /* it was submitted */
    cr_assert_eq(mr_core_job(core, 9).state, MR_CORE_JOB_UNKNOWN);
    cr_assert_eq(mr_core_node(core, 0).busy, 0u);
    mr_core_destroy(core);
}

Test(core, cancelling_comes_too_late_once_the_output_is_being_published) {
    struct mr_core *core = reach(PUBLISHING);
    cr_assert_str_eq(answer(core, of_job(MR_CORE_CANCEL, MR_ERR_INTERRUPTED)), "");
    cr_assert_str_eq(answer(core, of_job(MR_CORE_PUBLISHED, 0)), "OF");
    cr_assert_eq(effect_of(MR_CORE_FINISHED, 0).status, 0);
    mr_core_destroy(core);
}

/* Letters of what is outstanding. */
static const char *outstanding(struct mr_core *core) {
    static char text[64];
    struct mr_core_effects effects;
    struct mr_error err = {0};
    cr_assert_eq(mr_core_outstanding(core, &effects, &err), 0);
    for (size_t i = 0; i < effects.count; i++) {
        text[i] = letter_of(&effects.items[i]);
    }
    text[effects.count] = '\0';
    return text;
}

Test(core, lost_effects_are_listed_again) {
    static const char *const wanted[PLACES] = {"", "SS", "S", "R", "P", "XX", ""};
    for (int place = 0; place < PLACES; place++) {
        struct mr_core *core = reach((enum place)place);
        cr_assert_str_eq(outstanding(core), wanted[place], "place %d", place);
        core = reload(core);
        cr_assert_str_eq(outstanding(core), wanted[place], "place %d, loaded", place);
        mr_core_destroy(core);
    }
}

Test(core, the_time_touches_nothing_durable) {
    uint64_t hashes[2];
    struct mr_error err = {0};
    for (int i = 0; i < 2; i++) {
        struct mr_core *core = make_core();
        clock_ms = i ? 5 : UINT64_MAX / 2;
        (void)answer(core, node_up(0, 1, MR_CORE_DOES_BOTH, 2));
        (void)answer(core, submit(JOB, 3, 1));
        clock_ms += i ? 900000 : 1;
        (void)answer(core, of_attempt(MR_CORE_TICK, MR_PHASE_MAP, 0, 1));
        (void)answer(core, done(MR_PHASE_MAP, 0, 1));
        struct mr_core_event progress = of_attempt(MR_CORE_PROGRESS, MR_PHASE_MAP, 1, 1);
        progress.permille = (uint32_t)i * 500;
        (void)answer(core, progress);
        cr_assert_eq(mr_core_hash(core, &hashes[i], &err), 0);
        mr_core_destroy(core);
    }
    cr_assert_eq(hashes[0], hashes[1]);
}

Test(core, names_are_the_tables) {
    cr_assert_str_eq(mr_terms_event_name(MR_CORE_OUTPUT_LOST), "output lost");
    cr_assert_str_eq(mr_terms_effect_name(MR_CORE_WAKE_AT), "wake at");
    cr_assert(mr_terms_event_is_durable(MR_CORE_BACKUP));
    cr_assert_not(mr_terms_event_is_durable(MR_CORE_TICK));
    cr_assert_gt(strlen(mr_terms_news_words(MR_CORE_TELL_NOT_DETERMINISTIC)), 0u);
}
