/* test_epochs: which journal a worker saw: this one, an old copy of it, or one that it can't tell.
 */
#include "master/shell/epochs.h"

#include "lib/base/error.h"
#include "tests/unit/master/journal/scratch.h"

/* A start of a master on the journal in `name`. */
struct start {
    struct mr_journal *journal;
    struct mr_epochs epochs;
};

static void begin(struct start *start, const char *name) {
    struct mr_error err = {0};
    cr_assert_eq(mr_journal_open(in_scratch(name), MR_JOURNAL_BEGIN, &start->journal, &err), 0);
    cr_assert_eq(mr_epochs_begin(&start->epochs, start->journal, &err), 0);
    cr_assert_eq(mr_journal_commit(start->journal, &err), 0, "%s", err.text);
}

static void grow(const struct start *start, unsigned entries) {
    struct mr_error err = {0};
    for (unsigned i = 0; i < entries; i++) {
        cr_assert_eq(mr_journal_put(start->journal, 1, 1, i, "x", 1, &err), 0);
    }
    cr_assert_eq(mr_journal_commit(start->journal, &err), 0);
}

/* What a worker remembers that is taken in now. */
static struct mr_epochs_seen tell(struct start *start) {
    struct mr_error err = {0};
    cr_assert_eq(mr_epochs_note(&start->epochs, start->journal, &err), 0);
    cr_assert_eq(mr_journal_commit(start->journal, &err), 0);
    return (struct mr_epochs_seen){start->epochs.number, start->epochs.random,
                                   mr_journal_stats(start->journal).sequence};
}

static void expect(const struct start *start, struct mr_epochs_seen seen, const char *words) {
    struct mr_error why = {0};
    cr_assert_eq(mr_epochs_fits(start->journal, &seen, &why), words == NULL, "%s", why.text);
    cr_assert(!words || strstr(why.text, words), "%s", why.text);
}

Test(epochs, goes_on) {
    struct start start;
    struct mr_epochs_seen seen[4];
    make_scratch();
    for (unsigned i = 0; i < 4; i++) {
        begin(&start, "state");
        cr_assert_eq(start.epochs.number, i + 1);
        expect(&start, (struct mr_epochs_seen){0}, NULL);
        for (unsigned before = 0; before < i; before++) {
            expect(&start, seen[before], NULL);
            seen[before].random++;
            expect(&start, seen[before], "it knows nothing of that start");
            seen[before].random--;
        }
        grow(&start, 3);
        seen[i] = tell(&start);
        expect(&start, seen[i], NULL);
        mr_journal_close(start.journal);
    }
    remove_scratch();
}

/* However far the copy has grown, and however often it was started since, with workers or not. */
Test(epochs, older_copy) {
    struct start start;
    make_scratch();
    begin(&start, "state");
    struct mr_epochs_seen early = tell(&start);
    mr_journal_close(start.journal);
    char copy[512];
    snprintf(copy, sizeof copy, "%s", in_scratch("copy"));
    copy_journal(in_scratch("state"), copy);
    begin(&start, "state");
    grow(&start, 20);
    struct mr_epochs_seen late = tell(&start);
    mr_journal_close(start.journal);
    struct mr_epochs_seen middle = {early.number, early.random, early.sequence + 1};
    for (unsigned i = 0; i < 5; i++) {
        begin(&start, "copy");
        grow(&start, 100);
        expect(&start, early, NULL);
        expect(&start, middle, "the next start began with its entry 3)");
        expect(&start, late, "it knows nothing of that start");
        if (i > 2) {
            (void)tell(&start);
            expect(&start, late, "it knows nothing of that start");
        }
        mr_journal_close(start.journal);
    }
    remove_scratch();
}

/* Starts without workers push out nothing; what is pushed out is refused, in words of its own. */
Test(epochs, are_bounded) {
    struct start start;
    struct mr_epochs_seen seen;
    struct mr_error err = {0};
    make_scratch();
    for (unsigned i = 0; i < 10; i++) {
        begin(&start, "state");
        if (i == 0) {
            seen = tell(&start);
        }
        expect(&start, seen, NULL);
        mr_journal_close(start.journal);
    }
    begin(&start, "state");
    for (uint64_t i = 0; i < MR_EPOCHS_MAX; i++) {
        struct mr_epochs other = {.number = 100 + i, .random = i};
        cr_assert_eq(mr_epochs_note(&other, start.journal, &err), 0);
        cr_assert_eq(mr_epochs_note(&other, start.journal, &err), 0);
        if (i + 1 < MR_EPOCHS_MAX) {
            expect(&start, seen, NULL);
        }
    }
    expect(&start, seen, "can't tell any more");
    expect(&start, (struct mr_epochs_seen){100, 0, 5}, NULL);
    expect(&start, (struct mr_epochs_seen){99, 0, 5}, "can't tell any more");
    mr_journal_close(start.journal);
    remove_scratch();
}

/* A snapshot takes the place of the entries: what is known of starts stays. */
Test(epochs, outlive_compaction) {
    struct start start;
    make_scratch();
    begin(&start, "state");
    struct mr_epochs_seen seen = tell(&start);
    mr_journal_close(start.journal);
    char *bytes = calloc(1, (size_t)1 << 20);
    struct mr_error err = {0};
    for (unsigned i = 0; i < 3; i++) {
        begin(&start, "state");
        for (unsigned at = 0; at < 3; at++) {
            cr_assert_eq(mr_journal_put(start.journal, 1, 2, 0, bytes, (size_t)1 << 20, &err), 0);
            cr_assert_eq(mr_journal_commit(start.journal, &err), 0);
        }
        expect(&start, seen, NULL);
        seen.sequence += 2; /* the entry with which the next start began */
        expect(&start, seen, "the next start began with its entry 3)");
        seen.sequence -= 2;
        mr_journal_close(start.journal);
    }
    free(bytes);
    remove_scratch();
}
