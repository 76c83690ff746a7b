/* Where a rank computes: the CPUs and the NUMA node that are its share of its host. */
#ifndef MPI_PLACE_H
#define MPI_PLACE_H

#include <stdint.h>

#include <mpi.h>

enum { PLACE_WORDS = 64 }; /* CPU numbers below 4096 */

struct place {
    uint32_t node;              /* by the system's number */
    uint32_t workers;           /* how many CPUs are in the set */
    uint64_t cpus[PLACE_WORDS]; /* CPU n is bit n % 64 of word n / 64 */
};

/* Deals the nodes of each host out to its ranks, and the CPUs of a node to the ranks that are on it. CPUs that mpirun has withheld from
 * a rank are not counted. To be called by all ranks together. Returns 0, or prints a sentence and returns -1. */
int find_place(MPI_Comm all, struct place *place);

#endif
