#include "tests/support/conformance.h"
#include "tests/support/conformance_values.h"

namespace lockstep::tests {
namespace {

using comm::Communicator;
using comm::Reduce;

TEST_P(Conformance, AllGathersEveryDtype) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    for (const DType dtype : all_dtypes) {
      for (const std::int64_t count : {0, 1, 5, 3'001}) {
        TypedValues in = input(dtype, Reduce::max, ranks.rank(), count);
        TypedValues out(dtype, ranks.size() * count);
        ranks.all_gather(in.buffer(), out.buffer(), stream).wait();
        const TypedValues wanted =
            TypedValues::made(dtype, ranks.size() * count, [&](std::int64_t i) {
              return value_of(dtype, Reduce::max, static_cast<int>(i / count), i % count);
            });
        EXPECT_EQ(out, wanted);
        TypedValues both(dtype, ranks.size() * count);
        for (std::int64_t i = 0; i < count; ++i) both.set(ranks.rank() * count + i, in.at(i));
        ranks.all_gather(both.part(ranks.rank() * count, count), both.buffer(), stream).wait();
        EXPECT_EQ(both, wanted) << "in place differs";
      }
    }
  });
}

TEST_P(Conformance, BroadcastsFromEveryRoot) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    for (const DType dtype : all_dtypes) {
      for (const std::int64_t count : {0, 1, 9, 3'001}) {
        const int last_root = count > 9 ? 1 : ranks.size();
        for (int root = 0; root < last_root; ++root) {
          TypedValues data = input(dtype, Reduce::max, ranks.rank(), count);
          ranks.broadcast(data.buffer(), root, stream).wait();
          EXPECT_EQ(data, input(dtype, Reduce::max, root, count)) << "root " << root;
        }
      }
    }
  });
}

TEST_P(Conformance, BroadcastsBuffersOfManyPieces) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    const int root = ranks.size() - 1;
    TypedValues data = input(DType::f64, Reduce::max, ranks.rank(), 200'001);
    ranks.broadcast(data.buffer(), root, stream).wait();
    EXPECT_EQ(data, input(DType::f64, Reduce::max, root, 200'001));
  });
}

// `whole` holds the values of all ranks, `count` of each, one rank after the other.
TypedValues all_inputs(DType dtype, int ranks, std::int64_t count) {
  return TypedValues::made(dtype, ranks * count, [&](std::int64_t i) {
    return value_of(dtype, Reduce::max, static_cast<int>(i / count), i % count);
  });
}

// The same for uneven parts.
TypedValues all_inputs(DType dtype, const std::vector<std::int64_t>& counts) {
  TypedValues all(dtype, sum_of(counts, static_cast<int>(counts.size())));
  std::int64_t next = 0;
  for (std::size_t rank = 0; rank < counts.size(); ++rank) {
    for (std::int64_t i = 0; i < counts[rank]; ++i)
      all.set(next++, value_of(dtype, Reduce::max, static_cast<int>(rank), i));
  }
  return all;
}

TypedValues part_of(const TypedValues& whole, std::int64_t first, std::int64_t count) {
  return TypedValues::made(whole.dtype(), count,
                           [&](std::int64_t i) { return whole.at(first + i); });
}

TEST_P(Conformance, AllGathersUnevenParts) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    for (const DType dtype : all_dtypes) {
      for (const std::int64_t scale : {0, 1, 77, 4'001}) {
        const auto counts = uneven_counts(ranks.size(), scale);
        const std::int64_t own = counts[static_cast<std::size_t>(ranks.rank())];
        const std::int64_t first = sum_of(counts, ranks.rank());
        const TypedValues wanted = all_inputs(dtype, counts);
        TypedValues in = input(dtype, Reduce::max, ranks.rank(), own);
        TypedValues out(dtype, wanted.count());
        ranks.all_gather_v(in.buffer(), out.buffer(), counts, stream).wait();
        EXPECT_EQ(out, wanted);
        TypedValues both(dtype, wanted.count());
        for (std::int64_t i = 0; i < own; ++i) both.set(first + i, in.at(i));
        ranks.all_gather_v(both.part(first, own), both.buffer(), counts, stream).wait();
        EXPECT_EQ(both, wanted) << "in place differs";
      }
    }
  });
}

