// Scratch memory of the calling thread: grows to the largest request and is kept, so that a steady
// step allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lockstep::kernels::cpu {

// Each purpose is one block: a kernel may hold one block of each at a time.
enum class Scratch : std::uint8_t {
  image,
  gradient,
  weights,
  bias,
  sums,
  left,
  right,
  result,
  wide_x,  // widened.cpp and onednn.cpp: operands and results of another dtype or layout
  wide_weight,
  wide_bias,
  wide_y,
  wide_g,
  library
};
inline constexpr int scratch_purposes = 14;

// 64-byte aligned, content unspecified, valid until the thread's next request for the same purpose.
void* scratch_bytes(Scratch purpose, std::size_t bytes);

template <class T> T* scratch(Scratch purpose, std::int64_t count) {
  return static_cast<T*>(scratch_bytes(purpose, static_cast<std::size_t>(count) * sizeof(T)));
}

}  // namespace lockstep::kernels::cpu
