/* C = A * B over the ranks of MPI, by SUMMA (van de Geijn and Watts, 1997).
 *
 *     mpirun -n 4 mpi_summa [size] [--m N] [--n N] [--k N] [--panel N] [--float] [--no-check]
 *
 * The ranks form a grid. Each owns a block of A, of B and of C, and has a pool of its own on its node's CPUs. The product is a sum over
 * panels: some columns of A times the same rows of B. Each panel of A goes to its owner's row of the grid, each panel of B to its
 * owner's column. While the pool multiplies one pair of panels, the main thread moves the next one.
 *
 * Who owns a panel depends on the grid, but which panels there are does not: on any number of ranks each element is the same sum
 * in the same order, and `result` the same number.
 */
#include "mpi_summa.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_FAILED = 1, EXIT_BAD_INPUT = 2, LARGEST = 1000000 };

static const char USAGE[] = "usage: mpirun -n RANKS mpi_summa [size] [--m N] [--n N] [--k N] [--panel N] [--float] [--no-check]\n";

/* Every rank reads the same arguments; rank 0 speaks. */
static int parse_options(int count, char **arguments, int speaks, struct options *options) {
    struct { const char *name; int64_t *value; } numbers[4];
    int i, j;
    memset(options, 0, sizeof *options);
    options->m = options->n = options->k = 1000;
    options->panel = 256;
    options->is_double = options->check = 1;
    numbers[0].name = "--m", numbers[0].value = &options->m;
    numbers[1].name = "--n", numbers[1].value = &options->n;
    numbers[2].name = "--k", numbers[2].value = &options->k;
    numbers[3].name = "--panel", numbers[3].value = &options->panel;
    for (i = 1; i < count; i++) {
        const char *name = arguments[i];
        const char *text = name;
        int64_t *value = NULL;
        char *end = NULL;
        long number;
        if (strcmp(name, "--float") == 0) {
            options->is_double = 0;
            continue;
        }
        if (strcmp(name, "--no-check") == 0) {
            options->check = 0;
            continue;
        }
        for (j = 0; j < 4; j++) {
            if (strcmp(name, numbers[j].name) == 0) {
                value = numbers[j].value;
                text = i + 1 < count ? arguments[++i] : "nothing";
            }
        }
        if (value == NULL && name[0] == '-') {
            if (speaks) {
                fprintf(stderr, "summa: unknown option '%s'\n%s", name, USAGE);
            }
            return -1;
        }
        number = strtol(text, &end, 10);
        if (end == text || *end != '\0' || number < 1 || number > LARGEST) {
            if (speaks) {
                fprintf(stderr, "summa: %s takes a number from 1 to %d, not '%s'\n%s", value == NULL ? "size" : name, LARGEST, text,
                        USAGE);
            }
            return -1;
        }
        if (value != NULL) {
            *value = number;
        } else {
            options->m = options->n = options->k = number;
        }
    }
    return 0;
}

int64_t cut(int64_t total, int parts, int i) { return total * i / parts; }

/* Which of `parts` has item `i`. */
static int owner(int64_t total, int parts, int64_t i) {
    int part = 0;
    while (cut(total, parts, part + 1) <= i) {
        part++;
    }
    return part;
}

static double element(uint64_t which, int64_t row, int64_t column) {
    uint64_t x = ((uint64_t)row << 32 | (uint64_t)column) + which * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (double)((x ^ x >> 31) >> 40) / 8388608.0 - 1.0;
}

void fill(const struct summa *summa, void *to, uint64_t which, int64_t row, int64_t rows, int64_t column, int64_t columns) {
    int64_t i, j;
    for (i = 0; i < rows; i++) {
        for (j = 0; j < columns; j++) {
            const double value = element(which, row + i, column + j);
            if (summa->options.is_double) {
                ((double *)to)[i * columns + j] = value;
            } else {
                ((float *)to)[i * columns + j] = (float)value;
            }
        }
    }
}

