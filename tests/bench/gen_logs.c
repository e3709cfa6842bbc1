/* gen_logs: writes made-up web server logs, the same bytes for the same seed.
 *
 * usage: gen_logs MEGABYTES [SEED]
 *
 * Words are drawn with the skew that real logs have: few paths and addresses make up most lines,
 * many are seen once. The picks come from splitmix64 and integer arithmetic alone, so that every
 * machine writes the same file. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const methods[] = {"GET", "GET", "GET", "GET", "POST", "HEAD", "PUT", "DELETE"};
static const char *const statuses[] = {"200", "200", "200", "200", "200", "304",
                                       "301", "404", "404", "500", "503", "206"};
static const char *const places[] = {"index", "search", "login",  "cart",   "product", "image",
                                     "video", "help",   "static", "upload", "report",  "health"};
static const char *const agents[] = {"Firefox", "Chrome", "Safari", "curl", "bot", "monitor"};

static uint64_t seed;

static uint64_t next_random(void) {
    uint64_t z = seed += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A number below `limit`, small ones far more often: each bit length is about as likely as the
 * next. */
static uint64_t pick_skewed(uint64_t limit) {
    uint64_t bits = next_random() % 24;
    return next_random() % ((uint64_t)1 << bits) % limit;
}

#define PICK(words) (words[next_random() % (sizeof(words) / sizeof(words)[0])])

/* Draws in statements, not in arguments, whose order differs between compilers. */
static int write_line(unsigned second) {
    unsigned host = (unsigned)pick_skewed(1u << 24);
    unsigned page = (unsigned)pick_skewed(1u << 22);
    unsigned bytes = 200 + (unsigned)pick_skewed(1u << 20);
    unsigned version = (unsigned)pick_skewed(120);
    const char *method = PICK(methods);
    const char *place = PICK(places);
    const char *status = PICK(statuses);
    const char *agent = PICK(agents);
    return printf("10.%u.%u.%u %02u:%02u:%02u %s /%s/%u %s %u %s/%u\n", host >> 16, host >> 8 & 255,
                  host & 255, second / 3600 % 24, second / 60 % 60, second % 60, method, place,
                  page, status, bytes, agent, version);
}

int main(int argc, char **argv) {
    long long megabytes = argc > 1 ? strtoll(argv[1], NULL, 10) : 0;
    if (megabytes <= 0) {
        fprintf(stderr, "usage: gen_logs MEGABYTES [SEED]\n");
        return 2;
    }
    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    static char buffer[1 << 20];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    int64_t left = (int64_t)megabytes * 1000000;
    for (unsigned line = 0; left > 0; line++) {
        int len = write_line(line / 50);
        if (len < 0) {
            perror("gen_logs");
            return 4;
        }
        left -= len;
    }
    if (fflush(stdout) != 0) {
        perror("gen_logs");
        return 4;
    }
    return 0;
}
