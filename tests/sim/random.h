/* random: numbers that follow from a seed. */
#ifndef MR_SIM_RANDOM_H
#define MR_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

/* Mixes the bits of a number so that near ones have nothing in common (SplitMix64's finalizer). */
static inline uint64_t random_mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* A number that stands for both. */
static inline uint64_t random_join(uint64_t a, uint64_t b) {
    return random_mix(a * 0x9e3779b97f4a7c15u + b + 1);
}

static inline uint64_t random_next(struct random *random) {
    random->state += 0x9e3779b97f4a7c15u;
    return random_mix(random->state);
}

/* Below `count`, which is at least 1. */
static inline uint32_t random_below(struct random *random, uint32_t count) {
    return (uint32_t)(((random_next(random) >> 32) * count) >> 32);
}

static inline uint32_t random_between(struct random *random, uint32_t low, uint32_t high) {
    return low + random_below(random, high - low + 1);
}

static inline bool random_chance(struct random *random, uint32_t permille) {
    return random_below(random, 1000) < permille;
}

#endif
