/* shift: the threads that are slots, from their start to their end. */
#include "master/local/files/shift.h"

#include "lib/base/error.h"
#include "master/local/common/crash.h"
#include "master/local/files/work.h"
#include <signal.h>

static void *main_of_slot(void *arg) {
    struct mr_slot *slot = arg;
    struct mr_slots *run = slot->run;
    mr_crash_thread_start();
    pthread_mutex_lock(&run->scribe.lock);
    while (!run->quits) {
        struct mr_core_attempt attempt;
        bool is_wanted;
        if (mr_queue_pop(&run->ready, &attempt, &is_wanted)) {
            mr_work_do(slot, &attempt, is_wanted);
        } else {
            pthread_cond_wait(&run->scribe.changed, &run->scribe.lock);
        }
    }
    pthread_mutex_unlock(&run->scribe.lock);
    mr_hand_stop(&slot->hand);
    mr_crash_thread_end();
    return NULL;
}

/* Every signal but a crash's is blocked in them. */
int mr_shift_start(struct mr_slots *run, struct mr_error *err) {
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    sigset_t blocked;
    sigset_t before;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++) {
        sigdelset(&blocked, crashes[i]);
    }
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    pthread_mutex_lock(&run->scribe.lock);
    for (unsigned i = 0; i < run->plan->threads && !err->code; i++) {
        struct mr_slot *slot = &run->slots[i];
        slot->run = run;
        slot->hand.source = &run->hands;
        slot->hand.number = i;
        slot->hand.run_stop = run->spec->stop;
        int failure = pthread_create(&slot->thread, NULL, main_of_slot, slot);
        if (failure) {
            mr_error_errno(err, MR_ERR_IO, failure, "start a thread");
        } else {
            run->slot_count++;
        }
    }
    pthread_mutex_unlock(&run->scribe.lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err->code;
}

void mr_shift_stop(struct mr_slots *run) {
    pthread_mutex_lock(&run->scribe.lock);
    run->quits = true;
    pthread_cond_broadcast(&run->scribe.changed);
    pthread_mutex_unlock(&run->scribe.lock);
    for (unsigned i = 0; i < run->slot_count; i++) {
        pthread_join(run->slots[i].thread, NULL);
    }
    run->slot_count = 0;
}
