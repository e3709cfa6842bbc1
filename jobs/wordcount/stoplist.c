/* stoplist: the stop words of a run, made into a set once and shared by its threads.
 *
 * A job's state belongs to a thread, and a job has nowhere else to keep what its threads share. So
 * the sets in use stand in a list of the process. A run's threads are handed the very same bytes,
 * which tells its set from those of other runs. */
#include "jobs/wordcount/stoplist.h"
#include "jobs/wordcount/unicode.h"
#include <pthread.h>
#include <stdlib.h>

#define BYTE_VALUES 256u

struct shared {
    struct shared *next;
    struct mr_stoplist_source source;
    struct mr_stopwords set;
    unsigned refs;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct shared *sets;

static bool is_space(char byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Cuts the next word off the list; false: there is none. */
static bool next_word(struct mr_bytes *list, struct mr_bytes *word) {
    while (list->len > 0 && is_space(*list->data)) {
        *list = (struct mr_bytes){list->data + 1, list->len - 1};
    }
    if (list->len == 0) {
        return false;
    }
    *word = (struct mr_bytes){list->data, 0};
    while (word->len < list->len && !is_space(list->data[word->len])) {
        word->len++;
    }
    *list = (struct mr_bytes){list->data + word->len, list->len - word->len};
    return true;
}

/* How many words there can be at most; of short ones only so many are different. */
static size_t count_words(struct mr_bytes list) {
    size_t counts[3] = {0};
    struct mr_bytes word;
    while (next_word(&list, &word)) {
        counts[word.len < 3 ? word.len - 1 : 2]++;
    }
    counts[0] = counts[0] < BYTE_VALUES ? counts[0] : BYTE_VALUES;
    counts[1] = counts[1] < BYTE_VALUES * BYTE_VALUES ? counts[1] : BYTE_VALUES * BYTE_VALUES;
    return counts[0] + counts[1] + counts[2];
}

static int add(struct shared *shared, struct mr_unicode *unicode, struct mr_bytes word) {
    if (!shared->source.unicode) {
        return mr_stopwords_add(&shared->set, word, shared->source.fold);
    }
    if (!mr_unicode_is_valid(word)) {
        return 0; /* no word of the text can be equal to it */
    }
    int status = shared->source.fold ? mr_unicode_fold(unicode, word, &word) : 0;
    return status ? status : mr_stopwords_add(&shared->set, word, false);
}

static int fill(struct shared *shared) {
    struct mr_unicode unicode = {0};
    struct mr_bytes list = shared->source.list;
    struct mr_bytes word;
    int status = mr_stopwords_init(&shared->set, count_words(list), list.len);
    while (!status && next_word(&list, &word)) {
        status = add(shared, &unicode, word);
    }
    mr_unicode_fini(&unicode);
    return status;
}

static struct shared *find(const struct mr_stoplist_source *source) {
    struct shared *shared = sets;
    while (shared &&
           (shared->source.list.data != source->list.data ||
            shared->source.list.len != source->list.len || shared->source.fold != source->fold ||
            shared->source.unicode != source->unicode)) {
        shared = shared->next;
    }
    return shared;
}

static int make(const struct mr_stoplist_source *source, struct shared **shared) {
    struct shared *made = calloc(1, sizeof(*made));
    if (!made) {
        return MR_ERR_NOMEM;
    }
    made->source = *source;
    int status = fill(made);
    if (status) {
        mr_stopwords_fini(&made->set);
        free(made);
        return status;
    }
    made->next = sets;
    sets = made;
    *shared = made;
    return 0;
}

int mr_stoplist_ref(const struct mr_stoplist_source *source, const struct mr_stopwords **set) {
    pthread_mutex_lock(&lock);
    struct shared *shared = find(source);
    int status = shared ? 0 : make(source, &shared);
    if (!status) {
        shared->refs++;
        *set = &shared->set;
    }
    pthread_mutex_unlock(&lock);
    return status;
}

void mr_stoplist_unref(const struct mr_stopwords *set) {
    pthread_mutex_lock(&lock);
    struct shared **link = &sets;
    while (*link && &(*link)->set != set) {
        link = &(*link)->next;
    }
    struct shared *shared = *link;
    if (shared && --shared->refs == 0) {
        *link = shared->next;
        mr_stopwords_fini(&shared->set);
        free(shared);
    }
    pthread_mutex_unlock(&lock);
}
