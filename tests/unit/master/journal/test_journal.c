/* test_journal: what was committed is there again, state, facts and epoch; damage is told. */
#include "master/journal/journal.h"

#include "tests/unit/master/journal/scratch.h"

static struct mr_journal *open_journal(const char *dir) {
    struct mr_journal *journal = NULL;
    struct mr_error err = {0};
    cr_assert_eq(mr_journal_open(dir, MR_JOURNAL_RUN, &journal, &err), 0, "%s", err.text);
    return journal;
}

static void apply(struct mr_journal *journal, struct mr_core_event event) {
    struct mr_core_effects effects;
    struct mr_error err = {0};
    cr_assert_eq(mr_journal_apply(journal, &event, 5, &effects, &err), 0, "%s", err.text);
}

static void commit(struct mr_journal *journal) {
    struct mr_error err = {0};
    cr_assert_eq(mr_journal_commit(journal, &err), 0, "%s", err.text);
}

static void put(struct mr_journal *journal, uint32_t kind, uint64_t key, const char *text) {
    struct mr_error err = {0};
    cr_assert_eq(mr_journal_put(journal, 1, kind, key, text, text ? strlen(text) : 0, &err), 0);
}

static const char *fact(const struct mr_journal *journal, uint32_t kind, uint64_t key) {
    const struct mr_fact *found = mr_journal_find(journal, 1, kind, key);
    return found ? found->bytes : "-";
}

static uint64_t hash_of(struct mr_journal *journal) {
    uint64_t hash;
    struct mr_error err = {0};
    cr_assert_eq(mr_core_hash(mr_journal_core(journal), &hash, &err), 0);
    return hash;
}

static struct mr_core_event submit(uint32_t job) {
    return (struct mr_core_event){
        .kind = MR_CORE_SUBMIT, .job = job, .shape = {3, 2, NULL}, .max_attempts = 4};
}

static struct mr_core_event up(uint64_t incarnation) {
    return (struct mr_core_event){.kind = MR_CORE_NODE_UP,
                                  .worker = {0, incarnation},
                                  .host = MR_CORE_NONE,
                                  .roles = MR_CORE_DOES_BOTH,
                                  .slots = 2};
}

static struct mr_core_event done(uint32_t job, enum mr_phase phase, uint32_t task) {
    return (struct mr_core_event){.kind = MR_CORE_ATTEMPT_DONE,
                                  .worker = {0, 1},
                                  .attempt = {job, 0, phase, task, 1},
                                  .digest = task};
}

Test(journal, state_and_facts_come_back) {
    make_scratch();
    const char *dir = in_scratch("state");
    struct mr_journal *journal = open_journal(dir);
    cr_assert_eq(mr_journal_epoch(journal), 1u);
    apply(journal, up(1));
    apply(journal, submit(1));
    put(journal, 2, 7, "seven");
    put(journal, 2, 7, "eight");
    put(journal, 1, UINT64_MAX, "");
    put(journal, 3, 1, "gone");
    put(journal, 3, 1, NULL);
    commit(journal);
    apply(journal, done(1, MR_PHASE_MAP, 0));
    commit(journal);
    uint64_t hash = hash_of(journal);
    apply(journal, done(1, MR_PHASE_MAP, 1)); /* never committed: it did not happen */
    put(journal, 2, 7, "nine");
    mr_journal_close(journal);

    journal = open_journal(dir);
    cr_assert_eq(mr_journal_epoch(journal), 2u);
    cr_assert_eq(hash_of(journal), hash);
    cr_assert_eq(mr_core_job(mr_journal_core(journal), 1).maps_open, 2u);
    cr_assert_str_eq(fact(journal, 2, 7), "eight");
    cr_assert_str_eq(fact(journal, 1, UINT64_MAX), "");
    cr_assert_str_eq(fact(journal, 3, 1), "-");
    struct mr_journal_stats stats = mr_journal_stats(journal);
    cr_assert_eq(stats.events, 3u);
    cr_assert_gt(stats.comparisons, 0u);
    mr_journal_close(journal);
    mr_journal_close(NULL);
    remove_scratch();
}

