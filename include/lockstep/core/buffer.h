// Typed memory without a shape: what a communicator moves.
#pragma once

#include <cstdint>

#include "lockstep/base/dtype.h"
#include "lockstep/core/allocator.h"

namespace lockstep::core {

// `count` elements; `keep`, where given, stays alive as long as an operation uses the buffer.
struct Buffer {
  void* data = nullptr;
  std::int64_t count = 0;
  DType dtype = DType::f32;
  Device device;
  Memory keep;

  std::size_t bytes() const { return static_cast<std::size_t>(count) * size_of(dtype); }
};

struct ConstBuffer {
  const void* data = nullptr;
  std::int64_t count = 0;
  DType dtype = DType::f32;
  Device device;
  Memory keep;

  ConstBuffer() = default;
  ConstBuffer(const void* first, std::int64_t elements, DType type, Device where = {},
              Memory owner = {})
      : data(first), count(elements), dtype(type), device(where), keep(std::move(owner)) {}
  ConstBuffer(const Buffer& b)
      : data(b.data), count(b.count), dtype(b.dtype), device(b.device), keep(b.keep) {}
  std::size_t bytes() const { return static_cast<std::size_t>(count) * size_of(dtype); }
};

}  // namespace lockstep::core
