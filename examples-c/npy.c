/* See npy.h. A header is read by a small strict parser: only what a dictionary of these three keys can look like. */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64

#include "npy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const unsigned char MAGIC[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

/* NumPy itself refuses to read a longer header than 10 000 bytes unless told to; a lying length must not make us allocate 4 GiB. */
enum { HEADER_LIMIT = 1 << 20 };

static int fail(struct npy_error *error, const char *path, const char *format, ...) {
    va_list arguments;
    char *at;
    int used = snprintf(error->text, sizeof error->text, "%.300s: ", path);
    if (used < 0) {
        used = 0;
    }
    va_start(arguments, format);
    vsnprintf(error->text + used, sizeof error->text - (size_t)used, format, arguments);
    va_end(arguments);
    /* What a file or a file name says may reach a terminal: no line breaks, no control sequences. */
    for (at = error->text; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 127) {
            *at = '?';
        }
    }
    return -1;
}

int npy_byte_count(int64_t rows, int64_t cols, size_t item_size, size_t *bytes) {
    const uint64_t limit = (SIZE_MAX < (uint64_t)INT64_MAX ? (uint64_t)SIZE_MAX : (uint64_t)INT64_MAX) / item_size;
    if (rows < 0 || cols < 0 || (rows != 0 && (uint64_t)cols > limit / (uint64_t)rows)) {
        return -1;
    }
    *bytes = (size_t)rows * (size_t)cols * item_size;
    return 0;
}

/* ---- the header's dictionary ---- */

struct parser {
    const char *at;
    const char *end;
};

/* What the dictionary says, with a mark for each key seen. */
struct header {
    char descr[32];
    int fortran_order;
    uint64_t shape[3]; /* the third only to see that there is one */
    int dimensions;
    int shape_overflows;
    int has_descr, has_order, has_shape;
};

static void skip_blanks(struct parser *parser) {
    while (parser->at < parser->end && strchr(" \t\r\n", *parser->at) != NULL && *parser->at != '\0') {
        parser->at++;
    }
}

static int take(struct parser *parser, char wanted) {
    skip_blanks(parser);
    if (parser->at < parser->end && *parser->at == wanted) {
        parser->at++;
        return 1;
    }
    return 0;
}

static int take_word(struct parser *parser, const char *word) {
    const size_t length = strlen(word);
    skip_blanks(parser);
    if ((size_t)(parser->end - parser->at) >= length && memcmp(parser->at, word, length) == 0) {
        parser->at += length;
        return 1;
    }
    return 0;
}

/* A Python string in single or double quotes, without escapes: none of our keys or types needs one. */
static int take_string(struct parser *parser, char *text, size_t size) {
    char quote;
    size_t length = 0;
    skip_blanks(parser);
    if (parser->at == parser->end || (*parser->at != '\'' && *parser->at != '"')) {
        return 0;
    }
    quote = *parser->at++;
    while (parser->at < parser->end && *parser->at != quote) {
        if (*parser->at == '\\' || *parser->at == '\0' || length + 1 == size) {
            return 0;
        }
        text[length++] = *parser->at++;
    }
    if (parser->at == parser->end) {
        return 0;
    }
    parser->at++;
    text[length] = '\0';
    return 1;
}

/* (), (3,), (3, 4), (3, 4, 5) ... : dimensions past the third are counted and dropped. */
static int take_shape(struct parser *parser, struct header *header) {
    header->dimensions = 0;
    header->shape_overflows = 0;
    if (!take(parser, '(')) {
        return 0;
    }
    while (!take(parser, ')')) {
        uint64_t value = 0;
        int digits = 0;
        skip_blanks(parser);
        while (parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9') {
            const unsigned digit = (unsigned)(*parser->at++ - '0');
            if (value > ((uint64_t)INT64_MAX - digit) / 10) {
                header->shape_overflows = 1;
                value = 0;
            }
            value = value * 10 + digit;
            digits++;
        }
        if (digits == 0) {
            return 0;
        }
        if (header->dimensions < 3) {
            header->shape[header->dimensions] = value;
        }
        header->dimensions++;
        if (!take(parser, ',')) {
            /* (3) is a number in Python, not a shape. */
            return header->dimensions > 1 && take(parser, ')');
        }
    }
    return 1;
}

