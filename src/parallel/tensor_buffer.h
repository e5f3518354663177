// A tensor's elements as what a communicator moves.
#pragma once

#include "lockstep/core/buffer.h"
#include "lockstep/tensor/tensor.h"

namespace lockstep::parallel {

// All elements of a contiguous tensor; the buffer keeps their memory alive.
inline core::Buffer buffer_of(const Tensor& x) {
  return {x.view().data, x.elements(), x.dtype(), x.device(), x.storage()->memory()};
}

}  // namespace lockstep::parallel
