/* verify: compares an output directory with its manifest. */
#ifndef MR_OUTPUT_VERIFY_H
#define MR_OUTPUT_VERIFY_H

#include <mr/run.h>

/* Checks every part of DIR against its manifest: there, a regular file, of that size and XXH3; no
 * other part-* files; _SUCCESS there. All differences are gathered in one error, MR_ERR_INPUT: the
 * first ten, one a line, then how many more. A manifest that is missing or malformed is an error
 * like mr_manifest_read's. Stores the manifest's parts where it could be read, also with
 * differences; the caller frees them (set *parts to NULL before). Reads every byte of the parts. */
MR_MUST_USE int mr_verify_output(const char *dir, struct mr_run_part **parts, size_t *count,
                                 struct mr_error *err);

#endif
