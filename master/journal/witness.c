/* witness: the last transaction of a journal, noted in a file beside it. */
#include "master/journal/witness.h"

#include "master/journal/chain.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define BYTES 24 /* number, chain, and the seal of both */

static int open_file(const char *dir, int flags) {
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/" MR_WITNESS_FILE, dir);
    return len < (int)sizeof path ? open(path, flags | O_CLOEXEC, 0600) : -1;
}

static uint64_t seal_of(const struct mr_witness_word *word) {
    uint64_t numbers[] = {word->sequence, word->chain};
    return mr_chain_seal(numbers, sizeof numbers / sizeof *numbers);
}

struct mr_witness_word mr_witness_read(const char *dir) {
    struct mr_witness_word word = {0};
    unsigned char bytes[BYTES];
    int fd = open_file(dir, O_RDONLY);
    if (fd < 0) {
        return word;
    }
    if (pread(fd, bytes, BYTES, 0) == BYTES) {
        word = (struct mr_witness_word){mr_chain_get64(bytes), mr_chain_get64(bytes + 8)};
        if (mr_chain_get64(bytes + 16) != seal_of(&word)) {
            word = (struct mr_witness_word){0};
        }
    }
    (void)close(fd); /* nothing was written */
    return word;
}

void mr_witness_note(struct mr_witness *witness, const char *dir,
                     const struct mr_witness_word *word) {
    unsigned char bytes[BYTES];
    if (witness->fd < 0) {
        witness->fd = open_file(dir, O_WRONLY | O_CREAT);
    }
    if (witness->fd >= 0) {
        mr_chain_put64(bytes, word->sequence);
        mr_chain_put64(bytes + 8, word->chain);
        mr_chain_put64(bytes + 16, seal_of(word));
        (void)!pwrite(witness->fd, bytes, BYTES, 0); /* an older word, or none, does no harm */
    }
}

void mr_witness_close(struct mr_witness *witness) {
    if (witness->fd >= 0) {
        (void)close(witness->fd); /* what was not written does no harm */
    }
    witness->fd = -1;
}

void mr_witness_remove(struct mr_witness *witness, const char *dir) {
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/" MR_WITNESS_FILE, dir);
    mr_witness_close(witness);
    if (len < (int)sizeof path) {
        (void)unlink(path);
    }
}