Test(journal, refused_and_volatile_events_are_not_kept) {
    make_scratch();
    const char *dir = in_scratch("state");
    struct mr_journal *journal = open_journal(dir);
    struct mr_core_effects effects;
    struct mr_error err = {0};
    uint64_t before = mr_journal_stats(journal).sequence;
    struct mr_core_event closed = {.kind = MR_CORE_ROUND_CLOSED, .job = 9};
    cr_assert_eq(mr_journal_apply(journal, &closed, 5, &effects, &err), MR_ERR_INTERNAL);
    err = (struct mr_error){0};
    closed.kind = MR_CORE_EVENT_KINDS;
    cr_assert_eq(mr_journal_apply(journal, &closed, 5, &effects, &err), MR_ERR_INTERNAL);
    apply(journal, (struct mr_core_event){.kind = MR_CORE_TICK});
    cr_assert_eq(mr_journal_stats(journal).sequence, before);
    apply(journal, up(1)); /* it goes on after a refusal */
    cr_assert_eq(mr_journal_stats(journal).sequence, before + 1);
    commit(journal);
    mr_journal_close(journal);
    mr_journal_close(open_journal(dir));
    remove_scratch();
}

Test(journal, many_events_one_transaction) {
    make_scratch();
    struct mr_journal *journal = open_journal(in_scratch("state"));
    uint64_t before = mr_journal_stats(journal).transactions;
    for (uint32_t job = 1; job <= 500; job++) {
        apply(journal, submit(job));
    }
    commit(journal);
    commit(journal); /* nothing gathered: nothing is written */
    cr_assert_eq(mr_journal_stats(journal).transactions, before + 1);
    /* While one is on its way, the next gathers. */
    apply(journal, submit(501));
    cr_assert(mr_journal_seal(journal));
    apply(journal, submit(502));
    cr_assert(!mr_journal_seal(journal));
    struct mr_error flushed = {0};
    struct mr_error err = {0};
    cr_assert_eq(mr_journal_commit(journal, &err), MR_ERR_INTERNAL, "502 would not be on disk");
    err = (struct mr_error){0};
    cr_assert_eq(mr_journal_flush(journal, &flushed), 0);
    cr_assert_eq(mr_journal_settle(journal, &flushed, &err), 0);
    cr_assert(mr_journal_seal(journal));
    cr_assert_eq(mr_journal_flush(journal, &flushed), 0);
    cr_assert_eq(mr_journal_settle(journal, &flushed, &err), 0);
    mr_journal_close(journal);
    journal = open_journal(in_scratch("state"));
    cr_assert_eq(mr_core_job(mr_journal_core(journal), 502).state, MR_CORE_JOB_RUNNING);
    mr_journal_close(journal);
    remove_scratch();
}

/* Facts make the log long: snapshots are written, what is old is removed, and all is there. */
Test(journal, compaction_keeps_everything) {
    make_scratch();
    const char *dir = in_scratch("state");
    struct mr_journal *journal = open_journal(dir);
    char *long_text = calloc(1, 200001);
    memset(long_text, 'x', 200000);
    apply(journal, up(1));
    apply(journal, submit(1));
    for (uint64_t n = 0; n < 60; n++) {
        long_text[0] = (char)('a' + n % 26);
        put(journal, 2, n % 3, long_text);
        if (n < 3) {
            apply(journal, done(1, MR_PHASE_MAP, (uint32_t)n));
        }
        commit(journal);
        if (n % 20 == 19) {
            uint64_t hash = hash_of(journal);
            mr_journal_close(journal);
            journal = open_journal(dir);
            cr_assert_eq(hash_of(journal), hash);
        }
    }
    struct mr_journal_stats stats = mr_journal_stats(journal);
    cr_assert_lt(stats.entries, 30u, "%llu replayed", (unsigned long long)stats.entries);
    cr_assert_lt(stats.bytes, 8000000u, "%llu bytes", (unsigned long long)stats.bytes);
    cr_assert_geq(stats.comparisons, 3u);
    cr_assert_eq(stats.epoch, 4u);
    cr_assert_eq(fact(journal, 2, 2)[0], 'a' + 59 % 26);
    cr_assert_eq(fact(journal, 2, 1)[0], 'a' + 58 % 26);
    cr_assert_eq(mr_core_job(mr_journal_core(journal), 1).maps_open, 0u);
    struct mr_error err = {0};
    cr_assert_eq(mr_journal_forget(journal, 1, UINT32_MAX, &err), 0);
    commit(journal);
    mr_journal_close(journal);
    journal = open_journal(dir);
    cr_assert_str_eq(fact(journal, 2, 1), "-");
    mr_journal_close(journal);
    free(long_text);
    remove_scratch();
}

