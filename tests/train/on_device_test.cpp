// Programs on the device cuda:0, of which tests/support/fake_cuda_plugin.cpp is the plug-in.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "lockstep/autograd/backward.h"
#include "lockstep/core/platform.h"
#include "lockstep/core/random.h"
#include "lockstep/data/loader.h"
#include "lockstep/nn/activation.h"
#include "lockstep/nn/dropout.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/ops/random.h"
#include "lockstep/ops/rows.h"
#include "lockstep/ops/views.h"
#include "lockstep/optim/adamw.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"
#include "tests/support/failure.h"
#include "tests/support/thread_world.h"

namespace lockstep {
namespace {

constexpr Device gpu{DeviceType::cuda, 0}, other{DeviceType::cuda, 1};

class OnDevice : public ::testing::Test {
 protected:
  OnDevice() {
    const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    setenv("LOCKSTEP_CUDA_PLUGIN", (folder / "libfake_cuda_plugin.so").c_str(), 1);
  }
};

TEST_F(OnDevice, TensorsGoThereAndBack) {
  const Tensor x = reshape(arange(0, 60), {3, 4, 5});
  const Tensor turned = permuted_view(x, {2, 0, 1});
  const Tensor there = copied_to(turned, gpu), further = copied_to(there, other);
  EXPECT_EQ(there.device(), gpu);
  EXPECT_EQ(further.device(), other);
  EXPECT_EQ(copied_to(further, {}).to_vector(), turned.to_vector());
  EXPECT_EQ(copied_to(full({7}, 2.5, {.dtype = DType::bf16, .device = gpu}), {}).to_vector(),
            std::vector<float>(7, 2.5));
}

TEST_F(OnDevice, ElementsAreNotReadByTheHost) {
  const Tensor there = ones({1}, {.device = gpu});
  EXPECT_EQ(tests::failure_of<DeviceError>([&] { return there.item(); }).problem(),
            "item: the elements are on cuda:0");
}

TEST_F(OnDevice, ALoaderHandsOutBatchesThere) {
  const Tensor x = reshape(arange(0, 90), {30, 3}), y = arange(0, 30);
  for (const int prefetch : {0, 2}) {
    data::Loader loader(data::in_memory(x, y), {.batch = 4, .prefetch = prefetch, .device = gpu});
    std::int64_t samples = 0;
    for (auto& batch : loader.epoch(0)) {
      const data::Batch& part = batch.parts.at(0);
      ASSERT_EQ(part.x.device(), gpu);
      const Tensor inputs = copied_to(part.x, {}), targets = copied_to(part.y, {});
      for (std::int64_t i = 0; i < part.count; ++i)
        ASSERT_EQ(inputs.at({i, 0}), 3 * targets.at({i}));
      samples += part.count;
    }
    EXPECT_EQ(samples, 30);
  }
}

TEST_F(OnDevice, EachRankGetsADeviceOfItsOwn) {
  tests::on_ranks(2,
                  [](World& world) {
                    EXPECT_EQ(world.device(), (Device{gpu.type, world.rank()}));
                  },
                  {.device = gpu});
}

nn::Sequential model() {
  const core::RandomScope keys(7, 0, 0);
  return nn::Sequential(nn::Linear(12, 33), nn::Gelu(), nn::Dropout(0.3), nn::Linear(33, 17),
                        nn::Tanh(), nn::Linear(17, 3));
}

struct Trained {
  std::vector<float> losses;
  std::vector<float> weight;
};

Trained trained_on(Device device) {
  auto mlp = model();
  mlp.to(device);
  optim::AdamW optimizer(mlp.parameters(), {.lr = 0.01});
  Trained result;
  for (std::uint32_t step = 0; step < 6; ++step) {
    const core::RandomScope keys(99, step, 0);
    Tensor y = empty({20}, {.dtype = DType::i64});
    for (std::int64_t i = 0; i < 20; ++i) y.data<std::int64_t>()[i] = (i * 7 + step) % 3;
    const Tensor x = normal({20, 12});
    const Tensor loss = cross_entropy(mlp(copied_to(x, device)), copied_to(y, device));
    backward(loss);
    optimizer.step();
    result.losses.push_back(copied_to(loss, {}).item());
  }
  result.weight = copied_to(mlp.parameters()[0].second, {}).to_vector();
  return result;
}

// The same masks and updates; sums in another order.
TEST_F(OnDevice, AModelLearnsWhatItLearnsOnTheCpu) {
  const Trained here = trained_on({}), there = trained_on(gpu);
  for (std::size_t step = 0; step < here.losses.size(); ++step)
    EXPECT_NEAR(there.losses[step], here.losses[step], 1e-5) << step;
  for (std::size_t i = 0; i < here.weight.size(); ++i)
    EXPECT_NEAR(there.weight[i], here.weight[i], 2e-4) << i;
}

}  // namespace
}  // namespace lockstep