static int parse_header(const char *text, size_t length, struct header *header, const char *path, struct npy_error *error) {
    struct parser parser;
    char key[32];
    parser.at = text;
    parser.end = text + length;
    memset(header, 0, sizeof *header);

    if (!take(&parser, '{')) {
        return fail(error, path, "the header is not a dictionary");
    }
    while (!take(&parser, '}')) {
        if (!take_string(&parser, key, sizeof key) || !take(&parser, ':')) {
            return fail(error, path, "the header's dictionary is malformed at byte %ld", (long)(parser.at - text));
        }
        if (strcmp(key, "descr") == 0) {
            if (header->has_descr++ != 0) {
                return fail(error, path, "the header has the key 'descr' twice");
            }
            if (!take_string(&parser, header->descr, sizeof header->descr)) {
                return fail(error, path, "the type in 'descr' is not a plain one: only '<f4' and '<f8' are read");
            }
        } else if (strcmp(key, "fortran_order") == 0) {
            if (header->has_order++ != 0) {
                return fail(error, path, "the header has the key 'fortran_order' twice");
            }
            if (take_word(&parser, "True")) {
                header->fortran_order = 1;
            } else if (!take_word(&parser, "False")) {
                return fail(error, path, "'fortran_order' is neither True nor False");
            }
        } else if (strcmp(key, "shape") == 0) {
            if (header->has_shape++ != 0) {
                return fail(error, path, "the header has the key 'shape' twice");
            }
            if (!take_shape(&parser, header)) {
                return fail(error, path, "'shape' is not a tuple of whole numbers");
            }
        } else {
            return fail(error, path, "the header has an unknown key '%s'", key);
        }
        if (!take(&parser, ',')) {
            if (take(&parser, '}')) {
                break;
            }
            return fail(error, path, "the header's dictionary is malformed at byte %ld", (long)(parser.at - text));
        }
    }
    skip_blanks(&parser);
    if (parser.at != parser.end) {
        return fail(error, path, "the header goes on after its dictionary");
    }
    if (!header->has_descr || !header->has_order || !header->has_shape) {
        return fail(error, path, "the header has no key '%s'",
                    !header->has_descr   ? "descr"
                    : !header->has_order ? "fortran_order"
                                         : "shape");
    }
    return 0;
}

/* ---- reading ---- */

static size_t item_size_of(const struct header *header, const char *path, struct npy_error *error) {
    const char *type = header->descr;
    const unsigned one = 1;
    unsigned char first_byte;
    memcpy(&first_byte, &one, 1);
    if (strcmp(type, ">f4") == 0 || strcmp(type, ">f8") == 0) {
        fail(error, path, "the numbers are big-endian ('%s'): save them with .astype('<%s')", type, type + 1);
        return 0;
    }
    /* '=' is the writer's own order; NumPy never writes it into a file, and what it meant there cannot be known here. */
    if (first_byte == 1 && strcmp(type, "<f4") == 0) {
        return 4;
    }
    if (first_byte == 1 && strcmp(type, "<f8") == 0) {
        return 8;
    }
    fail(error, path, "the type '%s' is not one of '<f4' and '<f8'", type);
    return 0;
}

static int check_header(const struct header *header, struct npy_matrix *matrix, size_t *bytes, const char *path,
                        struct npy_error *error) {
    matrix->item_size = item_size_of(header, path, error);
    if (matrix->item_size == 0) {
        return -1;
    }
    if (header->dimensions != 2) {
        return fail(error, path, "the array has %d dimension%s, a matrix has 2", header->dimensions,
                    header->dimensions == 1 ? "" : "s");
    }
    if (header->shape_overflows) {
        return fail(error, path, "a number in the shape does not fit in 64 bits");
    }
    matrix->rows = (int64_t)header->shape[0];
    matrix->cols = (int64_t)header->shape[1];
    matrix->fortran_order = header->fortran_order;
    if (npy_byte_count(matrix->rows, matrix->cols, matrix->item_size, bytes) != 0) {
        return fail(error, path, "a matrix of %lld x %lld numbers does not fit in memory", (long long)matrix->rows,
                    (long long)matrix->cols);
    }
    return 0;
}

