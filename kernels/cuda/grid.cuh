// What all elementwise kernels share: packs of elements that are loaded at once, and the size of a
// grid.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/families.h"

namespace lockstep::kernels::cuda {

inline constexpr int block_threads = 256;
// Blocks of a grid-stride loop for each multiprocessor: as many as fit.
inline constexpr int blocks_per_multiprocessor = 8;

template <class T, int width> struct alignas(sizeof(T) * width) Pack { T values[width]; };
// Elements that 16 bytes hold, the widest load of a thread; f64, which is there for checks, goes
// one by one.
template <class T>
inline constexpr int pack_width = sizeof(T) == 8 ? 1 : static_cast<int>(16 / sizeof(T));

// Loads a pack, or one element for all of it.
template <int width, class T>
__device__ __forceinline__ Pack<T, width> loaded(const T* from, bool is_constant) {
  if (width > 1 && !is_constant) return *reinterpret_cast<const Pack<T, width>*>(from);
  Pack<T, width> all;
#pragma unroll
  for (int k = 0; k < width; ++k) all.values[k] = *from;
  return all;
}

inline unsigned blocks_for(const Launch& on, std::int64_t steps) {
  const std::int64_t most =
      std::int64_t{on.device.properties.multiprocessors} * blocks_per_multiprocessor;
  return static_cast<unsigned>(
      std::clamp<std::int64_t>((steps + block_threads - 1) / block_threads, 1, most));
}

// Called after every launch: names it for errors that show later, and checks its configuration.
inline void launched(const Launch& on, const char* family, const char* op) {
  on.device.launches.note(family, op);
  on.device.check(on.device.runtime.last_error(), family);
}

}  // namespace lockstep::kernels::cuda
