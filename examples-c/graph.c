/* A matrix factorised tile by tile, as a graph: the tiles' dependencies are the edges, and the pool finds the order.
 *
 *     cc graph.c $(pkg-config --cflags --libs vgpu_pool) -lm -o graph && ./graph [order] [tile] [runs]
 *
 * Cholesky: A = L * transpose(L) for a symmetric, positive definite A, the lower half of which is replaced by L. With A cut in
 * tiles, column k takes three kinds of step:
 *
 *     factor  (k, k)     after every update of that tile
 *     solve   (i, k)     after factor (k, k) and every update of tile (i, k); i > k
 *     update  (i, j, k)  tile (i, j) less the product of tiles (i, k) and (j, k), after both were solved; i >= j > k
 *
 * The graph is built once. Each run factorises a fresh copy of the matrix; the last is checked against A.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vgpu_pool.h>

struct matrix {
    double *items; /* order x order, by rows */
    size_t order;
    size_t tile;
};

/* One vertex of the graph: what it does, and to which tiles. */
struct step {
    struct matrix *matrix;
    size_t i, j, k;
};

static double *at(const struct matrix *m, size_t row, size_t column) {
    return &m->items[row * m->order + column];
}

static size_t end_of(const struct matrix *m, size_t tile) {
    const size_t end = (tile + 1) * m->tile;
    return end < m->order ? end : m->order;
}

/* The tile on the diagonal becomes its own factor. Fails when the matrix is not positive definite. */
static int32_t factor(vgpu_worker *worker, void *user_data) {
    const struct step *step = user_data;
    const struct matrix *m = step->matrix;
    const size_t begin = step->k * m->tile;
    const size_t end = end_of(m, step->k);
    size_t r, c, x;
    (void)worker;
    for (c = begin; c < end; c++) {
        double pivot = *at(m, c, c);
        for (x = begin; x < c; x++) {
            pivot -= *at(m, c, x) * *at(m, c, x);
        }
        if (!(pivot > 0.0)) {
            char text[96];
            snprintf(text, sizeof text, "the matrix is not positive definite: pivot %lu is %g", (unsigned long)c, pivot);
            (void)!vgpu_task_set_error(text);
            return 1;
        }
        *at(m, c, c) = sqrt(pivot);
        for (r = c + 1; r < end; r++) {
            double sum = *at(m, r, c);
            for (x = begin; x < c; x++) {
                sum -= *at(m, r, x) * *at(m, c, x);
            }
            *at(m, r, c) = sum / *at(m, c, c);
        }
    }
    return 0;
}

/* A tile below the diagonal is divided by the transposed factor above it. */
static int32_t solve(vgpu_worker *worker, void *user_data) {
    const struct step *step = user_data;
    const struct matrix *m = step->matrix;
    const size_t begin = step->k * m->tile;
    const size_t end = end_of(m, step->k);
    const size_t last_row = end_of(m, step->i);
    size_t r, c, x;
    (void)worker;
    for (r = step->i * m->tile; r < last_row; r++) {
        for (c = begin; c < end; c++) {
            double sum = *at(m, r, c);
            for (x = begin; x < c; x++) {
                sum -= *at(m, r, x) * *at(m, c, x);
            }
            *at(m, r, c) = sum / *at(m, c, c);
        }
    }
    return 0;
}

/* Tile (i, j) less the product of what was solved in column k. On the diagonal only the lower half counts. */
static int32_t update(vgpu_worker *worker, void *user_data) {
    const struct step *step = user_data;
    const struct matrix *m = step->matrix;
    const size_t begin = step->k * m->tile;
    const size_t end = end_of(m, step->k);
    const size_t last_row = end_of(m, step->i);
    const size_t last_column = end_of(m, step->j);
    size_t r, c, x;
    (void)worker;
    for (r = step->i * m->tile; r < last_row; r++) {
        for (c = step->j * m->tile; c < last_column && c <= r; c++) {
            const double *left = at(m, r, begin);
            const double *right = at(m, c, begin);
            double sum = 0.0;
            for (x = 0; x < end - begin; x++) {
                sum += left[x] * right[x];
            }
            *at(m, r, c) -= sum;
        }
    }
    return 0;
}

static int report(const char *what, vgpu_status status) {
    if (status == VGPU_OK) {
        return 0;
    }
    fprintf(stderr, "%s: %s: %s\n", what, vgpu_status_name(status), vgpu_last_error_message());
    return 1;
}

/* The graph under construction. `latest` has, for each tile, the vertex that changed it last, or 0. */
struct plan {
    struct matrix *matrix;
    vgpu_graph *graph;
    vgpu_vertex *latest;
    struct step *steps;
    size_t tiles;
    size_t count;
    int failures;
};

static void after(struct plan *plan, size_t i, size_t j, vgpu_vertex vertex) {
    const vgpu_vertex before = plan->latest[i * plan->tiles + j];
    if (before != 0) {
        plan->failures += report("vgpu_graph_precede", vgpu_graph_precede(plan->graph, before, vertex));
    }
}

/* A step that changes tile (i, j) with column k. It comes after whatever changed that tile. */
static vgpu_vertex add(struct plan *plan, const char *what, vgpu_task_fn function, size_t i, size_t j, size_t k) {
    struct step *step = &plan->steps[plan->count++];
    vgpu_vertex vertex = 0;
    char name[64];
    step->matrix = plan->matrix;
    step->i = i;
    step->j = j;
    step->k = k;
    snprintf(name, sizeof name, "%s(%lu,%lu,%lu)", what, (unsigned long)i, (unsigned long)j, (unsigned long)k);
    plan->failures += report("vgpu_graph_add", vgpu_graph_add(plan->graph, name, function, step, NULL, &vertex));
    after(plan, i, j, vertex);
    return vertex;
}