TEST_P(Conformance, GathersToEveryRoot) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    for (const DType dtype : all_dtypes) {
      for (const std::int64_t count : {0, 1, 7, 2'001}) {
        for (int root = 0; root < ranks.size(); ++root) {
          const bool is_root = ranks.rank() == root;
          const TypedValues wanted = all_inputs(dtype, ranks.size(), count);
          TypedValues in = input(dtype, Reduce::max, ranks.rank(), count);
          TypedValues out(dtype, is_root ? wanted.count() : 0);
          ranks.gather(in.buffer(), out.buffer(), root, stream).wait();
          if (!is_root) continue;
          EXPECT_EQ(out, wanted) << "root " << root;
        }
      }
    }
    // In place: the root's part lies in the result already.
    TypedValues both(DType::i32, ranks.size() * 3);
    TypedValues in = input(DType::i32, Reduce::max, ranks.rank(), 3);
    for (std::int64_t i = 0; i < 3; ++i) both.set(i, in.at(i));
    ranks.gather(ranks.rank() == 0 ? both.part(0, 3) : in.buffer(), both.buffer(), 0, stream)
        .wait();
    if (ranks.rank() == 0) {
      EXPECT_EQ(both, all_inputs(DType::i32, ranks.size(), 3));
    }
  });
}

TEST_P(Conformance, GathersUnevenParts) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    for (const std::int64_t scale : {0, 1, 5'001}) {
      const auto counts = uneven_counts(ranks.size(), scale);
      const int root = ranks.size() / 2;
      const TypedValues wanted = all_inputs(DType::f16, counts);
      TypedValues in = input(DType::f16, Reduce::max, ranks.rank(),
                             counts[static_cast<std::size_t>(ranks.rank())]);
      TypedValues out(DType::f16, ranks.rank() == root ? wanted.count() : 0);
      ranks.gather_v(in.buffer(), out.buffer(), counts, root, stream).wait();
      if (ranks.rank() == root) {
        EXPECT_EQ(out, wanted);
      }
    }
  });
}

TEST_P(Conformance, ScattersFromEveryRoot) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    for (const DType dtype : all_dtypes) {
      for (const std::int64_t count : {0, 1, 7, 2'001}) {
        for (int root = 0; root < ranks.size(); ++root) {
          TypedValues in =
              ranks.rank() == root ? all_inputs(dtype, ranks.size(), count) : TypedValues(dtype, 0);
          const TypedValues before = in;
          TypedValues out(dtype, count);
          ranks.scatter(in.buffer(), out.buffer(), root, stream).wait();
          EXPECT_EQ(out, input(dtype, Reduce::max, ranks.rank(), count)) << "root " << root;
          EXPECT_EQ(in, before) << "the input was written";
        }
      }
    }
    // In place: the root's part stays where it is.
    TypedValues whole = all_inputs(DType::i32, ranks.size(), 3);
    TypedValues out(DType::i32, 3);
    ranks.scatter(whole.buffer(), ranks.rank() == 0 ? whole.part(0, 3) : out.buffer(), 0, stream)
        .wait();
    EXPECT_EQ(whole, all_inputs(DType::i32, ranks.size(), 3));
    if (ranks.rank() != 0) {
      EXPECT_EQ(out, input(DType::i32, Reduce::max, ranks.rank(), 3));
    }
  });
}

