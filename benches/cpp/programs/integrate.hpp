// The area under a curve by trapezia, halved until halving changes nothing.
#pragma once

#include "../pool.hpp"
#include "../request.hpp"

#include <cmath>

class Integral {
    // A trapezium is good enough when its halves differ from it by less.
    static constexpr double tolerance = 1e-6;
    double to;

    template <class P> static double integrate(typename P::Worker worker, double left, double right, double area) {
        using Worker = typename P::Worker;
        double middle = left + (right - left) / 2.0;
        double area_left = kernel_trapezium(left, middle), area_right = kernel_trapezium(middle, right);
        if (std::fabs(area_left + area_right - area) < tolerance) {
            return area_left + area_right;
        }
        double a, b;
        P::join(
            worker, [&](Worker worker) { a = integrate<P>(worker, left, middle, area_left); },
            [&](Worker worker) { b = integrate<P>(worker, middle, right, area_right); });
        return a + b;
    }

  public:
    static constexpr std::uint64_t warm_up = 20;
    using Answer = double;

    explicit Integral(std::uint64_t to) : to(double(to)) {}
    template <class P> Answer run(typename P::Worker worker) {
        double end = to;
        return integrate<P>(worker, 0.0, end, kernel_trapezium(0.0, end));
    }
    std::string check(Answer area) {
        double exact = to * to * to * to / 4.0 + to * to / 2.0;
        bool good = std::fabs(area - exact) < std::fmax(0.01, exact * 1e-9);
        std::string end = std::to_string(std::uint64_t(to));
        return good ? end + ": exact" : end + ": " + std::to_string(area) + ", not " + std::to_string(exact);
    }
};
