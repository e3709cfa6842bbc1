/* facts: what a shell told its journal, by job, kind and key. */
#ifndef MR_JOURNAL_FACTS_H
#define MR_JOURNAL_FACTS_H

#include <mr/status.h>
#include <stddef.h>
#include <stdint.h>

struct mr_fact {
    uint32_t job;
    uint32_t kind;
    uint64_t key;
    char *bytes; /* a zero follows them, so that text is text */
    size_t len;
};

/* Sorted, with a gap where one was put in or taken out last, so that the next, which is near as a
 * rule, costs little however many there are. Zero-initialise; release with mr_facts_fini. */
struct mr_facts {
    struct mr_fact *items; /* of this room only */
    size_t count;
    size_t capacity;
    size_t gap; /* before which of them what is free lies */
};

/* Puts a copy of the bytes in the place of what was there. */
MR_MUST_USE int mr_facts_put(struct mr_facts *facts, const struct mr_fact *fact,
                             struct mr_error *err);
void mr_facts_remove(struct mr_facts *facts, uint32_t job, uint32_t kind, uint64_t key);
/* Removes all facts of a job that are of this kind (UINT32_MAX: of any). */
void mr_facts_forget(struct mr_facts *facts, uint32_t job, uint32_t kind);
/* One, until the next change, or call of mr_facts_some or mr_facts_all, which move rows; NULL:
 * there is none. Its bytes stay until it is put again or removed. */
const struct mr_fact *mr_facts_find(const struct mr_facts *facts, uint32_t job, uint32_t kind,
                                    uint64_t key);
/* Those of a job that are of this kind, in a row, until the next change, or call of this or of
 * mr_facts_all; NULL: there is none. */
const struct mr_fact *mr_facts_some(struct mr_facts *facts, uint32_t job, uint32_t kind,
                                    size_t *count);
/* All, in their order, until the next change. */
const struct mr_fact *mr_facts_all(struct mr_facts *facts, size_t *count);
void mr_facts_fini(struct mr_facts *facts);

#endif