/* A journal as a crash leaves it, its write-ahead log not yet in the file. */
static void make_crashed(char *dir, size_t size) {
    struct mr_journal *journal = open_journal(in_scratch("living"));
    apply(journal, up(1));
    apply(journal, submit(1));
    put(journal, 2, 7, "seven");
    commit(journal);
    apply(journal, done(1, MR_PHASE_MAP, 0));
    put(journal, 2, 8, "eight");
    commit(journal);
    snprintf(dir, size, "%s", in_scratch("crashed"));
    char living[512];
    snprintf(living, sizeof living, "%s", in_scratch("living"));
    copy_journal(living, dir);
    mr_journal_close(journal);
}

Test(journal, after_a_crash) {
    char dir[512];
    make_scratch();
    make_crashed(dir, sizeof dir);
    struct mr_journal *journal = open_journal(dir);
    cr_assert_eq(mr_core_job(mr_journal_core(journal), 1).maps_open, 2u);
    cr_assert_str_eq(fact(journal, 2, 8), "eight");
    mr_journal_close(journal);
    remove_scratch();
}

static size_t write_sealed(struct mr_journal *journal) {
    struct mr_error flushed = {0};
    struct mr_error err = {0};
    cr_assert(mr_journal_seal(journal));
    size_t bytes = mr_journal_sealed_bytes(journal);
    (void)!mr_journal_flush(journal, &flushed);
    cr_assert_eq(mr_journal_settle(journal, &flushed, &err), 0, "%s", err.text);
    cr_assert_eq(mr_journal_sealed_bytes(journal), 0u);
    return bytes;
}

/* Who writes in a hurry asks how much it is before: a snapshot with all facts may be among it. */
Test(journal, says_how_much_it_will_write) {
    static char text[100000];
    make_scratch();
    struct mr_journal *journal = open_journal(in_scratch("bytes"));
    struct mr_error err = {0};
    size_t least = SIZE_MAX;
    size_t most = 0;
    cr_assert_not(mr_journal_seal(journal));
    for (uint64_t i = 0; i < 15; i++) {
        cr_assert_eq(mr_journal_put(journal, 2, 7, i, text, sizeof text, &err), 0, "%s", err.text);
        size_t bytes = write_sealed(journal);
        least = bytes < least ? bytes : least;
        most = bytes > most ? bytes : most;
    }
    cr_assert(least >= sizeof text && least < 2 * sizeof text, "%zu", least);
    cr_assert_gt(most, (size_t)1 << 20);
    mr_journal_close(journal);
    remove_scratch();
}

/* Looking takes no epoch and can't write. */
Test(journal, looking) {
    char dir[512];
    make_scratch();
    make_crashed(dir, sizeof dir);
    struct mr_error err = {0};
    for (int i = 0; i < 2; i++) {
        struct mr_journal *journal = NULL;
        cr_assert_eq(mr_journal_open(dir, MR_JOURNAL_LOOK, &journal, &err), 0, "%s", err.text);
        cr_assert_eq(mr_journal_epoch(journal), 1u);
        size_t count;
        (void)mr_journal_facts(journal, &count);
        cr_assert_eq(count, 2u);
        cr_assert_eq(mr_journal_put(journal, 1, 1, 1, "", 0, &(struct mr_error){0}),
                     MR_ERR_INTERNAL);
        mr_journal_close(journal);
    }
    struct mr_journal *none = NULL;
    cr_assert_eq(mr_journal_open(in_scratch("none"), MR_JOURNAL_LOOK, &none, &err), MR_ERR_INPUT);
    cr_assert_neq(access(in_scratch("none"), F_OK), 0);
    remove_scratch();
}

