/* print_wire: prints the tables of docs/messages.md from those of lib/net/wire.h; with --seeds DIR,
 * writes a message of each kind there, for the fuzzer. */
#include "lib/net/message.h"
#include "lib/net/wire.h"
#include "tests/unit/net/example.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const kinds[] = {"number", "text", "bytes", "list"};

static void print_field(const struct mr_layout_field *field, const char *indent) {
    printf("| %s%s | %s", indent, field->name, kinds[field->kind]);
    if (field->kind != MR_LAYOUT_NUMBER) {
        printf(", at most %" PRIu64, field->max);
    } else if (field->max != UINT64_MAX) {
        printf(" up to %" PRIu64, field->max);
    }
    printf(" | %s |\n", field->doc);
    for (size_t i = 0; field->row && i < field->row->count; i++) {
        print_field(&field->row->fields[i], "· ");
    }
}

static void print_message(const struct mr_wire_about *about) {
    printf("\n### %s\n\n%u%s, from %s: %s.\n\n| field | type | what it says |\n|---|---|---|\n",
           about->name, about->kind & ~MR_FRAME_BULK,
           about->kind & MR_FRAME_BULK ? " with the bit of bulk frames" : "", about->sender,
           about->doc);
    for (size_t i = 0; i < about->layout->count; i++) {
        print_field(&about->layout->fields[i], "");
    }
}

static int write_seed(const struct mr_wire_about *about, const char *dir) {
    union mr_wire_any message;
    struct mr_message *encoded = NULL;
    struct mr_bytes body;
    struct mr_error err = {0};
    char path[4096];
    unsigned char kind[2] = {(unsigned char)about->kind, (unsigned char)(about->kind >> 8)};
    example_make(about->layout, (char *)&message, about->kind);
    snprintf(path, sizeof path, "%s/%s", dir, about->name);
    FILE *file =
        mr_wire_encode(about->kind, &message, &encoded, &body, &err) ? NULL : fopen(path, "wb");
    if (!file || fwrite(kind, sizeof kind, 1, file) != 1 ||
        fwrite(body.data, body.len, 1, file) != 1 || fclose(file)) {
        fprintf(stderr, "%s can't be written: %s\n", path, err.text);
        return 1;
    }
    mr_message_destroy(encoded);
    return 0;
}

int main(int argc, char **argv) {
    const char *seeds = argc == 3 && strcmp(argv[1], "--seeds") == 0 ? argv[2] : NULL;
    int failed = 0;
    for (unsigned row = 0; row < MR_WIRE_KINDS && !failed; row++) {
        const struct mr_wire_about *about = mr_wire_about(row);
        about = about ? about : mr_wire_about(row | MR_FRAME_BULK);
        if (about && seeds) {
            failed = write_seed(about, seeds);
        } else if (about) {
            print_message(about);
        }
    }
    return failed;
}
