#include <utility>

#include "tests/support/conformance.h"
#include "tests/support/conformance_values.h"

namespace lockstep::tests {
namespace {

using comm::Communicator;
using comm::Reduce;

TEST_P(Conformance, AllReducesEveryDtypeByEveryReduction) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    for_each_reduction([&](DType dtype, Reduce op) {
      for (const std::int64_t count : {0, 1, 7, 1000}) {
        TypedValues in = input(dtype, op, ranks.rank(), count);
        const TypedValues before = in;
        TypedValues out(dtype, count);
        ranks.all_reduce(in.buffer(), out.buffer(), op, stream).wait();
        EXPECT_TRUE(holds(out, op, ranks.size()));
        EXPECT_EQ(in, before) << "the input was written";
        ranks.all_reduce(in.buffer(), in.buffer(), op, stream).wait();
        EXPECT_EQ(in, out) << "in place differs";
      }
    });
  });
}

TEST_P(Conformance, AllReducesBuffersOfManyPieces) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    const std::int64_t longest =
        ranks.size() == 2 ? 900'001 : 300'001;  // 2 ranks: more rounds than at once
    for (const auto& [dtype, count] : {std::pair{DType::f64, longest},
                                       {DType::f32, 90'007},
                                       {DType::bf16, 70'001},
                                       {DType::u8, 150'001}}) {
      TypedValues in = input(dtype, Reduce::max, ranks.rank(), count);
      TypedValues out(dtype, count);
      ranks.all_reduce(in.buffer(), out.buffer(), Reduce::max, stream).wait();
      EXPECT_TRUE(holds(out, Reduce::max, ranks.size()));
      ranks.all_reduce(in.buffer(), in.buffer(), Reduce::max, stream).wait();
      EXPECT_EQ(in, out) << "in place differs";
    }
  });
}

TEST_P(Conformance, ReduceScattersEveryDtypeByEveryReduction) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    for_each_reduction([&](DType dtype, Reduce op) {
      for (const std::int64_t count : {0, 1, 13, 500}) {
        const std::int64_t first = ranks.rank() * count;
        TypedValues in = input(dtype, op, ranks.rank(), ranks.size() * count);
        TypedValues out(dtype, count);
        ranks.reduce_scatter(in.buffer(), out.buffer(), op, stream).wait();
        EXPECT_TRUE(holds(out, op, ranks.size(), first));
        ranks.reduce_scatter(in.buffer(), in.part(first, count), op, stream).wait();
        for (std::int64_t i = 0; i < count; ++i)
          ASSERT_EQ(in.at(first + i), out.at(i)) << "in place differs";
      }
    });
  });
}

TEST_P(Conformance, ReduceScattersBuffersOfManyPieces) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    const std::int64_t count = 40'003;
    TypedValues in = input(DType::f64, Reduce::sum, ranks.rank(), ranks.size() * count);
    TypedValues out(DType::f64, count);
    ranks.reduce_scatter(in.buffer(), out.buffer(), Reduce::sum, stream).wait();
    EXPECT_TRUE(holds(out, Reduce::sum, ranks.size(), ranks.rank() * count));
  });
}

TEST_P(Conformance, ReducesToEveryRoot) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    for_each_reduction([&](DType dtype, Reduce op) {
      for (int root = 0; root < ranks.size(); ++root) {
        const std::int64_t count = root == 0 ? 0 : 8 * root - 7;
        TypedValues in = input(dtype, op, ranks.rank(), count);
        const TypedValues before = in;
        TypedValues out(dtype, ranks.rank() == root ? count : 0);
        ranks.reduce(in.buffer(), out.buffer(), op, root, stream).wait();
        EXPECT_EQ(in, before) << "the input was written";
        if (ranks.rank() == root) {
          EXPECT_TRUE(holds(out, op, ranks.size()));
        }
        ranks.reduce(in.buffer(), in.buffer(), op, root, stream).wait();
        EXPECT_EQ(in, ranks.rank() == root ? out : before) << "in place";
      }
    });
  });
}

TEST_P(Conformance, ReducesBuffersOfManyPieces) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    const int root = ranks.size() - 1;
    TypedValues in = input(DType::f64, Reduce::sum, ranks.rank(), 400'003);
    const TypedValues before = in;
    ranks.reduce(in.buffer(), in.buffer(), Reduce::sum, root, stream).wait();
    if (ranks.rank() == root) {
      EXPECT_TRUE(holds(in, Reduce::sum, ranks.size()));
    } else {
      EXPECT_EQ(in, before) << "the input was written";
    }
  });
}

TEST_P(Conformance, ReduceScattersUnevenParts) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    for (const std::int64_t scale : {0, 1, 101, 30'011}) {
      const auto counts = uneven_counts(ranks.size(), scale);
      const std::int64_t own = counts[static_cast<std::size_t>(ranks.rank())];
      const std::int64_t first = sum_of(counts, ranks.rank());
      for (const DType dtype : {DType::f32, DType::u8, DType::bf16}) {
        TypedValues in = input(dtype, Reduce::max, ranks.rank(), sum_of(counts, ranks.size()));
        TypedValues out(dtype, own);
        ranks.reduce_scatter_v(in.buffer(), out.buffer(), counts, Reduce::max, stream).wait();
        EXPECT_TRUE(holds(out, Reduce::max, ranks.size(), first));
        ranks.reduce_scatter_v(in.buffer(), in.part(first, own), counts, Reduce::max, stream)
            .wait();
        for (std::int64_t i = 0; i < own; ++i)
          ASSERT_EQ(in.at(first + i), out.at(i)) << "in place differs";
      }
    }
  });
}

}  // namespace
}  // namespace lockstep::tests
