/* intern: texts that live as long as the process, each kept once. */
#include "lib/base/intern.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct kept {
    struct kept *next;
    char text[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct kept *all;

const char *mr_intern(const char *text) {
    size_t size = strlen(text) + 1;
    pthread_mutex_lock(&lock);
    struct kept *kept = all;
    while (kept && strcmp(kept->text, text) != 0) {
        kept = kept->next;
    }
    if (!kept && (kept = malloc(sizeof *kept + size))) {
        memcpy(kept->text, text, size);
        kept->next = all;
        all = kept;
    }
    pthread_mutex_unlock(&lock);
    return kept ? kept->text : NULL;
}
