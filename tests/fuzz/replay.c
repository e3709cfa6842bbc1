/* replay: feeds files, or all files of a folder, to a fuzz target. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Allocated to the byte, so that a sanitizer sees a read behind the end. */
static int replay_file(const char *path, size_t size) {
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(size > 0 ? size : 1);
    int status = -1;
    if (file != NULL && data != NULL && fread(data, 1, size, file) == size) {
        LLVMFuzzerTestOneInput(data, size);
        status = 0;
    } else {
        perror(path);
    }
    free(data);
    if (file != NULL) {
        fclose(file);
    }
    return status;
}

static int replay(const char *path, unsigned *count);

static int replay_folder(const char *path, unsigned *count) {
    DIR *folder = opendir(path);
    if (folder == NULL) {
        perror(path);
        return -1;
    }
    int status = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char name[4096];
        int len = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && len > 0 && (size_t)len < sizeof name) {
            status |= replay(name, count);
        }
    }
    closedir(folder);
    return status;
}

static int replay(const char *path, unsigned *count) {
    struct stat info;
    if (stat(path, &info) != 0) {
        perror(path);
        return -1;
    }
    if (S_ISDIR(info.st_mode)) {
        return replay_folder(path, count);
    }
    (*count)++;
    return replay_file(path, (size_t)info.st_size);
}

int main(int argc, char **argv) {
    unsigned count = 0;
    int status = 0;
    for (int i = 1; i < argc; i++) {
        status |= replay(argv[i], &count);
    }
    printf("%u inputs replayed\n", count);
    return status != 0 || count == 0;
}
