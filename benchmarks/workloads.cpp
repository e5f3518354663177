#include "benchmarks/workloads.h"

#include <algorithm>

#include "lockstep/nn/conv.h"
#include "lockstep/nn/linear.h"
#include "lockstep/optim/sgd.h"

namespace lockstep::bench {
namespace {

LayerCost dense(double in, double out) { return {2 * in * out, out}; }
// A convolution that keeps height and width.
LayerCost convolution(double side, double kernel, double in, double out) {
  return {2 * side * side * kernel * kernel * in * out, side * side * out};
}

std::unique_ptr<nn::Sequential> mlp() {
  return std::make_unique<nn::Sequential>(nn::Linear(784, 512), nn::Relu(), nn::Linear(512, 512),
                                          nn::Relu(), nn::Linear(512, 10));
}

std::unique_ptr<nn::Sequential> cnn() {
  return std::make_unique<nn::Sequential>(
      nn::Conv2d(1, 32, {.kernel = 3, .padding = 1}), nn::Relu(), nn::MaxPool2d(),
      nn::Conv2d(32, 64, {.kernel = 3, .padding = 1}), nn::Relu(), nn::MaxPool2d(), nn::Flatten(),
      nn::Linear(7 * 7 * 64, 128), nn::Relu(), nn::Linear(128, 10));
}

const std::vector<Workload>& workloads() {
  static const std::vector<Workload> all{
      {.name = "mlp",
       .batch_per_rank = 32,
       .sample_shape = {784},
       .classes = 10,
       .layers = {dense(784, 512), dense(512, 512), dense(512, 10)},
       .optimizer_passes = 3,
       .model = mlp,
       .optimizer = [](State parameters) -> std::unique_ptr<optim::Optimizer> {
         return std::make_unique<optim::Sgd>(std::move(parameters), optim::SgdOptions{.lr = 0.05});
       }},
      {.name = "cnn",
       .batch_per_rank = 64,
       .sample_shape = {28, 28, 1},
       .classes = 10,
       .layers = {convolution(28, 3, 1, 32), convolution(14, 3, 32, 64), dense(7 * 7 * 64, 128),
                  dense(128, 10)},
       .optimizer_passes = 5,
       .model = cnn,
       .optimizer = [](State parameters) -> std::unique_ptr<optim::Optimizer> {
         return std::make_unique<optim::Sgd>(std::move(parameters),
                                             optim::SgdOptions{.lr = 0.01, .momentum = 0.9});
       }},
  };
  return all;
}

}  // namespace

double Workload::step_flops(std::int64_t samples) const {
  double flops = 0;
  for (const LayerCost& layer : layers) flops += 3 * layer.flops;
  return static_cast<double>(samples) * (flops - layers.front().flops);
}

double Workload::step_bytes(const StepSize& step) const {
  const auto beyond_cache = [&](double bytes) {
    return std::max(0.0, bytes - static_cast<double>(step.cache));
  };
  double kept = 0;
  double gradients = 0;
  for (const LayerCost& layer : layers) {
    const double bytes = static_cast<double>(step.samples) * layer.output_elements *
                         static_cast<double>(size_of(step.compute));
    kept += bytes;                     // written by the forward pass, read by the backward pass
    gradients += beyond_cache(bytes);  // written, and read at once by the layer below
  }
  const double lane = static_cast<double>(step.parameters) * sizeof(float);
  const double update = beyond_cache(optimizer_passes * lane);
  const double exchange = step.ranks > 1 ? 2 * lane : 0;
  return 2 * beyond_cache(kept) + 2 * gradients + update + exchange;
}

const Workload& workload_named(const std::string& name) {
  return *std::find_if(workloads().begin(), workloads().end(),
                       [&](const Workload& each) { return each.name == name; });
}

std::vector<std::string> workload_names() {
  std::vector<std::string> names;
  for (const Workload& each : workloads()) names.push_back(each.name);
  return names;
}

}  // namespace lockstep::bench
