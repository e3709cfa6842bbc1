/* print_scheduler: prints the tables of docs/scheduler.md from those of master/core. */
#include "tests/unit/master/core/answers.h"

#include <stdio.h>

static const struct {
    const char *fields;
    const char *doc;
} event_rows[] = {
#define EVENT_ROW(name, words, durable, fields, doc) {fields, doc},
    MR_CORE_EVENT_TABLE(EVENT_ROW)
#undef EVENT_ROW
};

static const struct {
    const char *fields;
    const char *doc;
} effect_rows[] = {
#define EFFECT_ROW(name, words, fields, doc) {fields, doc},
    MR_CORE_EFFECT_TABLE(EFFECT_ROW)
#undef EFFECT_ROW
};

static void print_events(void) {
    printf("| event | journaled | fields | says |\n|---|---|---|---|\n");
    for (int kind = 0; kind < MR_CORE_EVENT_KINDS; kind++) {
        enum mr_core_event_kind event = (enum mr_core_event_kind)kind;
        printf("| %s | %s | %s | %s |\n", mr_terms_event_name(event),
               mr_terms_event_is_durable(event) ? "yes" : "no", event_rows[kind].fields,
               event_rows[kind].doc);
    }
}

static void print_effects(void) {
    printf("\n| effect | letter | fields | the shell is to |\n|---|---|---|---|\n");
    for (int kind = 0; kind < MR_CORE_EFFECT_KINDS; kind++) {
        printf("| %s | %c%s | %s | %s |\n", mr_terms_effect_name((enum mr_core_effect_kind)kind),
               effect_letters[kind], kind == MR_CORE_ANSWER ? ", A where it won" : "",
               effect_rows[kind].fields, effect_rows[kind].doc);
    }
    printf("\nWhat `tell` tells of:\n\n");
    for (int news = 0; news < MR_CORE_NEWS_KINDS; news++) {
        printf("- %s\n", mr_terms_news_words((enum mr_core_news)news));
    }
}

static void print_answers(void) {
    printf("\n| event |");
    for (int place = 0; place < PLACES; place++) {
        printf(" %s |", place_names[place]);
    }
    printf("\n|---|");
    for (int place = 0; place < PLACES; place++) {
        printf("---|");
    }
    for (int kind = 0; kind < MR_CORE_EVENT_KINDS; kind++) {
        printf("\n| %s |", mr_terms_event_name((enum mr_core_event_kind)kind));
        for (int place = 0; place < PLACES; place++) {
            const char *answer = answers[place][kind];
            printf(" %s |", *answer == '-' ? "refused" : *answer ? answer : "·");
        }
    }
    printf("\n");
}

int main(void) {
    print_events();
    print_effects();
    print_answers();
    return 0;
}
