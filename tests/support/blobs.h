// A classification task that a small model learns within seconds: points around four corners.
#pragma once

#include <cstdint>
#include <memory>

#include "lockstep/core/random.h"
#include "lockstep/data/loader.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/ops/random.h"
#include "lockstep/ops/views.h"
#include "lockstep/tensor/create.h"

namespace lockstep::tests {

inline data::DatasetPointer blobs(std::int64_t count, std::uint64_t seed) {
  const core::RandomScope keys(seed, 0, 0);
  Tensor x = normal({count, 2}, {.deviation = 0.2});
  Tensor y = empty({count}, {.dtype = DType::i64});
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t corner = i % 4;
    x.set({i, 0}, x.at({i, 0}) + static_cast<double>(corner % 2));
    x.set({i, 1}, x.at({i, 1}) + static_cast<double>(corner / 2));
    y.set({i}, static_cast<double>(corner));
  }
  return data::in_memory(x, y);
}

inline nn::Sequential small_model() {
  const core::RandomScope keys(5, 0, 0);
  return nn::Sequential(nn::Linear(2, 16), nn::Relu(), nn::Linear(16, 4));
}

}  // namespace lockstep::tests
