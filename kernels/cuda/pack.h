// Packs of elements that a thread loads and stores at once.
#pragma once

#include <cstdint>

#include "kernels/math/hd.h"

namespace lockstep::kernels::cuda {

template <class T, int width> struct alignas(sizeof(T) * width) Pack { T values[width]; };
// Elements that 16 bytes hold, the widest load of a thread; f64, which is there for checks, goes
// one by one.
template <class T>
inline constexpr int pack_width = sizeof(T) == 8 ? 1 : static_cast<int>(16 / sizeof(T));

// Loads a pack, or one element for all of it.
template <int width, class T> LS_HD Pack<T, width> loaded(const T* from, bool is_constant) {
  if (width > 1 && !is_constant) return *reinterpret_cast<const Pack<T, width>*>(from);
  Pack<T, width> all;
  for (int k = 0; k < width; ++k) all.values[k] = *from;
  return all;
}

}  // namespace lockstep::kernels::cuda
