/* ngram: joins consecutive words of a line to runs of N words. */
#include "jobs/wordcount/ngram.h"
#include <stdlib.h>

#define CAPACITY_MIN 256u
#define LARGE ((size_t)256 << 10) /* of a run: emitting it takes longer than moving it */

/* Makes room for `more` bytes behind the end: by moving the run to the front where that frees half
 * of the memory, so that each byte is moved once on average, else by growing. A large run is moved
 * for each word, and takes no more memory than it must. */
static int reserve(struct mr_ngram *ngram, size_t more) {
    if (more <= ngram->capacity - ngram->end) {
        return 0;
    }
    size_t held = ngram->end - ngram->begin;
    size_t wanted = held + more < LARGE ? 2 * (held + more) : held + more;
    if (ngram->begin > 0) {
        memmove(ngram->text, ngram->text + ngram->begin, held);
        ngram->begin = 0;
        ngram->end = held;
    }
    if (wanted > ngram->capacity) {
        size_t capacity = wanted < CAPACITY_MIN ? CAPACITY_MIN : wanted;
        char *text = realloc(ngram->text, capacity);
        if (!text) {
            return MR_ERR_NOMEM;
        }
        ngram->text = text;
        ngram->capacity = capacity;
    }
    return 0;
}

static void drop_oldest(struct mr_ngram *ngram) {
    const char *from = ngram->text + ngram->begin;
    const char *space = memchr(from, ' ', ngram->end - ngram->begin);
    ngram->begin = space ? (size_t)(space + 1 - ngram->text) : ngram->end;
    ngram->held--;
}

int mr_ngram_add(struct mr_ngram *ngram, struct mr_bytes word, struct mr_bytes *run) {
    if (ngram->held == ngram->want) {
        drop_oldest(ngram);
    }
    int status = reserve(ngram, word.len + 1);
    if (status) {
        return status;
    }
    if (ngram->held > 0) {
        ngram->text[ngram->end++] = ' ';
    }
    memcpy(ngram->text + ngram->end, word.data, word.len);
    ngram->end += word.len;
    ngram->held++;
    *run = (struct mr_bytes){ngram->text + ngram->begin, ngram->end - ngram->begin};
    return ngram->held == ngram->want;
}

void mr_ngram_reset(struct mr_ngram *ngram) {
    if (ngram->capacity > LARGE) {
        free(ngram->text);
        ngram->text = NULL;
        ngram->capacity = 0;
    }
    ngram->held = 0;
    ngram->begin = 0;
    ngram->end = 0;
}

void mr_ngram_fini(struct mr_ngram *ngram) {
    free(ngram->text);
    *ngram = (struct mr_ngram){0};
}
