// Tensors that claim to lie on cuda:1, to see who refuses them.
#pragma once

#include <utility>

#include "lockstep/core/storage.h"
#include "lockstep/tensor/tensor.h"

namespace lockstep::tests {

// Shape and dtype of `x`; its elements are not to be read.
inline Tensor on_other_device(const Tensor& x) {
  static double memory[4096];
  const auto keep = [](core::Block* block) noexcept { delete block; };
  core::Memory block =
      core::Memory::adopt(new core::Block(memory, sizeof memory, {DeviceType::cuda, 1}, +keep));
  return {make_shared_object<core::Storage>(std::move(block), std::size_t{0}, sizeof memory), 0,
          x.shape(), contiguous_strides(x.shape()), x.dtype()};
}

}  // namespace lockstep::tests
