/* What the library tells of the machine, beside what the system says. */
#define _GNU_SOURCE
#include "check.h"

#include <sched.h>

enum { MOST_CPUS = 1024, MOST_NODES = 64 };
static vgpu_cpu cpus[MOST_CPUS];
static vgpu_node nodes[MOST_NODES];
static uint32_t distances[MOST_NODES * MOST_NODES];

static const vgpu_topology SIZES = {sizeof(vgpu_topology), sizeof(vgpu_cpu), sizeof(vgpu_node), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

static void whole_machine(void) {
    vgpu_topology machine = SIZES;
    cpu_set_t allowed;
    uint32_t numbers[MOST_NODES];
    size_t count = 0;
    uint32_t i;
    uint32_t k;
    uint32_t on_nodes = 0;
    section("CPUs, nodes and distances");
    REQUIRE(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    CHECK_OK(vgpu_topology_get(&machine, cpus, MOST_CPUS, nodes, MOST_NODES, distances));
    CHECK(machine.num_cpus == (uint32_t)CPU_COUNT(&allowed) && machine.num_cpus == vgpu_available_cpus());
    CHECK(machine.default_workers >= 1 && machine.default_workers <= machine.num_cpus);
    CHECK(machine.line_bytes >= 16);
    CHECK_OK(vgpu_node_numbers(numbers, MOST_NODES, &count));
    REQUIRE(machine.num_nodes == count && count >= 1 && count <= MOST_NODES);
    for (i = 0; i < machine.num_nodes; i++) {
        CHECK(nodes[i].number == numbers[i] && nodes[i].reserved == 0);
        CHECK((nodes[i].flags & VGPU_NODE_HAS_MEMORY) == 0 || nodes[i].memory_bytes > 0);
        on_nodes += nodes[i].num_cpus;
        for (k = 0; k < machine.num_nodes; k++) {
            const uint32_t distance = distances[i * MOST_NODES + k];
            CHECK(i == k ? distance == 10 : distance > 10);
        }
    }
    CHECK(on_nodes == machine.num_cpus);
    for (i = 0; i < machine.num_cpus; i++) {
        int is_known = 0;
        CHECK(CPU_ISSET(cpus[i].number, &allowed));
        CHECK(i == 0 || cpus[i].number > cpus[i - 1].number);
        CHECK(cpus[i].capacity >= 1 && cpus[i].capacity <= 1024);
        for (k = 0; k < machine.num_nodes; k++) is_known |= nodes[k].number == cpus[i].node;
        CHECK(is_known);
    }
}

/* A thread that may use one CPU is told of one. */
static void one_cpu(void) {
    vgpu_topology machine = SIZES;
    cpu_set_t before;
    cpu_set_t one;
    section("a thread with one CPU");
    REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
    CPU_ZERO(&one);
    CPU_SET(cpus[0].number, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) {
        printf("   the system refuses it\n");
        return;
    }
    CHECK_OK(vgpu_topology_get(&machine, NULL, 0, NULL, 0, NULL));
    CHECK(machine.num_cpus == 1 && machine.default_workers == 1);
    REQUIRE(sched_setaffinity(0, sizeof before, &before) == 0);
}

/* An older program has shorter structs, and too little room is no error. */
static void sizes(void) {
    vgpu_topology machine = SIZES;
    uint32_t numbers[4] = {77, 77, 77, 77};
    section("older programs, and too little room");
    memset(&machine.l1d_bytes, 0x5a, sizeof machine.l1d_bytes);
    machine.struct_size = 24;
    machine.cpu_size = 8;
    CHECK_OK(vgpu_topology_get(&machine, (vgpu_cpu *)(void *)numbers, 1, NULL, 0, NULL));
    CHECK(machine.num_cpus >= 1 && machine.l1d_bytes == UINT64_C(0x5a5a5a5a5a5a5a5a));
    CHECK(numbers[0] == cpus[0].number && numbers[1] == cpus[0].core && numbers[2] == 77);
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_topology_get(NULL, NULL, 0, NULL, 0, NULL));
    machine.struct_size = 4;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_topology_get(&machine, NULL, 0, NULL, 0, NULL));
    machine.struct_size = UINT32_MAX - 7;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_topology_get(&machine, NULL, 0, NULL, 0, NULL));
    machine = SIZES;
    machine.node_size = 0;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_topology_get(&machine, NULL, 0, NULL, 0, NULL));
    machine = SIZES;
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_topology_get(&machine, NULL, 1, NULL, 0, NULL));
    CHECK_STATUS(VGPU_ERROR_INVALID_ARGUMENT, vgpu_topology_get(&machine, NULL, 0, NULL, 1, NULL));
    CHECK(machine.num_cpus == 0);
}

int main(void) {
    whole_machine();
    one_cpu();
    sizes();
    return check_done();
}
