/* loading: brings up what the journal holds of jobs. */
#include "master/shell/loading.h"

#include "lib/base/error.h"
#include "master/shell/notes.h"
#include "master/shell/suspects.h"
#include "master/shell/winners.h"
#include <stdlib.h>

static int load_lines(struct mr_jobs_row *job, const struct mr_journal *journal,
                      struct mr_error *err) {
    size_t count;
    const struct mr_fact *facts = mr_notes_first(journal, job->number, MR_NOTES_LINES, &count);
    for (size_t i = 0; i < count && !err->code; i++) {
        uint64_t lines[4];
        if (mr_notes_get_numbers(journal, job->number, MR_NOTES_LINES, facts[i].key, lines, 4)) {
            (void)!mr_names_add(&job->lines, (struct mr_hash_128){lines[0], lines[1]}, err);
        }
    }
    return err->code;
}

static int load_state(struct mr_jobs_row *job, struct mr_journal *journal, struct mr_error *err) {
    uint64_t pass[5] = {0};
    uint64_t times[1] = {0};
    size_t count;
    const struct mr_fact *facts = mr_notes_first(journal, job->number, MR_NOTES_MAP, &count);
    if (mr_notes_get_numbers(journal, job->number, MR_NOTES_PASS, 0, pass, 5)) {
        job->pass = pass[0];
        job->again = pass[4] != 0;
        job->state = (struct mr_jobs_blob){{pass[1], pass[2]}, pass[3]};
    }
    if (mr_notes_get_numbers(journal, job->number, MR_NOTES_TIMES, 0, times, 1)) {
        job->submitted_wall_ms = times[0];
    }
    (void)mr_notes_get_error(journal, job->number, MR_NOTES_WHY, &job->give_up);
    for (size_t i = 0; i < count && !err->code; i++) {
        struct mr_account account = {0};
        if (!mr_account_get(&account, facts[i].bytes, facts[i].len, err)) {
            job->bytes_done += account.bytes_read;
        }
        mr_account_fini(&account);
    }
    return err->code || load_lines(job, journal, err) ||
                   mr_suspects_load(&job->search, journal, job->number, err) ||
                   mr_winners_load(job, journal, err)
               ? err->code
               : MR_OK;
}

static int load_job(struct mr_jobs *jobs, uint32_t number, struct mr_journal *journal,
                    struct mr_blobs *blobs, struct mr_error *err) {
    uint64_t hash[2];
    const char *id = mr_notes_text(journal, number, MR_NOTES_ID, 0);
    struct mr_jobs_row *row = NULL;
    struct mr_buffer bytes = {0};
    struct mr_layout_held held = {0};
    struct mr_spec spec;
    if (!id || !mr_notes_get_numbers(journal, number, MR_NOTES_SPEC, 0, hash, 2)) {
        return mr_error_set(err, MR_ERR_INPUT,
                            "the journal is damaged: it does not tell what job %u is", number);
    }
    if (!mr_blobs_read(blobs, (struct mr_hash_128){hash[0], hash[1]}, &bytes, err) &&
        !mr_spec_decode((struct mr_bytes){bytes.data, bytes.len}, &spec, &held, err)) {
        (void)!mr_jobs_make(&spec, id, (struct mr_hash_128){hash[0], hash[1]}, &row, err);
    }
    mr_layout_release(&held);
    mr_buffer_fini(&bytes);
    if (!err->code) {
        row->number = number;
        if (load_state(row, journal, err) || mr_jobs_add(jobs, row, err)) {
            mr_jobs_destroy(row);
        }
    }
    return err->code ? mr_error_add(err, " (taking up job %u)", number) : MR_OK;
}

/* Of jobs that fell out of the history what is known goes: a master that died before that was
 * durable left it. */
static int forget(struct mr_journal *journal, const uint32_t *numbers, size_t count,
                  struct mr_error *err) {
    for (size_t i = 0; i < count && !err->code; i++) {
        (void)!mr_journal_forget(journal, numbers[i], UINT32_MAX, err);
    }
    return err->code;
}

int mr_loading_jobs(struct mr_jobs *jobs, struct mr_journal *journal, struct mr_blobs *blobs,
                    struct mr_error *err) {
    size_t count;
    const struct mr_fact *facts = mr_journal_facts(journal, &count);
    uint32_t *fallen = malloc((count + 1) * sizeof *fallen); /* facts must not go meanwhile */
    size_t fallen_count = 0;
    uint32_t before = 0;
    if (!fallen) {
        return mr_error_nomem(err, "taking up jobs");
    }
    for (size_t i = 0; i < count && !err->code; i++) {
        uint32_t number = facts[i].job;
        if (number == before) {
            continue;
        }
        before = number;
        if (mr_notes_text(journal, number, MR_NOTES_END, 0)) {
            (void)!mr_history_add(&jobs->history, journal, number, &fallen[fallen_count], err);
            fallen_count += fallen[fallen_count] != 0;
        } else {
            (void)!load_job(jobs, number, journal, blobs, err);
        }
    }
    (void)!(err->code || forget(journal, fallen, fallen_count, err));
    free(fallen);
    return err->code;
}
