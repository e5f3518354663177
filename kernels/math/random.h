// Random numbers from the words of a counter-based generator, the same on every backend.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/math/element.h"
#include "kernels/math/hd.h"

namespace lockstep::kernels::math {

// low + width * u with u in [0, 1), and no more than `most`, which is below the bound.
template <class A> LS_HD A uniform(std::uint32_t word, A low, A width, A most) {
  const A unit = static_cast<A>(static_cast<std::int32_t>(word >> 8)) * A(0x1p-24);
  const A value = low + width * unit;
  return value > most ? most : value;
}

// The largest value of T below `bound`.
template <class T> Real<T> just_below(double bound) {
  using A = Real<T>;
  A value = static_cast<A>(bound);
  if constexpr (!is_half<T>) {
    return static_cast<double>(value) < bound
               ? value
               : std::nextafter(value, -std::numeric_limits<A>::infinity());
  } else {
    A step = std::nextafter(value, -std::numeric_limits<A>::infinity());
    while (static_cast<double>(converted<A>(T(step))) >= bound)
      step -= std::abs(value) * A(0x1p-12) + A(0x1p-26);
    return converted<A>(T(step));
  }
}

// Box, Muller, "A note on the generation of random normal deviates", 1958: words 2k and 2k + 1 make
// elements 2k (cosine) and 2k + 1 (sine). The first word gives the number whose logarithm the
// radius is made of, in (0, 1), the second the angle.
template <class A> LS_HD A radius_unit(std::uint32_t word) {
  return (static_cast<A>(word) + A(0.5)) * A(0x1p-32);
}
template <class A> LS_HD A angle(std::uint32_t word) {
  return static_cast<A>(static_cast<std::int32_t>(word >> 8)) *
         A(0x1p-24 * 6.283185307179586476925);
}
template <class A> LS_HD A radius(A unit, A deviation) {
  return deviation * std::sqrt(A(-2) * std::log(unit));
}

// Dropout keeps an element whose word is at least this: an integer, so that all backends agree.
inline std::uint64_t dropout_threshold(double rate) {
  return static_cast<std::uint64_t>(std::ceil(rate * 0x1p32));
}

}  // namespace lockstep::kernels::math