/* Each byte of a journal flipped, in the file and in its write-ahead log: what opens tells the
 * whole truth, or a state that was committed before (a broken end of the log is one that was never
 * written), and all else is refused in words. */
static void flip_each(const char *dir, const char *name, size_t step) {
    char path[1100];
    char copy[512];
    size_t len;
    unsigned refused = 0;
    unsigned before = 0;
    unsigned whole = 0;
    snprintf(copy, sizeof copy, "%s", in_scratch("flipped"));
    copy_journal(dir, copy);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    unsigned char *bytes = slurp(path, &len);
    for (size_t at = 0; at < len; at += step) {
        struct mr_journal *journal = NULL;
        struct mr_error err = {0};
        copy_journal(dir, copy);
        bytes[at] ^= (unsigned char)(1u << at % 8);
        snprintf(path, sizeof path, "%s/%s", copy, name);
        spit(path, bytes, len);
        bytes[at] ^= (unsigned char)(1u << at % 8);
        if (mr_journal_open(copy, MR_JOURNAL_LOOK, &journal, &err)) {
            cr_assert(err.code == MR_ERR_INPUT || err.code == MR_ERR_IO, "byte %zu: %s", at,
                      err.text);
            refused++;
            continue;
        }
        uint32_t open = mr_core_job(mr_journal_core(journal), 1).maps_open;
        const char *eight = fact(journal, 2, 8);
        if (open == 2) {
            cr_assert_str_eq(eight, "eight", "byte %zu", at);
            cr_assert_str_eq(fact(journal, 2, 7), "seven", "byte %zu", at);
            whole++;
        } else {
            cr_assert_str_eq(name, "journal.db-wal", "byte %zu", at);
            cr_assert_str_eq(eight, "-", "byte %zu", at);
            before++;
        }
        mr_journal_close(journal);
    }
    printf("%s: %zu bytes: %u refused, %u an earlier state, %u harmless\n", name, len, refused,
           before, whole);
    cr_assert_gt(refused + before, 20u);
    cr_assert(whole > 0 || strcmp(name, "journal.db-wal") == 0);
    free(bytes);
}

Test(journal, a_flipped_byte_of_the_log) {
    char dir[512];
    make_scratch();
    make_crashed(dir, sizeof dir);
    flip_each(dir, "journal.db-wal", MR_TEST_FEWER(131, 523));
    remove_scratch();
}

Test(journal, a_flipped_byte_of_the_file) {
    make_scratch();
    char dir[512];
    make_crashed(dir, sizeof dir);
    mr_journal_close(open_journal(dir)); /* everything is in the file now */
    flip_each(dir, "journal.db", MR_TEST_FEWER(7, 29));
    remove_scratch();
}

/* The log's last page torn: its first k sectors are there. */
Test(journal, a_torn_last_page) {
    char dir[512];
    char torn[512];
    size_t len;
    make_scratch();
    make_crashed(dir, sizeof dir);
    snprintf(torn, sizeof torn, "%s", in_scratch("torn"));
    copy_journal(dir, torn);
    unsigned char *bytes = slurp(in_scratch("crashed/journal.db-wal"), &len);
    unsigned states[2] = {0, 0};
    for (size_t k = 0; k <= 8; k++) {
        copy_journal(dir, torn);
        unsigned char *cut = calloc(1, len);
        memcpy(cut, bytes, len - 4096 + 512 * k);
        spit(in_scratch("torn/journal.db-wal"), cut, len);
        free(cut);
        /* That it was on disk, nothing tells: else it would be damage. */
        cr_assert_eq(unlink(in_scratch("torn/journal.db-last")), 0);
        struct mr_journal *journal = open_journal(torn);
        uint32_t open = mr_core_job(mr_journal_core(journal), 1).maps_open;
        cr_assert(open == 2 || open == 3);
        cr_assert_str_eq(fact(journal, 2, 8), open == 2 ? "eight" : "-");
        cr_assert_str_eq(fact(journal, 2, 7), "seven");
        states[open == 2]++;
        mr_journal_close(journal);
    }
    cr_assert_gt(states[0], 0u);
    cr_assert_gt(states[1], 0u);
    free(bytes);
    remove_scratch();
}
