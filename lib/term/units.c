/* units: counts, bytes and times as people read them. */
#include "lib/term/units.h"

#include <stdio.h>

/* Divides by 1000 until what is left prints with three digits before the point, and stores which
 * unit it is in. */
static double scale(double value, size_t *unit, size_t unit_count) {
    *unit = 0;
    while (value >= 999.5 && *unit + 1 < unit_count) {
        value /= 1000;
        (*unit)++;
    }
    return value;
}

const char *mr_units_count(char *out, size_t size, uint64_t count) {
    static const char *const units[] = {"", " k", " M", " G", " T"};
    size_t unit;
    double value = scale((double)count, &unit, sizeof units / sizeof *units);
    snprintf(out, size, "%.*f%s", unit ? 1 : 0, value, units[unit]);
    return out;
}

static const char *put_bytes(char *out, size_t size, double bytes, const char *suffix) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    size_t unit;
    double value = scale(bytes, &unit, sizeof units / sizeof *units);
    int digits = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(out, size, "%.*f %s%s", digits, value, units[unit], suffix);
    return out;
}

const char *mr_units_bytes(char *out, size_t size, uint64_t bytes) {
    return put_bytes(out, size, (double)bytes, "");
}

const char *mr_units_rate(char *out, size_t size, uint64_t bytes, double seconds) {
    if (!(seconds > 1e-6)) {
        snprintf(out, size, "-");
        return out;
    }
    return put_bytes(out, size, (double)bytes / seconds, "/s");
}

const char *mr_units_seconds(char *out, size_t size, double seconds) {
    double whole = seconds < 1e15 ? seconds + 0.5 : 1e15;
    uint64_t total = whole > 0 ? (uint64_t)whole : 0;
    if (seconds < 0.0995) {
        snprintf(out, size, "%.0f ms", seconds > 0 ? seconds * 1000 : 0);
    } else if (seconds < 9.95) {
        snprintf(out, size, "%.1f s", seconds);
    } else if (total < 60) {
        snprintf(out, size, "%u s", (unsigned)total);
    } else if (total < 3600) {
        snprintf(out, size, "%u min %02u s", (unsigned)(total / 60), (unsigned)(total % 60));
    } else {
        snprintf(out, size, "%llu h %02u min", (unsigned long long)(total / 3600),
                 (unsigned)(total / 60 % 60));
    }
    return out;
}
