#include <optional>

#include "lockstep/core/shard.h"
#include "tests/support/conformance.h"
#include "tests/support/conformance_values.h"
#include "tests/support/tree_reference.h"

namespace lockstep::tests {
namespace {

using comm::Communicator;
using comm::Reduce;

constexpr DType floating[] = {DType::f64, DType::f32, DType::f16, DType::bf16};

// What the ranks of any team give for the sum over `leaves`, computed by this rank's share.
TypedValues forest_sum(Communicator& ranks, const std::vector<TypedValues>& leaves, bool in_place) {
  const int shards = static_cast<int>(leaves.size());
  std::vector<TypedValues> partials;
  for (const core::TreeNode& node :
       core::maximal_subtrees(core::shards_of(ranks.rank(), ranks.size(), shards))) {
    partials.push_back(tree_sum(leaves, node.first, node.last));
  }
  std::vector<core::ConstBuffer> nodes;
  for (TypedValues& partial : partials) nodes.emplace_back(partial.buffer());
  TypedValues separate(leaves.front().dtype(), leaves.front().count());
  TypedValues& out = in_place && !partials.empty() ? partials.back() : separate;
  core::Stream stream;
  ranks.all_reduce(comm::Partials{nodes, shards}, out.buffer(), Reduce::sum, stream).wait();
  return out;
}

TEST_P(Conformance, ExactForestSumsDoNotDependOnTheNumberOfRanks) {
  for (int shards = 1; shards <= 9; ++shards) {
    for (const std::int64_t count : {0, 1, 333, 4'999}) {
      const auto leaves = leaves_of(DType::f32, count, shards);
      const TypedValues wanted = tree_sum(leaves, 0, shards);
      on_every_rank([&](Communicator& ranks) {
        EXPECT_EQ(forest_sum(ranks, leaves, false), wanted) << shards << " shards, " << count;
        EXPECT_EQ(forest_sum(ranks, leaves, true), wanted)
            << shards << " shards in place, " << count;
      });
    }
  }
}

TEST_P(Conformance, ExactForestSumsOfManyPiecesDoNotDependOnTheNumberOfRanks) {
  for (const int shards : {3, 8}) {
    const auto leaves = leaves_of(DType::f32, 200'003, shards);
    const TypedValues wanted = tree_sum(leaves, 0, shards);
    on_every_rank([&](Communicator& ranks) {
      EXPECT_EQ(forest_sum(ranks, leaves, true), wanted) << shards << " shards";
    });
  }
}

TEST_P(Conformance, ExactAllReduceAddsAlongTheTreeInEveryFloatingDtype) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    for (const DType dtype : floating) {
      for (const std::int64_t count : {1, 100, 9'001}) {
        const auto leaves = leaves_of(dtype, count, ranks.size());
        TypedValues in = leaves[static_cast<std::size_t>(ranks.rank())];
        TypedValues out(dtype, count);
        ranks.all_reduce(in.buffer(), out.buffer(), Reduce::sum, stream).wait();
        EXPECT_EQ(out, tree_sum(leaves, 0, ranks.size())) << name_of(dtype) << " x " << count;
      }
    }
  });
}

TEST_P(Conformance, ExactReduceScatterEqualsThePartsOfAllReduce) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    for (const std::int64_t count : {1, 77, 1'234}) {
      for (const Reduce op : {Reduce::sum, Reduce::mean}) {
        TypedValues in = leaf(DType::f32, count * ranks.size(), ranks.rank(), 7);
        TypedValues whole(DType::f32, count * ranks.size());
        TypedValues part(DType::f32, count);
        ranks.all_reduce(in.buffer(), whole.buffer(), op, stream).wait();
        ranks.reduce_scatter(in.buffer(), part.buffer(), op, stream).wait();
        for (std::int64_t i = 0; i < count; ++i)
          ASSERT_EQ(part.at(i), whole.at(ranks.rank() * count + i));
      }
    }
  });
}

// The parts that the ranks of any team hold of the sum over `leaves`, put together.
TypedValues scattered_sum(Communicator& ranks, const std::vector<TypedValues>& leaves) {
  const int shards = static_cast<int>(leaves.size());
  const DType dtype = leaves.front().dtype();
  std::vector<TypedValues> partials;
  for (const core::TreeNode& node :
       core::maximal_subtrees(core::shards_of(ranks.rank(), ranks.size(), shards))) {
    partials.push_back(tree_sum(leaves, node.first, node.last));
  }
  std::vector<core::ConstBuffer> nodes;
  for (TypedValues& partial : partials) nodes.emplace_back(partial.buffer());
  std::vector<std::int64_t> counts;
  std::int64_t left = leaves.front().count();
  for (int rank = 1; rank < ranks.size(); ++rank) {
    counts.push_back(rank % 2 * left / 3);
    left -= counts.back();
  }
  counts.push_back(left);
  const std::int64_t first = sum_of(counts, ranks.rank());
  const std::int64_t own = counts[static_cast<std::size_t>(ranks.rank())];
  TypedValues separate(dtype, leaves.front().count());
  TypedValues& out = partials.empty() ? separate : partials.front();  // in place where it can be
  core::Stream stream;
  ranks
      .reduce_scatter_v(comm::Partials{nodes, shards}, out.part(first, own), counts, Reduce::sum,
                        stream)
      .wait();
  TypedValues all(dtype, leaves.front().count());
  ranks.all_gather_v(out.part(first, own), all.buffer(), counts, stream).wait();
  return all;
}

TEST_P(Conformance, ExactScatteredForestSumsDoNotDependOnTheNumberOfRanks) {
  for (const int shards : {1, 2, 5, 8}) {
    for (const std::int64_t count : {0, 1, 333, 50'021}) {
      const auto leaves = leaves_of(DType::f32, count, shards);
      const TypedValues wanted = tree_sum(leaves, 0, shards);
      on_every_rank([&](Communicator& ranks) {
        EXPECT_EQ(scattered_sum(ranks, leaves), wanted) << shards << " shards, " << count;
      });
    }
  }
}

TEST_P(Conformance, ExactReduceEqualsAllReduceOnTheRoot) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    for (const std::int64_t count : {1, 77, 100'003}) {
      const int root = ranks.size() - 1;
      TypedValues in = leaf(DType::f32, count, ranks.rank(), 7);
      TypedValues everywhere(DType::f32, count);
      TypedValues out(DType::f32, count);
      ranks.all_reduce(in.buffer(), everywhere.buffer(), Reduce::mean, stream).wait();
      ranks.reduce(in.buffer(), out.buffer(), Reduce::mean, root, stream).wait();
      if (ranks.rank() == root) {
        EXPECT_EQ(out, everywhere);
      }
    }
  });
}

TEST_P(Conformance, ExactControlAnotherOrderOfAdditionsChangesTheBits) {
  on_every_rank([](Communicator& ranks) {
    for (const DType dtype : floating) {
      const auto leaves = leaves_of(dtype, 1'000, 8);
      std::vector<TypedValues> permuted = leaves;
      std::swap(permuted[1], permuted[6]);
      const TypedValues sum = forest_sum(ranks, leaves, false);
      EXPECT_FALSE(sum == tree_sum(permuted, 0, 8))
          << name_of(dtype) << ": the test would see no error";
      EXPECT_EQ(sum, tree_sum(leaves, 0, 8));
    }
  });
}

}  // namespace
}  // namespace lockstep::tests