TEST_P(Conformance, ScattersUnevenParts) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    for (const std::int64_t scale : {0, 1, 5'001}) {
      const auto counts = uneven_counts(ranks.size(), scale);
      const int root = ranks.size() - 1;
      const std::int64_t own = counts[static_cast<std::size_t>(ranks.rank())];
      TypedValues in =
          ranks.rank() == root ? all_inputs(DType::bf16, counts) : TypedValues(DType::bf16, 0);
      TypedValues out(DType::bf16, own);
      ranks.scatter_v(in.buffer(), out.buffer(), counts, root, stream).wait();
      EXPECT_EQ(out, input(DType::bf16, Reduce::max, ranks.rank(), own));
    }
  });
}

// What rank `from` has for rank `to`.
double parcel(DType dtype, int from, int to, std::int64_t i) {
  return value_of(dtype, Reduce::max, from, 5 * to + i);
}

TEST_P(Conformance, ExchangesPartsBetweenAllRanks) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    for (const DType dtype : all_dtypes) {
      for (const std::int64_t count : {0, 1, 7, 2'001}) {
        const auto parcels = [&](bool are_sent) {
          return TypedValues::made(dtype, ranks.size() * count, [&](std::int64_t i) {
            const int peer = static_cast<int>(i / count);
            return are_sent ? parcel(dtype, ranks.rank(), peer, i % count)
                            : parcel(dtype, peer, ranks.rank(), i % count);
          });
        };
        TypedValues in = parcels(true);
        TypedValues out(dtype, in.count());
        ranks.all_to_all(in.buffer(), out.buffer(), stream).wait();
        EXPECT_EQ(out, parcels(false));
        EXPECT_EQ(in, parcels(true)) << "the input was written";
        ranks.all_to_all(in.buffer(), in.buffer(), stream).wait();
        EXPECT_EQ(in, out) << "in place differs";
      }
    }
  });
}

TEST_P(Conformance, ExchangesUnevenPartsBetweenAllRanks) {
  on_every_rank([](Communicator& ranks) {
    core::Stream stream;
    const auto count = [](int from, int to) {
      return std::int64_t{(from * 3 + to * 5) % 4} * 701 + from;
    };
    std::vector<std::int64_t> sent;
    std::vector<std::int64_t> received;
    TypedValues in(DType::f32, 40'000);
    TypedValues wanted(DType::f32, 40'000);
    std::int64_t next_in = 0;
    std::int64_t next_out = 0;
    for (int peer = 0; peer < ranks.size(); ++peer) {
      sent.push_back(count(ranks.rank(), peer));
      received.push_back(count(peer, ranks.rank()));
      for (std::int64_t i = 0; i < sent.back(); ++i)
        in.set(next_in++, parcel(DType::f32, ranks.rank(), peer, i));
      for (std::int64_t i = 0; i < received.back(); ++i)
        wanted.set(next_out++, parcel(DType::f32, peer, ranks.rank(), i));
    }
    TypedValues out(DType::f32, 40'000);
    ranks.all_to_all_v(in.part(0, next_in), out.part(0, next_out), sent, received, stream).wait();
    EXPECT_EQ(out, wanted);
    ranks.all_to_all_v(in.part(0, next_in), in.part(0, next_out), sent, received, stream).wait();
    EXPECT_EQ(part_of(in, 0, next_out), part_of(wanted, 0, next_out)) << "in place differs";
  });
}

TEST_P(Conformance, MovesPartsOfManyPieces) {
  on_every_rank([](Communicator& ranks) {
    if (ranks.size() > 2) return;  // the pieces are those of every number of ranks
    core::Stream stream;
    const std::int64_t count = 9'000'001;
    TypedValues in = input(DType::u8, Reduce::max, ranks.rank(), count);
    TypedValues out(DType::u8, ranks.size() * count);
    ranks.all_gather(in.buffer(), out.buffer(), stream).wait();
    EXPECT_EQ(out, all_inputs(DType::u8, ranks.size(), count));
  });
}

}  // namespace
}  // namespace lockstep::tests