/* Reads everything before the numbers. Leaves the file at the first of them. */
static int read_header(FILE *file, struct header *header, const char *path, struct npy_error *error) {
    unsigned char start[8];
    unsigned char length_bytes[4] = {0, 0, 0, 0};
    size_t length_size;
    size_t length;
    char *text;
    int result;

    if (fread(start, 1, sizeof start, file) != sizeof start) {
        return fail(error, path, ferror(file) ? strerror(errno) : "the file ends before its version number");
    }
    if (memcmp(start, MAGIC, sizeof MAGIC) != 0) {
        return fail(error, path, "not a .npy file: it does not begin with \\x93NUMPY");
    }
    if (start[6] < 1 || start[6] > 3 || start[7] != 0) {
        return fail(error, path, "version %d.%d of the format is not one of 1.0, 2.0 and 3.0", start[6], start[7]);
    }
    length_size = start[6] == 1 ? 2 : 4;
    if (fread(length_bytes, 1, length_size, file) != length_size) {
        return fail(error, path, "the file ends inside the length of its header");
    }
    length = (size_t)length_bytes[0] | (size_t)length_bytes[1] << 8 | (size_t)length_bytes[2] << 16 |
             (size_t)length_bytes[3] << 24;
    if (length > HEADER_LIMIT) {
        return fail(error, path, "the header claims %lu bytes, more than the %d a matrix can need", (unsigned long)length,
                    (int)HEADER_LIMIT);
    }
    text = malloc(length + 1);
    if (text == NULL) {
        return fail(error, path, "no memory for a header of %lu bytes", (unsigned long)length);
    }
    if (fread(text, 1, length, file) != length) {
        result = fail(error, path, "the file ends inside its header, which claims %lu bytes", (unsigned long)length);
    } else {
        result = parse_header(text, length, header, path, error);
    }
    free(text);
    return result;
}

/* A file that can say its size is checked before memory is asked for, so that a lying shape costs nothing. */
static int check_size(FILE *file, size_t bytes, const char *path, struct npy_error *error) {
    struct stat information;
    off_t here;
    if (fstat(fileno(file), &information) != 0 || !S_ISREG(information.st_mode)) {
        return 0;
    }
    here = ftello(file);
    if (here < 0) {
        return 0;
    }
    if ((uint64_t)(information.st_size - here) != (uint64_t)bytes) {
        return fail(error, path, "the shape needs %llu bytes of numbers, the file holds %llu", (unsigned long long)bytes,
                    (unsigned long long)(information.st_size - here));
    }
    return 0;
}

static int read_from(FILE *file, struct npy_matrix *matrix, const char *path, struct npy_error *error) {
    struct header header;
    size_t bytes = 0;
    size_t got;
    if (read_header(file, &header, path, error) != 0 || check_header(&header, matrix, &bytes, path, error) != 0 ||
        check_size(file, bytes, path, error) != 0) {
        return -1;
    }
    matrix->data = malloc(bytes == 0 ? 1 : bytes);
    if (matrix->data == NULL) {
        return fail(error, path, "no memory for %llu bytes of numbers", (unsigned long long)bytes);
    }
    got = fread(matrix->data, 1, bytes, file);
    if (got != bytes) {
        if (ferror(file)) {
            return fail(error, path, "%s", strerror(errno));
        }
        return fail(error, path, "the shape needs %llu bytes of numbers, the file ends after %llu",
                    (unsigned long long)bytes, (unsigned long long)got);
    }
    if (fgetc(file) != EOF) {
        return fail(error, path, "the file goes on after the %llu bytes of numbers that its shape needs",
                    (unsigned long long)bytes);
    }
    return 0;
}