static void build(struct plan *plan) {
    const size_t n = plan->tiles;
    size_t i, j, k;
    for (k = 0; k < n; k++) {
        plan->latest[k * n + k] = add(plan, "factor", factor, k, k, k);
        for (i = k + 1; i < n; i++) {
            const vgpu_vertex vertex = add(plan, "solve", solve, i, k, k);
            after(plan, k, k, vertex);
            plan->latest[i * n + k] = vertex;
        }
        for (i = k + 1; i < n; i++) {
            for (j = k + 1; j <= i; j++) {
                const vgpu_vertex vertex = add(plan, "update", update, i, j, k);
                after(plan, i, k, vertex);
                after(plan, j, k, vertex); /* the same tile on the diagonal: an edge given twice is one */
                plan->latest[i * n + j] = vertex;
            }
        }
    }
    plan->failures += report("vgpu_graph_build", vgpu_graph_build(plan->graph));
}

/* The largest difference between A and L * transpose(L), in units of A's largest element. */
static double error_of(const double *original, const struct matrix *m) {
    double worst = 0.0;
    double largest = 0.0;
    size_t r, c, x;
    for (r = 0; r < m->order; r++) {
        for (c = 0; c <= r; c++) {
            double sum = 0.0;
            for (x = 0; x <= c; x++) {
                sum += *at(m, r, x) * *at(m, c, x);
            }
            worst = fmax(worst, fabs(sum - original[r * m->order + c]));
            largest = fmax(largest, fabs(original[r * m->order + c]));
        }
    }
    return worst / largest;
}

static size_t number(int count, char **arguments, int index, size_t fallback) {
    return count > index ? (size_t)strtoul(arguments[index], NULL, 10) : fallback;
}

int main(int count, char **arguments) {
    const size_t order = number(count, arguments, 1, 500);
    const size_t tile = number(count, arguments, 2, 50);
    const size_t runs = number(count, arguments, 3, 5);
    struct matrix matrix;
    struct plan plan;
    vgpu_pool *pool = NULL;
    double *original;
    double error = 0.0;
    uint64_t random = 1;
    vgpu_status status;
    size_t i, j;

    if (order == 0 || tile == 0 || runs == 0 || order > 20000) {
        fprintf(stderr, "usage: graph [order up to 20000] [tile] [runs], none of them 0\n");
        return 2;
    }
    memset(&plan, 0, sizeof plan);
    plan.matrix = &matrix;
    plan.tiles = (order + tile - 1) / tile;
    matrix.order = order;
    matrix.tile = tile;
    matrix.items = malloc(order * order * sizeof *matrix.items);
    original = malloc(order * order * sizeof *original);
    plan.latest = calloc(plan.tiles * plan.tiles, sizeof *plan.latest);
    plan.steps = malloc(plan.tiles * (plan.tiles + 1) * (plan.tiles + 2) / 6 * sizeof *plan.steps);
    if (matrix.items == NULL || original == NULL || plan.latest == NULL || plan.steps == NULL) {
        fprintf(stderr, "no memory for a matrix of order %lu\n", (unsigned long)order);
        return 1;
    }
    /* Symmetric, and so heavy on the diagonal that it is positive definite. */
    for (i = 0; i < order; i++) {
        for (j = 0; j <= i; j++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            original[i * order + j] = (double)(random >> 40) / (double)(1 << 24) + (i == j ? (double)order : 0.0);
            original[j * order + i] = original[i * order + j];
        }
    }

    if (report("vgpu_pool_create", vgpu_pool_create(NULL, &pool)) != 0 ||
        report("vgpu_graph_create", vgpu_graph_create(NULL, &plan.graph)) != 0) {
        return 1;
    }
    build(&plan);
    printf("order %lu in tiles of %lu: a graph of %lu vertices, %u workers\n", (unsigned long)order, (unsigned long)tile,
           (unsigned long)plan.count, (unsigned)vgpu_pool_num_workers(pool));
    for (i = 0; i < runs && plan.failures == 0; i++) {
        memcpy(matrix.items, original, order * order * sizeof *original);
        plan.failures += report("vgpu_graph_run", vgpu_graph_run(plan.graph, pool, NULL));
    }
    if (plan.failures == 0) {
        error = error_of(original, &matrix);
        printf("factorised %lu times; L * transpose(L) differs from A by %.1e\n", (unsigned long)runs, error);
        plan.failures += !(error < 1e-12);
    }

    /* A matrix that has no factor: the step that finds it fails, and what comes after it is skipped. */
    if (plan.failures == 0) {
        memcpy(matrix.items, original, order * order * sizeof *original);
        *at(&matrix, order / 2, order / 2) = -1.0;
        status = vgpu_graph_run(plan.graph, pool, NULL);
        printf("%s: %s; %lu vertices were skipped\n", vgpu_status_name(status), vgpu_last_error_message(),
               (unsigned long)vgpu_graph_skipped(plan.graph));
        plan.failures += status != VGPU_ERROR_TASK_FAILED;
    }

    plan.failures += report("vgpu_graph_destroy", vgpu_graph_destroy(plan.graph));
    plan.failures += report("vgpu_pool_destroy", vgpu_pool_destroy(pool));
    free(plan.steps);
    free(plan.latest);
    free(original);
    free(matrix.items);
    return plan.failures == 0 ? 0 : 1;
}
