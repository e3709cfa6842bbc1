/* pages: memory straight from the system, given back as soon as it is freed. */
#ifndef MR_BASE_PAGES_H
#define MR_BASE_PAGES_H

#include <stddef.h>

/* Maps `bytes` of zeroed memory that takes no room until it is touched; from 2 MiB on aligned for
 * huge pages, which are asked for. NULL: out of memory. */
void *mr_pages_map(size_t bytes);

/* Unmaps what mr_pages_map returned for so many bytes. Harmless on NULL. */
void mr_pages_unmap(void *memory, size_t bytes);

#endif
