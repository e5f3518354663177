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
    bool is_dense = true;
    for (int i = rank() - 1; i >= 0; --i) {
      is_dense = is_dense && (sizes[i] == 1 || strides[i] == step);
      step *= sizes[i];
    }
    return is_dense || step == 0;  // no elements, no gaps
  }
  template <class T> T* as() const { return static_cast<T*>(data); }
};

}  // namespace lockstep