vgpu_status multiply(const struct summa *summa, int64_t m, int64_t n, int64_t k, const void *a, const void *b, double beta,
                     void *c) {
    if (summa->options.is_double) {
        return vgpu_dgemm(summa->pool, VGPU_ROW_MAJOR, VGPU_NO_TRANS, VGPU_NO_TRANS, m, n, k, 1.0, a, k, b, n, beta, c, n);
    }
    return vgpu_sgemm(summa->pool, VGPU_ROW_MAJOR, VGPU_NO_TRANS, VGPU_NO_TRANS, m, n, k, 1.0F, a, k, b, n, (float)beta, c, n);
}

int take(const struct summa *summa, int64_t rows, int64_t columns, void **memory) {
    const size_t bytes = (size_t)rows * (size_t)columns * summa->item;
    if (vgpu_node_alloc(bytes == 0 ? 1 : bytes, summa->place.node, 0, memory) == VGPU_OK) {
        return 0;
    }
    fprintf(stderr, "summa: rank %d: %s\n", summa->rank, vgpu_last_error_message());
    return -1;
}

/* The library's last sentence, where the others have to be stopped: they may be waiting for this rank. */
static void stop_all(const struct summa *summa, const char *what) {
    fprintf(stderr, "summa: rank %d: %s: %s\n", summa->rank, what, vgpu_last_error_message());
    MPI_Abort(MPI_COMM_WORLD, EXIT_FAILED);
}

static int64_t panel_width(const struct summa *summa, int64_t panel) {
    const int64_t begin = panel * summa->options.panel;
    const int64_t left = summa->options.k - begin;
    return left < summa->options.panel ? left : summa->options.panel;
}

static int make_blocks(struct summa *summa) {
    const struct options *options = &summa->options;
    const int64_t a_begin = cut(summa->panels, summa->columns, summa->column);
    const int64_t a_end = cut(summa->panels, summa->columns, summa->column + 1);
    const int64_t b_begin = cut(summa->panels, summa->rows, summa->row);
    const int64_t b_end = cut(summa->panels, summa->rows, summa->row + 1);
    int64_t panel;
    if (take(summa, summa->local_m, (a_end - a_begin) * options->panel, &summa->a) != 0 ||
        take(summa, (b_end - b_begin) * options->panel, summa->local_n, &summa->b) != 0 ||
        take(summa, summa->local_m, summa->local_n, &summa->c) != 0 ||
        take(summa, summa->local_m, options->panel, &summa->panel_a[0]) != 0 ||
        take(summa, summa->local_m, options->panel, &summa->panel_a[1]) != 0 ||
        take(summa, options->panel, summa->local_n, &summa->panel_b[0]) != 0 ||
        take(summa, options->panel, summa->local_n, &summa->panel_b[1]) != 0) {
        return -1;
    }
    for (panel = a_begin; panel < a_end; panel++) {
        char *to = (char *)summa->a + (size_t)((panel - a_begin) * options->panel * summa->local_m) * summa->item;
        fill(summa, to, 1, summa->first_m, summa->local_m, panel * options->panel, panel_width(summa, panel));
    }
    for (panel = b_begin; panel < b_end; panel++) {
        char *to = (char *)summa->b + (size_t)((panel - b_begin) * options->panel * summa->local_n) * summa->item;
        fill(summa, to, 2, panel * options->panel, panel_width(summa, panel), summa->first_n, summa->local_n);
    }
    return 0;
}

static void free_blocks(struct summa *summa) {
    int i;
    (void)vgpu_node_free(summa->a);
    (void)vgpu_node_free(summa->b);
    (void)vgpu_node_free(summa->c);
    for (i = 0; i < 2; i++) {
        (void)vgpu_node_free(summa->panel_a[i]);
        (void)vgpu_node_free(summa->panel_b[i]);
    }
}

/* A pair of panels: on its way, then here. */
struct step {
    struct summa *summa;
    int64_t panel;
    void *a, *b;
    MPI_Request requests[2];
};

/* Where a panel is for this rank: in its own block, or where it will arrive. */
static void *panel_at(const struct summa *summa, int64_t panel, int is_mine, int parts, int part, void *block, int64_t length,
                      void *arrival) {
    const int64_t before = panel - cut(summa->panels, parts, part);
    return is_mine ? (char *)block + (size_t)(before * summa->options.panel * length) * summa->item : arrival;
}

