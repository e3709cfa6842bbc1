/* test_snapshot: the saved state is the state, and hostile bytes make no core that fails later. */
#include "tests/unit/master/core/shell.h"

/* A core with a bit of everything. */
static struct mr_core *busy_core(void) {
    struct mr_core *core = make_core();
    const uint32_t hosts[4 * MR_CORE_HOSTS_OF_TASK] = {0, 1, 2, 3};
    (void)answer(core, node_up(0, 3, MR_CORE_DOES_BOTH, 3));
    (void)answer(core, node_up(2, 1, MR_CORE_MAPS, 2));
    (void)answer(core, node_up(3, 1, MR_CORE_REDUCES, 2));
    struct mr_core_event event = submit(JOB, 4, 2);
    event.shape.hosts = hosts;
    event.is_early = true;
    (void)answer(core, event);
    (void)answer(core, submit(2, 5, 1));
    (void)answer(core, from(failed(MR_PHASE_MAP, 0, 1), 0, 3));
    (void)answer(core, from(done(MR_PHASE_MAP, 1, 1), 2, 1));
    (void)answer(core, of_node(MR_CORE_NODE_DRAIN, 2, 1));
    (void)answer(core, submit(3, 1, 1));
    event = of_job(MR_CORE_CANCEL, MR_ERR_INTERRUPTED);
    event.job = 3;
    (void)answer(core, event);
    return core;
}

Test(snapshot, a_loaded_core_goes_on_as_the_first) {
    struct mr_core *cores[2] = {busy_core(), NULL};
    cores[1] = reload(busy_core());
    uint64_t seed = 1;
    struct mr_error err = {0};
    for (unsigned n = 0; n < 300; n++) {
        struct mr_core_effects effects;
        cr_assert_eq(mr_core_outstanding(cores[0], &effects, &err), 0);
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        struct mr_core_event event = {.kind = MR_CORE_NODE_UP,
                                      .worker = {(uint32_t)(seed >> 60), n + 2},
                                      .host = MR_CORE_NONE,
                                      .roles = MR_CORE_DOES_BOTH,
                                      .slots = 1 + (uint32_t)(seed >> 40) % 3};
        if (effects.count > 0 && n % 8 > 0) {
            const struct mr_core_effect *one = &effects.items[(seed >> 33) % effects.count];
            event = (struct mr_core_event){
                .kind = MR_CORE_ATTEMPT_DONE, .worker = one->worker, .attempt = one->attempt};
            if (one->kind == MR_CORE_ROUND_DONE) {
                event = next_round(one->round, 3, 2);
                event.job = one->job;
            } else if (n % 5 == 0) {
                event.kind = MR_CORE_ATTEMPT_FAILED;
                event.status = MR_ERR_IO;
                event.is_uncounted = true;
            }
        }
        char first[4096];
        snprintf(first, sizeof first, "%s", answer(cores[0], event));
        cr_assert_str_eq(answer(cores[1], event), first, "event %u", n);
        uint64_t hashes[2];
        cr_assert_eq(mr_core_hash(cores[0], &hashes[0], &err), 0);
        cr_assert_eq(mr_core_hash(cores[1], &hashes[1], &err), 0);
        cr_assert_eq(hashes[0], hashes[1], "event %u", n);
        cores[1] = n % 3 ? cores[1] : reload(cores[1]);
    }
    mr_core_destroy(cores[0]);
    mr_core_destroy(cores[1]);
}

/* Whatever a core was loaded from, it answers events. */
static void use(struct mr_core *core) {
    struct mr_error err = {0};
    struct mr_core_effects effects;
    for (int kind = 0; kind < MR_CORE_EVENT_KINDS; kind++) {
        struct mr_core_event event = of_attempt((enum mr_core_event_kind)kind, MR_PHASE_MAP, 0, 1);
        event.job = JOB;
        err = (struct mr_error){0};
        (void)!mr_core_apply(core, &event, 1, &effects, &err);
    }
    err = (struct mr_error){0};
    cr_assert_eq(mr_core_outstanding(core, &effects, &err), 0);
}

Test(snapshot, damaged_bytes_are_refused_or_make_a_core_that_works) {
    struct mr_error err = {0};
    struct mr_core *core = busy_core();
    char *bytes = NULL;
    size_t len = 0;
    cr_assert_eq(mr_core_save(core, &bytes, &len, &err), 0);
    mr_core_destroy(core);
    unsigned refused = 0;
    for (size_t at = 0; at < len; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct mr_core *loaded = NULL;
            err = (struct mr_error){0};
            bytes[at] ^= (char)(1u << bit);
            if (mr_core_load(NULL, bytes, len, &loaded, &err)) {
                cr_assert_eq(err.code, MR_ERR_INPUT, "%s", err.text);
                refused++;
            } else {
                use(loaded);
                mr_core_destroy(loaded);
            }
            bytes[at] ^= (char)(1u << bit);
        }
    }
    cr_assert_gt(refused, len); /* lengths, ranges and invariants */
    for (size_t cut = 0; cut < len; cut++) {
        struct mr_core *loaded = NULL;
        err = (struct mr_error){0};
        cr_assert_eq(mr_core_load(NULL, bytes, cut, &loaded, &err), MR_ERR_INPUT, "cut at %zu",
                     cut);
    }
    free(bytes);
}
