/* telling: what the master hears of attempts: keeps what one left, and says how it went.
 *
 * From then on the attempt is TOLD; its report stays with it until the answer comes, and is sent
 * when the worker is registered and the blobs that belong to it, its gifts, are out. What there is
 * no memory to report ends this incarnation, and with it the attempt. The loop's thread. */
#ifndef MR_NODE_TELLING_H
#define MR_NODE_TELLING_H

#include "lib/worker/node/errand.h"

/* Its task process is done with it, well or not: work.outcome. */
void mr_telling_finished(const struct mr_errand_around *around, struct mr_errand *errand);
/* It can't be done. */
void mr_telling_failed(const struct mr_errand_around *around, struct mr_errand *errand,
                       const struct mr_error *why);
/* What it reads of a task is lost. */
void mr_telling_lost(const struct mr_errand_around *around, struct mr_errand *errand, uint32_t task,
                     const struct mr_inflow_row *row);
/* The master asks for one that is not here. */
void mr_telling_unknown(const struct mr_errand_around *around, const struct mr_wire_stop *message);

/* For one that is TOLD: gives its gifts once more; sends its report, where that may be sent now. */
void mr_telling_give(const struct mr_errand_around *around, struct mr_errand *errand);
void mr_telling_send(const struct mr_errand_around *around, struct mr_errand *errand);

#endif
