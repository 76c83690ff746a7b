// What a process is asked to do, and the line in which it answers.
#pragma once

#include "../kernels/kernels.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

struct Request {
    std::string program;
    std::string implementation;
    unsigned workers;
    std::uint64_t size;
    std::size_t stack;
    bool count; // forks or allocations are counted, and no time is kept

    Request(int argc, char **argv) {
        if (argc != 7) {
            std::fprintf(stderr, "usage: %s PROGRAM IMPL WORKERS SIZE STACK_KIB time|count\n", argv[0]);
            std::exit(2);
        }
        program = argv[1];
        implementation = argv[2];
        workers = unsigned(std::strtoul(argv[3], nullptr, 10));
        size = std::strtoull(argv[4], nullptr, 10);
        stack = std::strtoull(argv[5], nullptr, 10) << 10;
        count = std::strcmp(argv[6], "count") == 0;
    }
};

struct Sample {
    double seconds = 0;
    double cpu_s = 0;
    std::string check;
    std::uint64_t units = 0;
    std::vector<std::uint64_t> latencies_ns;
    std::vector<std::uint64_t> lateness_ns;
    std::map<std::string, double> extra;

    void print(const Request &request, const std::string &version) const {
        std::printf("{\"program\":\"%s\",\"impl\":\"%s\",\"version\":\"%s\",", request.program.c_str(),
                    request.implementation.c_str(), version.c_str());
        std::printf("\"seconds\":%.9f,\"cpu_s\":%.9f,\"rss_kib\":%llu,\"check\":\"%s\",\"units\":%llu,", seconds, cpu_s,
                    static_cast<unsigned long long>(kernel_peak_rss_kib()), check.c_str(),
                    static_cast<unsigned long long>(units));
        print_list("latencies_ns", latencies_ns);
        print_list("lateness_ns", lateness_ns);
        std::printf("\"extra\":{");
        const char *comma = "";
        for (const auto &[name, value] : extra) {
            std::printf("%s\"%s\":%.9g", comma, name.c_str(), value);
            comma = ",";
        }
        std::printf("}}\n");
    }

  private:
    static void print_list(const char *name, const std::vector<std::uint64_t> &values) {
        std::printf("\"%s\":[", name);
        const char *comma = "";
        for (std::uint64_t value : values) {
            std::printf("%s%llu", comma, static_cast<unsigned long long>(value));
            comma = ",";
        }
        std::printf("],");
    }
};

// Wall time and CPU time of a part of the process's life.
class Stopwatch {
    std::uint64_t cpu_ns = kernel_process_cpu_ns();
    std::uint64_t wall_ns = kernel_now_ns();

  public:
    void stop(Sample &sample) const {
        sample.seconds = double(kernel_now_ns() - wall_ns) * 1e-9;
        sample.cpu_s = double(kernel_process_cpu_ns() - cpu_ns) * 1e-9;
    }
};

// The compiler is told that `value` may be anything.
template <class T> T opaque(T value) {
    asm volatile("" : "+r"(value) : : "memory");
    return value;
}
