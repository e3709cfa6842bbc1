/* suspects: keeps in the journal what the search for a job's bad records knows. */
#include "master/shell/suspects.h"

#include "master/shell/notes.h"

int mr_suspects_load(struct mr_search *search, const struct mr_journal *journal, uint32_t job,
                     struct mr_error *err) {
    size_t count;
    const struct mr_fact *facts = mr_notes_first(journal, job, MR_NOTES_CARE, &count);
    for (size_t i = 0; i < count && !err->code; i++) {
        (void)!mr_search_load(search, &facts[i], err);
    }
    return err->code;
}

int mr_suspects_judge(struct mr_search *search, struct mr_journal *journal,
                      const struct mr_wire_failed *failed, struct mr_search_verdict *verdict,
                      struct mr_error *err) {
    const struct mr_search_failure failure = {failed->is_exact, failed->block, failed->offset};
    uint32_t task = (uint32_t)failed->task;
    struct mr_buffer bytes = {0};
    *verdict = (struct mr_search_verdict){0};
    if (!failed->has_place || failed->is_fatal ||
        mr_search_judge(search, task, &failure, verdict, err)) {
        return err->code;
    }
    if (!mr_search_save(search, task, &bytes, err)) {
        (void)!mr_journal_put(journal, (uint32_t)failed->job, MR_NOTES_CARE, task, bytes.data,
                              bytes.len, err);
    }
    mr_buffer_fini(&bytes);
    return err->code;
}
