// The fused tail, the plain one and the trial of both end with the same bits.
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "lockstep/autograd/parameter.h"
#include "lockstep/core/random.h"
#include "lockstep/nn/activation.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/random.h"
#include "lockstep/ops/rows.h"
#include "lockstep/ops/views.h"
#include "lockstep/optim/adamw.h"
#include "lockstep/tensor/create.h"
#include "tests/support/thread_world.h"
#include "tests/support/training_run.h"

namespace lockstep::tests {
namespace {

using Fingerprints = std::set<std::uint64_t>;

using Communicators = std::vector<std::unique_ptr<comm::Communicator>>;

Fingerprints on_all(Communicators ranks, int shards,
                    const std::function<std::uint64_t(World&)>& trained) {
  return results_on(std::move(ranks), trained, {.shards = shards});
}

Fingerprints on_all(int size, int shards, const std::function<std::uint64_t(World&)>& trained) {
  return on_all(comm::threads(size), shards, trained);
}

class ExactTail : public testing::TestWithParam<std::tuple<Model, int>> {};

TEST_P(ExactTail, GivesTheBitsOfOnePlainProcessOnAnyNumberOfRanks) {
  const auto [model, shards] = GetParam();
  for (const double clip_norm : {0.0, 0.1}) {
    TrainingRun run{.model = model, .steps = 20};
    run.options.clip_norm = clip_norm;
    const auto trained = [&](World& world) { return fingerprint_after(world, run); };
    run.options.tail = Tail::plain;
    const Fingerprints expected = on_all(1, shards, trained);
    ASSERT_EQ(expected.size(), 1U);
    for (const Tail tail : {Tail::fused, Tail::automatic}) {
      run.options.tail = tail;
      for (const int size : {1, 2, 3, 5, 8})
        EXPECT_EQ(on_all(size, shards, trained), expected) << size << " ranks, " << clip_norm;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Worlds, ExactTail,
                         testing::Combine(testing::Values(Model::mlp, Model::cnn),
                                          testing::Values(3, 4, 8)));

// Layers of several norm blocks, one of them used twice, one only by some shards and one by none;
// a part of them in f64.
class Odd final : public nn::Module {
 public:
  Tensor forward(const Tensor& x) override {
    const Tensor once = relu(shared(x));
    const Tensor twice = relu(shared(once));
    Tensor y = first(twice);
    if (x.at({0, 0}) > 0.7) y = add(y, sometimes(x));
    return add(y, cast(in_f64(cast(x, DType::f64)), DType::f32));
  }
  void visit(nn::Visitor& visitor) override {
    visitor.child("shared", shared);
    visitor.child("first", first);
    visitor.child("in_f64", in_f64);
    visitor.child("sometimes", sometimes);
    visitor.child("never", never);
  }

  nn::Linear shared{120, 120};
  nn::Linear first{120, 3};
  nn::Linear in_f64{120, 3, {.dtype = DType::f64}};
  nn::Linear sometimes{120, 3};
  nn::Linear never{120, 3};
};

struct OddRun {
  Tail tail = Tail::plain;
  double clip_norm = 0;
  std::int64_t bucket_bytes = 0;
  SumMode mode = SumMode::lockstep;
};

// Trains with AdamW; the shared layer is frozen from step 4 to step 7.
std::uint64_t fingerprint_after(World& world, const OddRun& run) {
  const core::RandomScope keys(7, 0, 0);
  Odd model;
  optim::AdamW adam(model.parameters(), {.lr = 0.01, .weight_decay = 0.1});
  DataParallel ranks(model, adam, world,
                     {.mode = run.mode,
                      .clip_norm = run.clip_norm,
                      .seed = 3,
                      .bucket_bytes = run.bucket_bytes,
                      .tail = run.tail});
  for (int step = 0; step < 16; ++step) {
    if (step == 4) model.shared.freeze();
    if (step == 7) model.shared.freeze(false);
    const core::RandomScope inputs(99, static_cast<std::uint32_t>(step), 0);
    const std::int64_t count = step % 5 == 4 ? 3 : 13;
    const Tensor x = normal({count, 120});
    Tensor y = zeros({count}, {.dtype = DType::i64});
    for (std::int64_t i = 0; i < count; ++i) y.data<std::int64_t>()[i] = i % 3;
    ranks.step(sharded(x, y, world.shards()),
               [&](const Part& part) { return cross_entropy(model(part.x), part.y); });
  }
  ranks.gather_optimizer_state();
  State everything = model.state();
  for (const auto& entry : adam.state()) everything.push_back(entry);
  return fingerprint(everything);
}

TEST(ExactTail, GivesThoseBitsWithSharedUnusedFrozenAndMixedParameters) {
  for (const double clip_norm : {0.0, 0.5}) {
    for (const int shards : {1, 4, 6}) {
      const auto expected = on_all(1, shards, [&](World& world) {
        return fingerprint_after(world, OddRun{Tail::plain, clip_norm, 1 << 20});
      });
      ASSERT_EQ(expected.size(), 1U);
      for (const OddRun& run :
           {OddRun{Tail::plain, clip_norm, 1}, OddRun{Tail::fused, clip_norm, 1},
            OddRun{Tail::fused, clip_norm, 20'000}, OddRun{Tail::fused, clip_norm, 0},
            OddRun{Tail::automatic, clip_norm, 0}}) {
        for (const int size : {2, 3, 4, 7}) {
          EXPECT_EQ(on_all(size, shards, [&](World& w) { return fingerprint_after(w, run); }),
                    expected)
              << size << " ranks, " << shards << " shards, buckets of " << run.bucket_bytes;
        }
      }
    }
  }
}

TEST(ExactTail, GivesThoseBitsFromArenasInSharedMemory) {
  for (const int shards : {3, 8}) {
    const auto expected = on_all(1, shards, [](World& world) {
      return fingerprint_after(world, OddRun{Tail::plain, 0.5, 1 << 20});
    });
    for (const Tail tail : {Tail::plain, Tail::fused, Tail::automatic}) {
      for (const int size : {2, 3, 4}) {
        const auto trained = [&](World& world) {
          return fingerprint_after(world, OddRun{tail, 0.5, 20'000});
        };
        EXPECT_EQ(on_all(comm::shm_threads(size), shards, trained), expected) << size << " ranks";
      }
    }
  }
}

TEST(ExactTail, LeavesAllRanksOfFastModeWithTheSameBits) {
  for (const Tail tail : {Tail::plain, Tail::fused}) {
    for (const int size : {2, 3, 6}) {
      const auto found = on_all(size, 4, [&](World& world) {
        return fingerprint_after(world, OddRun{tail, 0.5, 5000, SumMode::fast});
      });
      EXPECT_EQ(found.size(), 1U);
    }
  }
}

}  // namespace
}  // namespace lockstep::tests
