/* pages: memory straight from the system, given back as soon as it is freed. */
#include "lib/base/pages.h"

#include <stdint.h>
#include <sys/mman.h>

#define PAGE_BYTES ((size_t)4096)
#define HUGE_BYTES ((size_t)2 << 20)

static size_t round_up(size_t bytes) {
    return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

/* Cuts `bytes` at a multiple of HUGE_BYTES out of a map of HUGE_BYTES more. */
static char *align(char *memory, size_t bytes) {
    size_t before = (HUGE_BYTES - ((uintptr_t)memory & (HUGE_BYTES - 1))) & (HUGE_BYTES - 1);
    size_t behind = HUGE_BYTES - before;
    if (before) {
        munmap(memory, before);
    }
    if (behind) {
        munmap(memory + before + bytes, behind);
    }
    return memory + before;
}

void *mr_pages_map(size_t bytes) {
    size_t whole = round_up(bytes);
    size_t extra = whole >= HUGE_BYTES ? HUGE_BYTES : 0;
    if (bytes == 0 || whole < bytes) {
        return NULL;
    }
    char *memory = mmap(NULL, whole + extra, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    if (extra) {
        memory = align(memory, whole);
        madvise(memory, whole, MADV_HUGEPAGE);
    }
    return memory;
}

void mr_pages_unmap(void *memory, size_t bytes) {
    if (memory) {
        munmap(memory, round_up(bytes));
    }
}
