/* epochs: the starts of this journal that workers saw, so that a worker notices another journal. */
#include "master/shell/epochs.h"

#include "lib/base/error.h"
#include "master/shell/notes.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

/* The numbers of a fact. */
enum { RANDOM, END, NUMBERS }; /* END: the entry with which a later start began; 0: none yet */

static const struct mr_fact *all(const struct mr_journal *journal, size_t *count) {
    return mr_notes_first(journal, 0, MR_NOTES_START, count);
}

int mr_epochs_begin(struct mr_epochs *epochs, struct mr_journal *journal, struct mr_error *err) {
    const struct mr_journal_stats stats =
        mr_journal_stats(journal); /* its last entry is the boot */
    uint64_t numbers[NUMBERS];
    size_t count;
    const struct mr_fact *facts = all(journal, &count);
    *epochs = (struct mr_epochs){.number = stats.epoch};
    if (getrandom(&epochs->random, sizeof epochs->random, 0) != (ssize_t)sizeof epochs->random) {
        return mr_error_errno(err, MR_ERR_IO, errno, "make a random number");
    }
    uint64_t last = count ? facts[count - 1].key : 0; /* those before it have ended already */
    if (count && mr_notes_get_numbers(journal, 0, MR_NOTES_START, last, numbers, NUMBERS) &&
        numbers[END] == 0) {
        numbers[END] = stats.sequence;
        return mr_notes_put_numbers(journal, 0, MR_NOTES_START, last, numbers, NUMBERS, err);
    }
    return MR_OK;
}

int mr_epochs_note(struct mr_epochs *epochs, struct mr_journal *journal, struct mr_error *err) {
    const uint64_t numbers[NUMBERS] = {[RANDOM] = epochs->random, [END] = 0};
    size_t count;
    const struct mr_fact *facts = all(journal, &count);
    if (epochs->is_noted) {
        return MR_OK;
    }
    if (count >= MR_EPOCHS_MAX &&
        mr_journal_put(journal, 0, MR_NOTES_START, facts[0].key, NULL, 0, err)) {
        return err->code;
    }
    epochs->is_noted = true;
    return mr_notes_put_numbers(journal, 0, MR_NOTES_START, epochs->number, numbers, NUMBERS, err);
}

static bool refuse(const struct mr_epochs_seen *seen, const char *how, struct mr_error *why) {
    mr_error_set(why, MR_ERR_CLUSTER,
                 "the master's journal is older (%s) than what this worker saw acknowledged (start "
                 "%" PRIu64 ", entry %" PRIu64
                 "): restore the right one, or give --accept-older-journal",
                 how, seen->number, seen->sequence);
    return false;
}

bool mr_epochs_fits(const struct mr_journal *journal, const struct mr_epochs_seen *seen,
                    struct mr_error *why) {
    uint64_t numbers[NUMBERS];
    char how[96];
    size_t count;
    const struct mr_fact *facts = all(journal, &count);
    if (seen->number == 0) {
        return true;
    }
    if (count >= MR_EPOCHS_MAX && seen->number < facts[0].key) {
        mr_error_set(why, MR_ERR_CLUSTER,
                     "this worker was here last at start %" PRIu64 ", and of starts before %" PRIu64
                     " the master's journal can't tell any more whether they were its own: give "
                     "--accept-older-journal",
                     seen->number, facts[0].key);
        return false;
    }
    if (!mr_notes_get_numbers(journal, 0, MR_NOTES_START, seen->number, numbers, NUMBERS) ||
        numbers[RANDOM] != seen->random) {
        return refuse(seen, "it knows nothing of that start", why);
    }
    if (numbers[END] && seen->sequence >= numbers[END]) {
        snprintf(how, sizeof how, "the next start began with its entry %" PRIu64, numbers[END]);
        return refuse(seen, how, why);
    }
    return true;
}
