// What a kernel sees of a tensor: a pointer, a type, sizes and strides; plain, of fixed size,
// owning nothing.
#pragma once

#include <cstdint>

#include "lockstep/base/dtype.h"
#include "lockstep/core/shape.h"

namespace lockstep {

struct View {
  void* data = nullptr;
  DType dtype = DType::f32;
  Shape sizes;
  Shape strides;  // in elements; 0 on a broadcast axis

  int rank() const { return sizes.rank(); }
  std::int64_t elements() const { return sizes.elements(); }
  bool is_contiguous() const {
    std::int64_t step = 1;
    for (int i = rank() - 1; i >= 0; --i) {
      if (sizes[i] != 1 && strides[i] != step) return false;
      step *= sizes[i];
    }
    return true;
  }
  template <class T> T* as() const { return static_cast<T*>(data); }
};

}  // namespace lockstep
