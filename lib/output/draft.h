/* draft: values and trees of a manifest being built.
 *
 * Building goes on after a failed allocation: a value that could not be made is NULL, which setting
 * refuses, and the first refusal is remembered (`is_short`). So only the end has to look. */
#ifndef MR_OUTPUT_DRAFT_H
#define MR_OUTPUT_DRAFT_H

#include <jansson.h>
#include <mr/status.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define MR_DRAFT_XXH3_DIGITS 16

/* Zero-initialise but for `job`. Needs no release. */
struct mr_draft {
    const char *job; /* its name, for the error */
    bool is_short;   /* of memory: something is missing */
    bool is_foreign; /* a plugin's name for something is not UTF-8, as keys must be */
};

/* Each owns the value from here on. */
void mr_draft_put(struct mr_draft *draft, json_t *object, const char *key, json_t *value);
void mr_draft_append(struct mr_draft *draft, json_t *array, json_t *value);

/* Values; NULL where memory ran out. Text is as JSON has it; of other bytes than UTF-8, which names
 * of files may hold, an object with their hex digits. */
json_t *mr_draft_u64(uint64_t value);
json_t *mr_draft_xxh3(uint64_t value);
json_t *mr_draft_seconds(double seconds);
json_t *mr_draft_text(struct mr_draft *draft, const char *text);
json_t *mr_draft_time(const struct timespec *time);

bool mr_draft_is_utf8(const char *text);

/* Makes the text of a tree (Jansson's `flags`), with a line end; malloc'ed and terminated. Fails
 * where something went wrong before: MR_ERR_NOMEM, MR_ERR_JOB. */
MR_MUST_USE int mr_draft_print(const struct mr_draft *draft, const json_t *root, size_t flags,
                               char **json, struct mr_error *err);

#endif
