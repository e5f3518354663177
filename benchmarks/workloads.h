// The models that are timed, with the arithmetic and the memory traffic that a step of each cannot
// do without.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lockstep/base/dtype.h"
#include "lockstep/core/shape.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/optim/optimizer.h"

namespace lockstep::bench {

// A dense layer or convolution, for one sample.
struct LayerCost {
  double flops = 0;            // of the forward pass: two for each multiplication
  double output_elements = 0;  // before pooling
};

// What the bytes of a step depend on.
struct StepSize {
  std::int64_t samples = 0;  // of a rank
  std::int64_t parameters = 0;
  int ranks = 1;
  std::size_t cache = 0;       // bytes
  DType compute = DType::f32;  // of activations
};

struct Workload {
  std::string name;
  std::int64_t batch_per_rank = 0;
  Shape sample_shape;
  std::int64_t classes = 0;
  std::vector<LayerCost> layers;
  int optimizer_passes =
      0;  // lanes of parameters, gradients and state that the update reads or writes

  std::unique_ptr<nn::Sequential> (*model)() = nullptr;
  std::unique_ptr<optim::Optimizer> (*optimizer)(State parameters) = nullptr;

  // Forward, data and weight gradients; the first layer needs no data gradient.
  double step_flops(std::int64_t samples) const;
  // Bytes that must cross memory: what the activations and their gradients exceed `cache` by, the
  // update, and with more than one rank the exchange (each rank reads its slice of all ranks'
  // gradients and writes it to all).
  double step_bytes(const StepSize& step) const;
};

const Workload& workload_named(const std::string& name);
std::vector<std::string> workload_names();

}  // namespace lockstep::bench
