// What jolt.hpp uses of Jolt, as its documentation says it.
#pragma once
#include <cstdint>
namespace JPH {
using uint = unsigned int;
using uint32 = std::uint32_t;
struct Color {};
using ColorArg = const Color &;
} // namespace JPH
