// The main function of a peer: the first of several measurements that knows the program, on a thread with the stack asked for.
#pragma once

#include "request.hpp"

#include <optional>
#include <pthread.h>

using Measurement = std::optional<Sample> (*)(const Request &);

class Peer {
    Request request;
    std::string version;
    std::vector<Measurement> measurements;
    int exit_status = 1;

    void measure() {
        for (Measurement measurement : measurements) {
            if (std::optional<Sample> sample = measurement(request)) {
                sample->print(request, version);
                exit_status = 0;
                return;
            }
        }
        std::fprintf(stderr, "%s does not run %s\n", request.implementation.c_str(), request.program.c_str());
    }

  public:
    Peer(int argc, char **argv, std::string version, std::vector<Measurement> measurements)
        : request(argc, argv), version(std::move(version)), measurements(std::move(measurements)) {}

    // Where the calling thread is one of the workers it needs the same stack as they.
    int run() {
        pthread_attr_t attributes;
        pthread_t thread;
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, request.stack);
        auto start = [](void *peer) -> void * {
            static_cast<Peer *>(peer)->measure();
            return nullptr;
        };
        if (pthread_create(&thread, &attributes, start, this) != 0) {
            std::fprintf(stderr, "no thread with a stack of %zu bytes\n", request.stack);
            return 1;
        }
        pthread_join(thread, nullptr);
        return exit_status;
    }
};
