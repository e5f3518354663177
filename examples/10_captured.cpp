// A captured pass: forward and backward recorded once, then replayed with the same bits and less
// work beside the kernels.
#include <chrono>
#include <cstdio>
#include <vector>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/captured.h"
#include "lockstep/core/random.h"
#include "lockstep/nn/activation.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/ops/random.h"
#include "lockstep/ops/rows.h"
#include "lockstep/optim/sgd.h"
#include "lockstep/tensor/create.h"

using namespace lockstep;

struct Outcome {
  std::vector<float> losses;
  double microseconds = 0;  // of a step
};

Outcome trained(bool is_captured) {
  core::manual_seed(1);
  nn::Sequential model(nn::Linear(784, 32), nn::Relu(), nn::Linear(32, 10));
  optim::Sgd sgd(model.parameters(), {.lr = 0.01});
  const Tensor x = uniform({1, 784});
  const Tensor y = full({1}, 3, {.dtype = DType::i64});

  const auto pass = [&](const Tensor& images, const Tensor& labels) {
    const Tensor loss = cross_entropy(model(images), labels);
    backward(loss);
    return loss.detach();
  };
  Captured fast(pass);

  Outcome outcome;
  const int steps = 2000;
  const auto begin = std::chrono::steady_clock::now();
  for (int step = 0; step < steps; ++step) {
    const Tensor loss = is_captured ? fast(x, y) : pass(x, y);
    sgd.step();
    outcome.losses.push_back(loss.item<float>());
  }
  const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - begin;
  outcome.microseconds = time.count() / steps;
  return outcome;
}

int main() {
  const Outcome eager = trained(false);
  const Outcome captured = trained(true);
  std::printf("eager %.2f us, captured %.2f us a step; last loss %.6f\n", eager.microseconds,
              captured.microseconds, captured.losses.back());
  return captured.losses == eager.losses ? 0 : 1;
}
