/* history: the jobs that ended last. */
#include "master/shell/history.h"

#include "lib/base/error.h"
#include "master/shell/notes.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void destroy(struct mr_history_row *ended) {
    if (ended) {
        free(ended->label);
        free(ended->why);
        free(ended);
    }
}

void mr_history_fini(struct mr_history *history) {
    for (size_t i = 0; i < history->count; i++) {
        destroy(history->rows[i]);
    }
    *history = (struct mr_history){0};
}

struct mr_history_row *mr_history_find(const struct mr_history *history, uint32_t number) {
    for (size_t i = 0; i < history->count; i++) {
        if (history->rows[i]->number == number) {
            return history->rows[i];
        }
    }
    return NULL;
}

struct mr_history_row *mr_history_find_id(const struct mr_history *history, const char *id) {
    for (size_t i = 0; i < history->count; i++) {
        if (strcmp(history->rows[i]->id, id) == 0) {
            return history->rows[i];
        }
    }
    return NULL;
}

static int fill(struct mr_history_row *ended, const struct mr_journal *journal,
                struct mr_error *err) {
    uint32_t number = ended->number;
    uint64_t times[2] = {0, 0};
    uint64_t sum[3] = {0};
    uint64_t manifest[6] = {0};
    uint64_t log[7] = {0};
    const char *id = mr_notes_text(journal, number, MR_NOTES_ID, 0);
    const char *label = mr_notes_text(journal, number, MR_NOTES_LABEL, 0);
    struct mr_error why = {.code = MR_ERR_INTERNAL};
    (void)mr_notes_get_error(journal, number, MR_NOTES_END, &why);
    snprintf(ended->id, sizeof ended->id, "%s", id ? id : "");
    ended->label = strdup(label ? label : "");
    ended->why = strdup(why.text);
    ended->status = why.code;
    if (mr_notes_get_numbers(journal, number, MR_NOTES_TIMES, 0, times, 2)) {
        ended->submitted_wall_ms = times[0];
        ended->ended_wall_ms = times[1];
    }
    (void)mr_notes_get_numbers(journal, number, MR_NOTES_LAST, 0, &ended->last.rounds,
                               sizeof ended->last / sizeof ended->last.rounds);
    if (mr_notes_get_numbers(journal, number, MR_NOTES_SUM, 0, sum, 3)) {
        ended->records = sum[0];
        ended->skipped = sum[1];
        ended->input_bytes = sum[2];
    }
    if (mr_notes_get_numbers(journal, number, MR_NOTES_MANIFEST, 0, manifest, 6)) {
        ended->manifest = (struct mr_hash_128){manifest[0], manifest[1]};
    }
    if (mr_notes_get_numbers(journal, number, MR_NOTES_LOG, 0, log, 7)) {
        ended->log = (struct mr_hash_128){log[0], log[1]};
        ended->log_attempt = (struct mr_core_attempt){
            number, (uint32_t)log[2], (enum mr_phase)log[3], (uint32_t)log[4], (uint32_t)log[5]};
        ended->log_node = (uint32_t)log[6];
    }
    return ended->label && ended->why ? MR_OK : mr_error_nomem(err, "listing jobs that ended");
}

int mr_history_add(struct mr_history *history, const struct mr_journal *journal, uint32_t number,
                   uint32_t *forgotten, struct mr_error *err) {
    struct mr_history_row *ended = calloc(1, sizeof *ended);
    *forgotten = 0;
    if (!ended) {
        return mr_error_nomem(err, "listing jobs that ended");
    }
    ended->number = number;
    if (fill(ended, journal, err)) {
        destroy(ended);
        return err->code;
    }
    if (history->count == MR_CORE_HISTORY) {
        /* The last number stays: after a restart the next job's is counted from it. */
        size_t at = history->rows[0]->number == history->last_number;
        *forgotten = history->rows[at]->number;
        destroy(history->rows[at]);
        history->count--;
        memmove(history->rows + at, history->rows + at + 1,
                (history->count - at) * sizeof *history->rows);
    }
    history->rows[history->count++] = ended;
    history->last_number = number > history->last_number ? number : history->last_number;
    return MR_OK;
}