static void send_panels(struct summa *summa, int64_t panel, struct step *step) {
    const int from_column = owner(summa->panels, summa->columns, panel);
    const int from_row = owner(summa->panels, summa->rows, panel);
    const int64_t width = panel_width(summa, panel);
    step->summa = summa;
    step->panel = panel;
    step->a = panel_at(summa, panel, from_column == summa->column, summa->columns, summa->column, summa->a, summa->local_m,
                       summa->panel_a[panel % 2]);
    step->b = panel_at(summa, panel, from_row == summa->row, summa->rows, summa->row, summa->b, summa->local_n,
                       summa->panel_b[panel % 2]);
    MPI_Ibcast(step->a, (int)(summa->local_m * width), summa->type, from_column, summa->along_row, &step->requests[0]);
    MPI_Ibcast(step->b, (int)(width * summa->local_n), summa->type, from_row, summa->along_column, &step->requests[1]);
}

/* The task: one pair of panels, on all workers of the pool. */
static int32_t multiply_panels(vgpu_worker *worker, void *user_data) {
    const struct step *step = user_data;
    const struct summa *summa = step->summa;
    (void)worker;
    if (summa->local_m == 0 || summa->local_n == 0) {
        return 0; /* more ranks than rows or columns */
    }
    if (multiply(summa, summa->local_m, summa->local_n, panel_width(summa, step->panel), step->a, step->b,
                 step->panel == 0 ? 0.0 : 1.0, summa->c) != VGPU_OK) {
        (void)!vgpu_task_set_error(vgpu_last_error_message());
        return 1;
    }
    return 0;
}

/* Multiplies one pair while the next one travels. MPI moves large messages only while it is called: so this thread calls it, until
 * all has arrived, and sleeps in between. */
static void overlap(struct summa *summa, struct step *here, struct step *next) {
    const uint64_t nap_ns = 50000;
    vgpu_future *product = NULL;
    int arrived = next == NULL;
    double begin;
    if (vgpu_pool_submit(summa->pool, multiply_panels, here, NULL, &product) != VGPU_OK) {
        stop_all(summa, "a panel could not be submitted");
    }
    while (!arrived && vgpu_future_wait_for(product, nap_ns) == VGPU_ERROR_TIMED_OUT) {
        MPI_Testall(2, next->requests, &arrived, MPI_STATUSES_IGNORE);
    }
    if (vgpu_future_get(product, NULL) != VGPU_OK) {
        stop_all(summa, "a panel could not be multiplied");
    }
    (void)vgpu_future_release(product);
    begin = MPI_Wtime();
    if (!arrived) {
        MPI_Waitall(2, next->requests, MPI_STATUSES_IGNORE);
    }
    summa->waited += MPI_Wtime() - begin;
}

/* Says how far it is, once a second. */
static void progress(const struct summa *summa, int64_t done, double begin, double *last) {
    const double now = MPI_Wtime();
    if (summa->rank == 0 && now - *last >= 1.0 && done < summa->panels) {
        printf("panel %lld of %lld, %.0f s\n", (long long)done, (long long)summa->panels, now - begin);
        fflush(stdout);
        *last = now;
    }
}

