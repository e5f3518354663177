// Training on real images in half precision.
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "lockstep/core/random.h"
#include "lockstep/data/dataset.h"
#include "lockstep/data/loader.h"
#include "lockstep/nn/conv.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/rows.h"
#include "lockstep/ops/views.h"
#include "lockstep/optim/sgd.h"
#include "lockstep/parallel/data_parallel.h"
#include "tests/support/thread_world.h"

namespace lockstep::tests {
namespace {

constexpr std::size_t steps = 200;

// The `cnn` of the benchmarks.
nn::Sequential cnn() {
  core::manual_seed(2);
  return nn::Sequential(nn::Conv2d(1, 32, {.padding = 1}), nn::Relu(), nn::MaxPool2d(),
                        nn::Conv2d(32, 64, {.padding = 1}), nn::Relu(), nn::MaxPool2d(),
                        nn::Flatten(), nn::Linear(7 * 7 * 64, 128), nn::Relu(),
                        nn::Linear(128, 10));
}

// The mean of the losses of the first steps on Fashion-MNIST.
double mean_loss(World& world, DType dtype) {
  nn::Sequential model = cnn();
  model.compute_in(dtype);
  optim::Sgd sgd(model.parameters(), {.lr = 0.01, .momentum = 0.9});
  DataParallel ranks(model, sgd, world);
  data::Loader images(data::fashion_mnist(), {.batch = 64, .seed = 1}, world.shards());
  std::vector<double> losses;
  for (const data::GlobalBatch& batch : images.epoch(0)) {
    const StepReport report = ranks.step(batch, [&](const data::Batch& part) {
      return cross_entropy(model(mul(cast(part.x, DType::f32), 1 / 255.0)), part.y);
    });
    losses.push_back(report.loss);
    if (losses.size() == steps) break;
  }
  EXPECT_EQ(losses.size(), steps);
  EXPECT_LT(losses.back(), losses.front() / 2);
  return std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(steps);
}

// Single steps differ by more, with f16 as much as with bf16: training amplifies every rounding.
TEST(MixedPrecision, LearnsAsF32Does) {
  on_ranks(1, [](World& world) {
    const double expected = mean_loss(world, DType::f32);
    EXPECT_NEAR(mean_loss(world, DType::bf16), expected, 0.01 * expected);
  });
}

}  // namespace
}  // namespace lockstep::tests
