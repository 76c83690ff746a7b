/* The statistics of a pool, as C reads them. */
#define _GNU_SOURCE
#include "check.h"

#include <string.h>
#include <vgpu_pool.h>

static int32_t nothing(vgpu_worker *worker, void *user_data) {
    (void)worker;
    (void)user_data;
    return 0;
}

int main(void) {
    vgpu_pool_config config;
    vgpu_pool *pool;
    vgpu_stats stats = {sizeof stats, sizeof(vgpu_worker_stats), 0, 0, 0, 0};
    vgpu_worker_stats workers[4];
    uint64_t executed;
    uint32_t i;

    vgpu_pool_config_init(&config);
    config.num_workers = 3;
    CHECK_OK(vgpu_pool_create(&config, &pool));
    for (i = 0; i < 100; i++) {
        vgpu_future *future;
        CHECK_OK(vgpu_pool_submit(pool, nothing, NULL, NULL, &future));
        CHECK_OK(vgpu_future_wait(future));
        vgpu_future_release(future);
    }

    /* All workers, with room for one more, which stays as it was. */
    memset(workers, 0x55, sizeof workers);
    CHECK_OK(vgpu_pool_stats(pool, &stats, workers, 4));
    CHECK(stats.num_workers == 3 && stats.elapsed_ns > 0 && stats.executed_outside == 0);
    CHECK(workers[3].executed == 0x5555555555555555u);
    executed = 0;
    for (i = 0; i < 3; i++) {
        uint64_t tried = 0, done = 0;
        int at;
        for (at = 0; at < VGPU_DISTANCES; at++) {
            tried += workers[i].steals_tried[at];
            done += workers[i].steals_done[at];
        }
        CHECK(done == 0 && tried >= done);
        CHECK(workers[i].searching_ns + workers[i].sleeping_ns <= stats.elapsed_ns + 2);
        executed += workers[i].executed;
    }
    CHECK(executed == 100);

    /* A program that knows less gets less, at its own stride. */
    {
        vgpu_stats small = {16, 16, 0, 7, 1234, 5678};
        uint64_t pairs[6];
        memset(pairs, 0x55, sizeof pairs);
        CHECK_OK(vgpu_pool_stats(pool, &small, (vgpu_worker_stats *)(void *)pairs, 2));
        CHECK(small.num_workers == 3 && small.elapsed_ns == 1234 && small.executed_outside == 5678);
        CHECK(pairs[0] == workers[0].executed && pairs[2] == workers[1].executed);
        CHECK(pairs[4] == 0x5555555555555555u && pairs[5] == 0x5555555555555555u);
        /* And one that knows more finds zeroes. */
        {
            unsigned char more[3][sizeof(vgpu_worker_stats) + 8];
            vgpu_stats large = {sizeof large, sizeof more[0], 0, 0, 0, 0};
            memset(more, 0x55, sizeof more);
            CHECK_OK(vgpu_pool_stats(pool, &large, (vgpu_worker_stats *)(void *)more, 3));
            for (i = 0; i < 3; i++) {
                uint64_t tail;
                memcpy(&tail, more[i] + sizeof(vgpu_worker_stats), sizeof tail);
                CHECK(tail == 0);
                memcpy(&tail, more[i], sizeof tail);
                CHECK(tail == workers[i].executed);
            }
        }
    }

    /* What cannot be right. */
    CHECK(vgpu_pool_stats(NULL, &stats, workers, 4) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(vgpu_pool_stats(pool, NULL, workers, 4) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(vgpu_pool_stats(pool, &stats, NULL, 4) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK_OK(vgpu_pool_stats(pool, &stats, NULL, 0));
    stats.struct_size = 0;
    CHECK(vgpu_pool_stats(pool, &stats, workers, 4) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(strstr(vgpu_last_error_message(), "struct_size") != NULL);
    stats.struct_size = sizeof stats;
    stats.worker_size = 12;
    CHECK(vgpu_pool_stats(pool, &stats, workers, 4) == VGPU_ERROR_INVALID_ARGUMENT);
    CHECK(strstr(vgpu_last_error_message(), "worker_size") != NULL);

    /* The report, whole and cut. */
    {
        char text[4096], cut[20];
        size_t length = 0, again = 0;
        CHECK_OK(vgpu_pool_report(pool, text, sizeof text, &length));
        CHECK(length == strlen(text) && strncmp(text, "3 workers in ", 13) == 0 && text[length - 1] == '\n');
        CHECK(strstr(text, "100 tasks run") != NULL);
        memset(cut, 0x55, sizeof cut);
        CHECK_OK(vgpu_pool_report(pool, cut, 14, &again));
        CHECK(strlen(cut) == 13 && strncmp(cut, "3 workers in ", 13) == 0 && cut[14] == 0x55 && again > 14);
        CHECK_OK(vgpu_pool_report(pool, NULL, 0, &again));
        CHECK_OK(vgpu_pool_report(pool, text, sizeof text, NULL));
        CHECK(vgpu_pool_report(pool, NULL, 1, &again) == VGPU_ERROR_INVALID_ARGUMENT);
        CHECK(vgpu_pool_report(NULL, text, sizeof text, &again) == VGPU_ERROR_INVALID_ARGUMENT);
    }

    CHECK_OK(vgpu_pool_destroy(pool));
    return 0;
}