/* The whole product; returns the seconds of the slowest rank. */
static double run(struct summa *summa) {
    struct step steps[2];
    double begin, last, seconds;
    int64_t panel;
    MPI_Barrier(MPI_COMM_WORLD);
    begin = last = MPI_Wtime();
    send_panels(summa, 0, &steps[0]);
    MPI_Waitall(2, steps[0].requests, MPI_STATUSES_IGNORE);
    summa->waited = MPI_Wtime() - begin;
    for (panel = 0; panel < summa->panels; panel++) {
        struct step *next = panel + 1 < summa->panels ? &steps[(panel + 1) % 2] : NULL;
        if (next != NULL) {
            send_panels(summa, panel + 1, next);
        }
        overlap(summa, &steps[panel % 2], next);
        progress(summa, panel + 1, begin, &last);
    }
    seconds = MPI_Wtime() - begin;
    MPI_Allreduce(MPI_IN_PLACE, &seconds, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    MPI_Allreduce(MPI_IN_PLACE, &summa->waited, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    return seconds;
}

/* The grid, this rank's place and its pool. Returns 0, or prints a sentence and returns -1. */
static int begin(struct summa *summa) {
    struct options *options = &summa->options;
    vgpu_pool_config config;
    int sizes[2] = {0, 0};
    MPI_Dims_create(summa->ranks, 2, sizes);
    summa->rows = sizes[0];
    summa->columns = sizes[1];
    summa->row = summa->rank / summa->columns;
    summa->column = summa->rank % summa->columns;
    MPI_Comm_split(MPI_COMM_WORLD, summa->row, summa->column, &summa->along_row);
    MPI_Comm_split(MPI_COMM_WORLD, summa->column, summa->row, &summa->along_column);
    summa->item = options->is_double ? sizeof(double) : sizeof(float);
    summa->type = options->is_double ? MPI_DOUBLE : MPI_FLOAT;
    if (options->panel > options->k) {
        options->panel = options->k;
    }
    summa->panels = (options->k + options->panel - 1) / options->panel;
    summa->first_m = cut(options->m, summa->rows, summa->row);
    summa->first_n = cut(options->n, summa->columns, summa->column);
    summa->local_m = cut(options->m, summa->rows, summa->row + 1) - summa->first_m;
    summa->local_n = cut(options->n, summa->columns, summa->column + 1) - summa->first_n;
    if (summa->local_m * options->panel > INT_MAX || summa->local_n * options->panel > INT_MAX) {
        fprintf(stderr, "summa: rank %d: a panel of %lld has more elements than a message of MPI; pass a smaller --panel\n",
                summa->rank, (long long)options->panel);
        return -1;
    }
    if (find_place(MPI_COMM_WORLD, &summa->place) != 0) {
        return -1;
    }
    vgpu_pool_config_init(&config);
    config.num_workers = summa->place.workers;
    config.cpus = summa->place.cpus;
    config.num_cpu_words = PLACE_WORDS;
    if (vgpu_pool_create(&config, &summa->pool) != VGPU_OK) {
        fprintf(stderr, "summa: rank %d: %s\n", summa->rank, vgpu_last_error_message());
        return -1;
    }
    return make_blocks(summa);
}

int main(int count, char **arguments) {
    static struct summa summa;
    int thread_level = 0, bad, any;
    MPI_Init_thread(&count, &arguments, MPI_THREAD_FUNNELED, &thread_level);
    MPI_Comm_rank(MPI_COMM_WORLD, &summa.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &summa.ranks);
    if (parse_options(count, arguments, summa.rank == 0, &summa.options) != 0) {
        MPI_Finalize();
        return EXIT_BAD_INPUT;
    }
    bad = begin(&summa) != 0;
    if (!bad && thread_level < MPI_THREAD_FUNNELED) {
        fprintf(stderr, "summa: this MPI does not go with threads (MPI_THREAD_FUNNELED)\n");
        bad = 1;
    }
    MPI_Allreduce(&bad, &any, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    if (!any) {
        const struct options *options = &summa.options;
        const double work = 2e-9 * (double)options->m * (double)options->n * (double)options->k;
        double seconds;
        if (summa.rank == 0) {
            printf("%lld x %lld x %lld, %s, panels of %lld, grid of %d x %d; rank 0 has %u workers on node %u\n", (long long)options->m,
                   (long long)options->n, (long long)options->k, options->is_double ? "double" : "float",
                   (long long)options->panel, summa.rows, summa.columns, (unsigned)summa.place.workers, (unsigned)summa.place.node);
        }
        seconds = run(&summa);
        if (summa.rank == 0) {
            printf("%lld panels in %.3f s, %.1f GFLOPS; %.0f %% of the time was spent waiting for panels\n", (long long)summa.panels,
                   seconds, work / seconds, 100.0 * summa.waited / seconds);
        }
        any = options->check && check(&summa) != 0;
    }
    free_blocks(&summa);
    any |= vgpu_pool_destroy(summa.pool) != VGPU_OK;
    MPI_Comm_free(&summa.along_row);
    MPI_Comm_free(&summa.along_column);
    MPI_Finalize();
    return any ? EXIT_FAILED : 0;
}
