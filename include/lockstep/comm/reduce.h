// How the ranks' values of one element become one value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lockstep::comm {

// mean is the sum times 1/n (one rounding each), for floating-point types only; bool takes min (all
// of them) and max (any of them).
enum class Reduce : std::uint8_t { sum, mean, product, min, max };

inline constexpr Reduce all_reductions[] = {Reduce::sum, Reduce::mean, Reduce::product, Reduce::min,
                                            Reduce::max};

constexpr std::string_view name_of(Reduce op) {
  constexpr std::string_view names[] = {"sum", "mean", "product", "min", "max"};
  return names[static_cast<std::size_t>(op)];
}

}  // namespace lockstep::comm
