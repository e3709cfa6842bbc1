/* odd_text: random text of the kinds that word rules disagree about, from a seed. */
#ifndef MR_TESTS_ODD_TEXT_H
#define MR_TESTS_ODD_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* splitmix64 */
static inline uint64_t odd_random(uint64_t *seed) {
    uint64_t bits = *seed += 0x9E3779B97F4A7C15u;
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9u;
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EBu;
    return bits ^ bits >> 31;
}

/* Characters of every Word_Break class, and broken UTF-8 at the end. */
static inline const char *odd_piece(uint64_t random, unsigned ascii_of_16) {
    static const char *const ascii[] = {"a", "b",  "Z", "the", "To",   "7",  "42", "_", "__", "'",
                                        ".", ":",  ",", ";",   "\"",   "-",  "/",  "#", "x",  " ",
                                        " ", "\n", " ", "\t",  "word", "\r", "\f", "Q", "i",  "s"};
    static const char *const wide[] = {
        "\xC3\xA9",
        "\xC3\x89",
        "\xC3\x9F",
        "\xE1\xBA\x9E", /* e E acute, sharp s */
        "\xD0\x96",
        "\xCE\xA3",
        "\xCF\x82",
        "\xC4\xB0", /* Zhe, sigmas, I dot */
        "\xD7\x90",
        "\xD7\x91",
        "\xCC\x81",
        "\xE2\x80\x8D", /* Hebrew, acute, ZWJ */
        "\xC2\xAD",
        "\xE3\x82\xAB",
        "\xE3\x83\x8A",
        "\xEF\xBE\x9E", /* soft hyphen, kana */
        "\xE4\xB8\xAD",
        "\xE3\x81\x8B",
        "\xE2\x84\xB9",
        "\xE2\x80\x99", /* han, info sign, ' */
        "\xC2\xB7",
        "\xD9\xA1",
        "\xE2\x85\xA7",
        "\xE2\x82\xAC", /* dot, 1, VIII, euro */
        "\xC2\xA0",
        "\xE2\x80\x83",
        "\xE2\x80\xA8",
        "\xC2\x85", /* spaces, line ends */
        "\xF0\x9F\x87\xA9",
        "\xF0\x9F\x98\x80",
        "\xF0\x9D\x90\x80",
        "\xE2\x80\xBF", /* RI, face, A, tie */
        "\xFF",
        "\xC3",
        "\x80",
        "\xED\xA0\x80", /* not UTF-8 */
        "\xE2\x82",
        "\xF4\x90\x80\x80",
        "\xC0\xAF",
        "\xF0\x9F\x98",
    };
    unsigned index = (unsigned)(random >> 8);
    return random % 16 < ascii_of_16 ? ascii[index % (sizeof(ascii) / sizeof(ascii[0]))]
                                     : wide[index % (sizeof(wide) / sizeof(wide[0]))];
}

/* Fills text[0..len) and its 64 bytes before and behind (with what would show in a result). Of 16
 * pieces `ascii_of_16` are ASCII. */
static inline void odd_text(char *text, size_t len, unsigned ascii_of_16, uint64_t seed) {
    memset(text - 64, 'm', 64);
    for (size_t at = 0; at < len;) {
        const char *piece = odd_piece(odd_random(&seed), ascii_of_16);
        size_t size = strlen(piece) < len - at ? strlen(piece) : len - at;
        memcpy(text + at, piece, size);
        at += size;
    }
    memset(text + len, seed % 2 ? 'm' : '\n', 64);
}

#endif
