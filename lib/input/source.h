/* source: pulls an input's bytes from start to end, decompressed where it is compressed. */
#ifndef MR_INPUT_SOURCE_H
#define MR_INPUT_SOURCE_H

#include "lib/input/input.h"
#include "lib/input/windows.h"
#include <mr/bytes.h>
#include <mr/status.h>
#include <stdatomic.h>

#define MR_SOURCE_MAGIC_BYTES 10 /* so many first bytes tell the kind */

struct mr_source; /* opaque; one thread at a time */

/* What the first bytes of a file say it is: GZIP, ZSTD or else FILE. */
enum mr_input_kind mr_source_kind(const void *head, size_t len);

/* Whether the first bytes are of a compressed file that is not read here (bzip2, xz, zip, ...):
 * MR_ERR_INPUT, naming the file, its kind and what to do; else 0. */
MR_MUST_USE int mr_source_check_head(const void *head, size_t len, const char *name,
                                     struct mr_error *err);

/* Opens an input of any kind; a stream's is told by its first bytes at the first pull. `input`,
 * `stop` and `windows` (either may be NULL) are borrowed until the source is closed; once *stop is
 * true, waiting for a stream or for a window ends with MR_ERR_INTERRUPTED. */
MR_MUST_USE int mr_source_open(const struct mr_input *input, const atomic_bool *stop,
                               struct mr_windows *windows, struct mr_source **source,
                               struct mr_error *err);

/* The same over bytes in memory, borrowed. `kind` STREAM tells the kind by the first bytes. */
MR_MUST_USE int mr_source_open_memory(struct mr_bytes bytes, enum mr_input_kind kind,
                                      struct mr_source **source, struct mr_error *err);

/* Writes the next bytes to `out`: `room` of them (at least 1), less only at the end, 0 behind it.
 * Errors name file and byte; after one the source can only be closed. */
MR_MUST_USE int mr_source_pull(struct mr_source *source, char *out, size_t room, size_t *got,
                               struct mr_error *err);

/* Whether pulls may wait for others' windows: they may, unless the caller holds a lock that those
 * may need. */
void mr_source_set_waits(struct mr_source *source, bool waits);

/* How many stored bytes were taken so far. */
uint64_t mr_source_consumed(const struct mr_source *source);

void mr_source_close(struct mr_source *source);

#endif