int npy_read(const char *path, struct npy_matrix *matrix, struct npy_error *error) {
    FILE *file;
    int result;
    memset(matrix, 0, sizeof *matrix);
    file = fopen(path, "rb");
    if (file == NULL) {
        return fail(error, path, "%s", strerror(errno));
    }
    result = read_from(file, matrix, path, error);
    fclose(file);
    if (result != 0) {
        npy_free(matrix);
    }
    return result;
}

void npy_free(struct npy_matrix *matrix) {
    free(matrix->data);
    matrix->data = NULL;
}

/* ---- writing ---- */

static int write_to(FILE *file, const struct npy_matrix *matrix) {
    char header[128];
    unsigned char start[10];
    size_t bytes = 0;
    size_t length;
    if (npy_byte_count(matrix->rows, matrix->cols, matrix->item_size, &bytes) != 0) {
        errno = EOVERFLOW;
        return -1;
    }
    /* 118 bytes of header after 10 of preamble: the numbers begin at a multiple of 64, as NumPy has it. */
    memset(header, ' ', sizeof header);
    length = (size_t)snprintf(header, sizeof header, "{'descr': '<f%d', 'fortran_order': %s, 'shape': (%lld, %lld), }",
                              (int)matrix->item_size, matrix->fortran_order ? "True" : "False",
                              (long long)matrix->rows, (long long)matrix->cols);
    header[length] = ' ';
    header[117] = '\n';
    memcpy(start, MAGIC, sizeof MAGIC);
    start[6] = 1;
    start[7] = 0;
    start[8] = 118;
    start[9] = 0;
    if (fwrite(start, 1, sizeof start, file) != sizeof start || fwrite(header, 1, 118, file) != 118 ||
        fwrite(matrix->data, 1, bytes, file) != bytes || fflush(file) != 0) {
        return -1;
    }
    return 0;
}

/* A pipe or a device cannot be replaced by another file: it is written straight. */
static int write_special(const char *path, const struct npy_matrix *matrix, struct npy_error *error) {
    FILE *file = fopen(path, "wb");
    int failed;
    if (file == NULL) {
        return fail(error, path, "%s", strerror(errno));
    }
    failed = write_to(file, matrix) != 0 ? errno : 0;
    if (fclose(file) != 0 && failed == 0) {
        failed = errno;
    }
    return failed == 0 ? 0 : fail(error, path, "%s", strerror(failed));
}

int npy_write(const char *path, const struct npy_matrix *matrix, struct npy_error *error) {
    struct stat information;
    const size_t size = strlen(path) + sizeof ".XXXXXX";
    char *temporary;
    FILE *file;
    mode_t mask;
    int descriptor;
    int failed = 0;

    if (stat(path, &information) == 0 && !S_ISREG(information.st_mode)) {
        return write_special(path, matrix, error);
    }
    temporary = malloc(size);
    if (temporary == NULL) {
        return fail(error, path, "no memory");
    }
    snprintf(temporary, size, "%s.XXXXXX", path);
    descriptor = mkstemp(temporary);
    file = descriptor < 0 ? NULL : fdopen(descriptor, "wb");
    if (file == NULL) {
        failed = errno;
        if (descriptor >= 0) {
            close(descriptor);
            unlink(temporary);
        }
        free(temporary);
        return fail(error, path, "%s", strerror(failed));
    }
    /* mkstemp makes the file private; give it the rights that fopen would have given. */
    mask = umask(0);
    umask(mask);
    if (fchmod(descriptor, 0666 & ~mask) != 0 || write_to(file, matrix) != 0) {
        failed = errno;
    }
    if (fclose(file) != 0 && failed == 0) {
        failed = errno;
    }
    if (failed == 0 && rename(temporary, path) != 0) {
        failed = errno;
    }
    if (failed != 0) {
        unlink(temporary);
    }
    free(temporary);
    return failed == 0 ? 0 : fail(error, path, "%s", strerror(failed));
}
