/* epochs: the starts of this journal that workers saw, so that a worker notices another journal.
 *
 * An old copy of a journal that is put back goes on under the same numbers as what it replaces. So
 * each start has a random number besides, of which it tells the workers that it takes in, and which
 * is a fact from then on; the next start notes with which entry it began. A worker says what it saw
 * last: epoch, random number, entry. That fits where the journal knows the number, and the entry
 * lies before the one with which the next start began. In a copy that was put back either the
 * number is missing, or its own next start began at or before that entry: however far it has grown
 * since.
 *
 * A start that took in no worker leaves no fact, so that one that fails again and again pushes out
 * nothing. Of the others MR_EPOCHS_MAX are kept, the latest. A worker that was here before all of
 * them can't be told from one of another journal, and is refused too. */
#ifndef MR_SHELL_EPOCHS_H
#define MR_SHELL_EPOCHS_H

#include "master/journal/journal.h"

#define MR_EPOCHS_MAX 1024u

/* Of this start. */
struct mr_epochs {
    uint64_t number;
    uint64_t random;
    bool is_noted;
};

/* Begins with a journal opened by MR_JOURNAL_BEGIN, before anything else is applied: gathers, for
 * the transaction of the boot, that the start before has ended. */
MR_MUST_USE int mr_epochs_begin(struct mr_epochs *epochs, struct mr_journal *journal,
                                struct mr_error *err);

/* A worker is to be told of this start, when that is durable: gathers it as a fact. */
MR_MUST_USE int mr_epochs_note(struct mr_epochs *epochs, struct mr_journal *journal,
                               struct mr_error *err);

/* What a worker saw last; epoch 0: nothing yet. */
struct mr_epochs_seen {
    uint64_t number;
    uint64_t random;
    uint64_t sequence;
};

/* Whether it was of this journal; false: the sentence says why not, the same one each time. */
bool mr_epochs_fits(const struct mr_journal *journal, const struct mr_epochs_seen *seen,
                    struct mr_error *why);

#endif
