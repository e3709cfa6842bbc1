/* terms: what the scheduler and its shells speak of: attempts, workers, events, effects, states. */
#include "master/core/terms.h"

static const struct {
    const char *name;
    bool is_durable;
} events[] = {
#define EVENT_ROW(name, words, durable, fields, doc) [MR_CORE_##name] = {words, durable},
    MR_CORE_EVENT_TABLE(EVENT_ROW)
#undef EVENT_ROW
};

static const char *const effect_names[] = {
#define EFFECT_ROW(name, words, fields, doc) [MR_CORE_##name] = words,
    MR_CORE_EFFECT_TABLE(EFFECT_ROW)
#undef EFFECT_ROW
};

static const char *const news_words[] = {
#define NEWS_ROW(name, words) [MR_CORE_TELL_##name] = words,
    MR_CORE_NEWS_TABLE(NEWS_ROW)
#undef NEWS_ROW
};

const char *mr_terms_event_name(enum mr_core_event_kind kind) {
    return events[kind].name;
}

const char *mr_terms_effect_name(enum mr_core_effect_kind kind) {
    return effect_names[kind];
}

const char *mr_terms_news_words(enum mr_core_news news) {
    return news_words[news];
}

bool mr_terms_event_is_durable(enum mr_core_event_kind kind) {
    return events[kind].is_durable;
}
