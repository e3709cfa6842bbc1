/* numbers: folds typed emits into the table, through a ring of pending pairs. */
#ifndef MR_MAPPER_NUMBERS_H
#define MR_MAPPER_NUMBERS_H

#include "mapper/table.h"

/* Sets the typed emit that fits the round's kind; none for rounds of bytes. */
void mr_numbers_choose(struct mr_collector *c);

/* Folds what is still in the ring. */
void mr_numbers_drain(struct mr_collector *c);

#endif
