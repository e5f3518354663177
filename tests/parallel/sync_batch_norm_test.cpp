#include "lockstep/parallel/sync_batch_norm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <set>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/nn/activation.h"
#include "lockstep/nn/conv.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/ops/random.h"
#include "lockstep/ops/rows.h"
#include "lockstep/ops/views.h"
#include "lockstep/optim/sgd.h"
#include "lockstep/parallel/data_parallel.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"
#include "tests/support/failure.h"
#include "tests/support/thread_world.h"
#include "tests/support/training_run.h"

namespace lockstep::tests {
namespace {

using parallel::SyncBatchNorm;
using testing::DoubleNear;
using testing::HasSubstr;
using testing::Pointwise;

struct Trained {
  std::vector<double> values;  // of the model's parameters and buffers
  std::vector<double> losses;
};

// Ten steps of uneven batches, far from zero and of very different scales, in f64.
template <class Norm> Trained train(World& world, Norm&& norm) {
  const core::RandomScope keys(7, 0, 0);
  const nn::LinearOptions in_f64{.dtype = DType::f64};
  nn::Sequential model(nn::Linear(5, 6, in_f64), std::forward<Norm>(norm), nn::Relu(),
                       nn::Linear(6, 3, in_f64));
  optim::Sgd sgd(model.parameters(), {.lr = 0.1, .momentum = 0.9});
  DataParallel ranks(model, sgd, world, {.bucket_bytes = 1});
  Trained trained;
  for (int step = 0; step < 10; ++step) {
    const core::RandomScope inputs(99, static_cast<std::uint32_t>(step), 0);
    const std::int64_t count = 11 + step;
    const Tensor x = normal({count, 5}, {.mean = 100, .deviation = 3, .dtype = DType::f64});
    Tensor y = zeros({count}, {.dtype = DType::i64});
    for (std::int64_t i = 0; i < count; ++i) y.data<std::int64_t>()[i] = i % 3;
    trained.losses.push_back(
        ranks
            .step(sharded(x, y, world.shards()),
                  [&](const Part& part) { return cross_entropy(model(part.x), part.y); })
            .loss);
  }
  for (const auto& [name, tensor] : model.state()) {
    for (const double value : tensor.template to_vector<double>()) trained.values.push_back(value);
  }
  return trained;
}

const nn::BatchNormOptions norm_in_f64{.dtype = DType::f64};

Trained synchronized(int size) {
  Trained trained;
  on_ranks(size, [&](World& world) {
    Trained own = train(world, SyncBatchNorm(6, world, norm_in_f64));
    if (world.is_root()) trained = std::move(own);
  });
  return trained;
}

TEST(SyncBatchNorm, TrainsLikeOneProcessWithTheWholeBatch) {
  Trained expected;
  on_ranks(1, [&](World& world) { expected = train(world, nn::BatchNorm(6, norm_in_f64)); });
  for (const int size : {1, 2, 3, 5, 8}) {
    const Trained found = synchronized(size);
    EXPECT_THAT(found.losses, Pointwise(DoubleNear(1e-10), expected.losses)) << size;
    EXPECT_THAT(found.values, Pointwise(DoubleNear(1e-9), expected.values)) << size;
  }
}

// Negative control: statistics of each shard alone give another model.
TEST(SyncBatchNorm, IsNotTheMeanOverShardsThatBatchNormGives) {
  Trained apart;
  on_ranks(3, [&](World& world) {
    const Trained own = train(world, nn::BatchNorm(6, norm_in_f64));
    if (world.is_root()) apart = own;
  });
  EXPECT_GT(std::abs(apart.losses.back() - synchronized(3).losses.back()), 1e-4);
}

TEST(SyncBatchNorm, LeavesAllRanksWithTheSameBitsExact) {
  std::set<std::vector<double>> found;
  std::mutex mutex;
  for (int round = 0; round < 2; ++round) {
    on_ranks(4, [&](World& world) {
      Trained own = train(world, SyncBatchNorm(6, world, norm_in_f64));
      const std::lock_guard lock(mutex);
      found.insert(std::move(own.values));
    });
  }
  EXPECT_EQ(found.size(), 1U);
}

TEST(SyncBatchNorm, TakesImagesAndEvaluatesWithTheRunningMoments) {
  on_ranks(2, [](World& world) {
    const core::RandomScope keys(1, 0, 0);
    const Tensor images = normal({6, 4, 4, 3});
    nn::BatchNorm alone(3);
    SyncBatchNorm shared(3, world);
    const core::Range mine = core::part_of(6, world.rank(), 2);
    const Tensor whole = alone(images);
    const Tensor part = shared(slice(images, 0, mine.begin, mine.end));
    EXPECT_THAT(
        part.to_vector<double>(),
        Pointwise(DoubleNear(1e-5), slice(whole, 0, mine.begin, mine.end).to_vector<double>()));
    alone.eval();
    shared.eval();
    EXPECT_THAT(shared(images).to_vector<double>(),
                Pointwise(DoubleNear(1e-5), alone(images).to_vector<double>()));
  });
}

// Beside f32 parameters. Values below 4, rounded once.
TEST(SyncBatchNorm, TakesHalves) {
  on_ranks(1, [](World& world) {
    const core::RandomScope keys(3, 0, 0);
    const Tensor x = normal({2, 3, 3, 4});
    const Tensor g = normal({2, 3, 3, 4});
    std::vector<std::vector<double>> values, gradients;
    for (const DType dtype : {DType::bf16, DType::f32}) {
      // The same numbers in both.
      const Tensor in = require_grad(copied(copied(x, DType::bf16), dtype));
      SyncBatchNorm norm(4, world);
      const Tensor y = norm(in);
      EXPECT_EQ(y.dtype(), dtype);
      backward(y, copied(copied(g, DType::bf16), dtype));
      values.push_back(y.to_vector<double>());
      gradients.push_back(gradient(in).to_vector<double>());
    }
    EXPECT_THAT(values[0], Pointwise(DoubleNear(4 * 0x1p-8), values[1]));
    EXPECT_THAT(gradients[0], Pointwise(DoubleNear(4 * 0x1p-8), gradients[1]));
  });
}

TEST(SyncBatchNorm, SharesItsNamesWithBatchNorm) {
  on_ranks(1, [](World& world) {
    SyncBatchNorm shared(3, world);
    nn::BatchNorm alone(3);
    EXPECT_EQ(fingerprint(shared.state()), fingerprint(alone.state()));
  });
}

TEST(SyncBatchNorm, RefusesMoreShardsThanRanksAndSaysWhy) {
  on_ranks(2,
           [](World& world) {
             const auto error = failure_of<UsageError>([&] { SyncBatchNorm norm(3, world); });
             EXPECT_THAT(error.problem(), HasSubstr("4 shards on 2 ranks"));
             EXPECT_THAT(error.problem(), HasSubstr("computes its shards one after the other"));
             EXPECT_THAT(error.fix(), HasSubstr("use nn::BatchNorm"));
           },
           {.shards = 4});
}

TEST(SyncBatchNorm, RefusesABatchThatLeavesAShardEmpty) {
  on_ranks(3, [](World& world) {
    nn::Sequential model(SyncBatchNorm(4, world), nn::Linear(4, 3));
    optim::Sgd sgd(model.parameters(), {.lr = 0.1});
    DataParallel ranks(model, sgd, world);
    const auto error = failure_of<UsageError>([&] {
      ranks.step(sharded(ones({2, 4}), zeros({2}, {.dtype = DType::i64}), world.shards()),
                 [&](const Part& part) { return cross_entropy(model(part.x), part.y); });
    });
    EXPECT_THAT(error.problem(), HasSubstr("a batch of 2 samples for 3 shards"));
    EXPECT_THAT(error.fix(), HasSubstr("choose a batch size that leaves no rest so small"));
  });
}

TEST(SyncBatchNorm, RefusesOtherShapesAndDtypes) {
  on_ranks(1, [](World& world) {
    SyncBatchNorm norm(3, world);
    EXPECT_THAT(message_of<ShapeError>([&] {
                  norm(ones({4, 2}));
                }),
                HasSubstr("x has shape [4, 2] but must be [..., 3]"));
    EXPECT_THAT(message_of<DTypeError>([&] {
                  norm(ones({4, 3}, {.dtype = DType::f64}));
                }),
                HasSubstr("x is f64, the layer f32"));
    EXPECT_THAT(message_of<UsageError>([&] { SyncBatchNorm none(0, world); }),
                HasSubstr("0 channels"));
  });
}

}  // namespace
}  // namespace lockstep::tests
