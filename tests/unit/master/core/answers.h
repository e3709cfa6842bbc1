/* answers: what a job answers to every event in every state: the table that test_core checks and
 * docs/scheduler.md shows. */
#ifndef MR_TESTS_CORE_ANSWERS_H
#define MR_TESTS_CORE_ANSWERS_H

#include "master/core/terms.h"

/* The states of a job of two maps and one reduce, alone on a node of two slots that does both. */
enum place { NOTHING, MAPPING, REDUCING, CLOSING, PUBLISHING, STOPPING, FINISHED, PLACES };

static const char *const place_names[PLACES] = {
    "none yet", "mapping", "reducing", "closing", "publishing", "stopping", "finished",
};

/* One letter an effect, in order; "-": refused. */
static const char effect_letters[MR_CORE_EFFECT_KINDS] = {
    [MR_CORE_START] = 'S',     [MR_CORE_STOP] = 'X',          [MR_CORE_ANSWER] = 'f',
    [MR_CORE_MAPS_DONE] = 'M', [MR_CORE_ROUND_DONE] = 'R',    [MR_CORE_PUBLISH] = 'P',
    [MR_CORE_DISCARD] = 'D',   [MR_CORE_DISCARD_ROUND] = 'O', [MR_CORE_TELL] = 't',
    [MR_CORE_FINISHED] = 'F',  [MR_CORE_PROPOSE] = 'p',       [MR_CORE_WAKE_AT] = 'w',
};
#define ACCEPTED 'A' /* an ANSWER that the attempt won; 'f' is one that nothing of it counts */

static const char *const answers[PLACES][MR_CORE_EVENT_KINDS] = {
    /* submit, cancel, closed, round failed, up, lost, drain, back, done, failed, output lost,
       backup, published, publish failed, part lost, tick, heard, progress, round again */
    [NOTHING] = {"SS", "", "-", "", "", "", "t", "", "f", "f", "f", "", "", "", "", "w", "", "",
                 "-"},
    [MAPPING] = {"", "XXO", "-", "", "", "DD", "", "", "A", "fDtS", "f", "", "-", "-", "", "w", "",
                 "", "XXO"},
    [REDUCING] = {"", "XO", "-", "", "", "DDtDt", "", "", "A", "f", "fDS", "", "-", "-", "", "w",
                  "", "", "XOS"},
    [CLOSING] = {"", "OF", "OS", "OF", "", "", "", "", "A", "f", "f", "", "-", "-", "DtS", "w", "",
                 "", "OS"},
    [PUBLISHING] = {"", "", "", "", "", "", "", "", "A", "f", "f", "", "OF", "OF", "DtS", "w", "",
                    "", ""},
    [STOPPING] = {"", "", "", "", "", "DDF", "", "", "fD", "fD", "f", "", "", "", "", "w", "", "",
                  ""},
    [FINISHED] = {"", "", "", "", "", "", "t", "", "f", "f", "f", "", "", "", "", "w", "", "", ""},
};

#endif
