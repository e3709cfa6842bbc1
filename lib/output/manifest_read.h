/* manifest_read: reads manifests, of any bytes: parts to check, whose they are, how a run went. */
#ifndef MR_OUTPUT_MANIFEST_READ_H
#define MR_OUTPUT_MANIFEST_READ_H

#include <mr/run.h>

/* A larger one is not read. */
#define MR_MANIFEST_READ_BYTES_MAX ((size_t)256 << 20)

/* Reads DIR/_manifest.json's parts. MR_ERR_INPUT where it is missing, not ours or malformed
 * (hostile content included); MR_ERR_IO where it can't be read. The caller frees *parts (NULL where
 * there are none). */
MR_MUST_USE int mr_manifest_read(const char *dir, struct mr_run_part **parts, size_t *count,
                                 struct mr_error *err);

/* The same for an open directory; `dir` stands in errors. */
MR_MUST_USE int mr_manifest_read_at(int dir_fd, const char *dir, struct mr_run_part **parts,
                                    size_t *count, struct mr_error *err);

/* Whether the manifest in an open directory is of the run with this id. Errors as above. */
MR_MUST_USE int mr_manifest_read_id(int dir_fd, const char *dir, const char *id, bool *is_of,
                                    struct mr_error *err);

/* The same for the text of a manifest, of any bytes; the error is without a path. */
MR_MUST_USE int mr_manifest_read_text(const char *text, size_t len, struct mr_run_part **parts,
                                      size_t *count, struct mr_error *err);

/* How a run went. Owns its job and rounds. */
struct mr_manifest_went {
    char *job; /* its name */
    struct mr_run_round
        *rounds; /* seconds and bytes of map and reduce; nothing else is filled in */
    size_t count;
    uint64_t input_bytes;
};

/* Reads it; `path` is an output directory or a manifest. Errors as for mr_manifest_read. Release
 * with mr_manifest_read_went_fini, also after a failure. */
MR_MUST_USE int mr_manifest_read_went(const char *path, struct mr_manifest_went *went,
                                      struct mr_error *err);
void mr_manifest_read_went_fini(struct mr_manifest_went *went);

#endif
