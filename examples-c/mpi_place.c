#include "mpi_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vgpu_pool.h>

enum { MOST_CPUS = 64 * PLACE_WORDS, MOST_NODES = 1024 };

/* What tells ranks of the same host apart: those that see the same CPUs of the same node share them. */
struct view {
    uint32_t node;
    uint32_t cpus;
    uint32_t first;
};

/* The node for rank `rank` of `ranks`: neighbours share one if there are more ranks than nodes, and are far apart otherwise. */
static int pick_node(const vgpu_node *nodes, uint32_t count, int rank, int ranks, uint32_t *node) {
    uint32_t usable = 0, wanted, i;
    for (i = 0; i < count; i++) {
        usable += nodes[i].num_cpus > 0;
    }
    if (usable == 0) {
        return -1;
    }
    wanted = (uint32_t)((uint64_t)rank * usable / (uint64_t)ranks);
    for (i = 0; i < count; i++) {
        if (nodes[i].num_cpus > 0 && wanted-- == 0) {
            break;
        }
    }
    *node = nodes[i].number;
    return 0;
}

/* Takes part `part` of `parts` of the node's CPUs; with fewer CPUs than parts, one that others have, too. */
static void take_cpus(const vgpu_cpu *cpus, uint32_t count, uint32_t on_node, uint32_t part, uint32_t parts, struct place *place) {
    const uint32_t begin = on_node < parts ? part % on_node : (uint32_t)((uint64_t)on_node * part / parts);
    const uint32_t end = on_node < parts ? begin + 1 : (uint32_t)((uint64_t)on_node * (part + 1) / parts);
    uint32_t seen = 0, i;
    for (i = 0; i < count; i++) {
        if (cpus[i].node == place->node) {
            if (seen >= begin && seen < end) {
                place->cpus[cpus[i].number / 64] |= (uint64_t)1 << (cpus[i].number % 64);
                place->workers++;
            }
            seen++;
        }
    }
}

int find_place(MPI_Comm all, struct place *place) {
    vgpu_topology machine;
    vgpu_cpu *cpus = malloc(MOST_CPUS * sizeof *cpus);
    vgpu_node *nodes = malloc(MOST_NODES * sizeof *nodes);
    struct view mine = {0, 0, 0};
    struct view *views = NULL;
    MPI_Comm host;
    int rank, ranks, i, result = -1;
    uint32_t cpu, part = 0, parts = 0;
    memset(place, 0, sizeof *place);
    memset(&machine, 0, sizeof machine);
    machine.struct_size = sizeof machine;
    machine.cpu_size = sizeof *cpus;
    machine.node_size = sizeof *nodes;
    MPI_Comm_split_type(all, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host);
    MPI_Comm_rank(host, &rank);
    MPI_Comm_size(host, &ranks);
    views = malloc((size_t)ranks * sizeof *views);
    if (cpus == NULL || nodes == NULL || views == NULL) {
        fprintf(stderr, "summa: no memory for a list of the CPUs\n");
    } else if (vgpu_topology_get(&machine, cpus, MOST_CPUS, nodes, MOST_NODES, NULL) != VGPU_OK) {
        fprintf(stderr, "summa: %s\n", vgpu_last_error_message());
    } else if (machine.num_cpus > MOST_CPUS || machine.num_nodes > MOST_NODES || cpus[machine.num_cpus - 1].number >= MOST_CPUS) {
        fprintf(stderr, "summa: this host has more than %d CPUs or %d nodes; raise the limits in mpi_place.c\n", MOST_CPUS, MOST_NODES);
    } else if (pick_node(nodes, machine.num_nodes, rank, ranks, &place->node) != 0) {
        fprintf(stderr, "summa: no node has CPUs that this process may use\n");
    } else {
        mine.node = place->node;
        for (cpu = 0; cpu < machine.num_cpus; cpu++) {
            if (cpus[cpu].node == place->node && mine.cpus++ == 0) {
                mine.first = cpus[cpu].number;
            }
        }
        result = 0;
    }
    /* Who has failed takes part nevertheless, with no CPUs, so that the others need not wait for it. */
    if (views != NULL) {
        MPI_Allgather(&mine, 3, MPI_UINT32_T, views, 3, MPI_UINT32_T, host);
        for (i = 0; i < ranks; i++) {
            if (memcmp(&views[i], &mine, sizeof mine) == 0) {
                part += i < rank;
                parts++;
            }
        }
    } else {
        MPI_Abort(all, 1); /* without room for a few numbers there is no way to go on together */
    }
    if (result == 0) {
        take_cpus(cpus, machine.num_cpus, mine.cpus, part, parts, place);
    }
    MPI_Comm_free(&host);
    free(views);
    free(nodes);
    free(cpus);
    return result;
}
