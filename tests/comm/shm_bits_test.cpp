// What shared memory adds to the conformance of all transports: data that the peers fold and copy
// where they lie, and data that go through windows, piece by piece.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "lockstep/core/shard.h"
#include "tests/support/shared_memory.h"

namespace lockstep::tests {
namespace {

using comm::Communicator;
using comm::Reduce;
using core::Buffer;
using core::ConstBuffer;

// One collective on memory of either kind; gives the bytes of `out`, and of `in` behind them.
struct Case {
  std::string name;
  DType dtype = DType::f32;
  std::int64_t in_count = 0;
  std::int64_t out_count = 0;
  bool is_in_place = false;
  std::int64_t in_place_at = 0;  // elements from the start of `in` or, in a gather, of `out`
  bool is_in_part_of_out = false;
  std::function<void(Communicator&, Buffer in, Buffer out)> call;
};

std::vector<std::byte> result_of(const Case& on, Communicator& ranks, bool is_shared,
                                 std::size_t misalignment) {
  const std::size_t element = size_of(on.dtype);
  const std::size_t offset = misalignment * element;
  const auto in_bytes = static_cast<std::size_t>(on.in_count) * element;
  const auto out_bytes = static_cast<std::size_t>(on.out_count) * element;
  const std::size_t second = (offset + in_bytes + 127) / 64 * 64 + offset;
  const Place place(ranks, second + out_bytes, is_shared);
  place.fill(on.dtype, second, on.out_count, 1000U + static_cast<unsigned>(ranks.rank()));
  Buffer in{place.at(offset), on.in_count, on.dtype, {}, {}};
  Buffer out{place.at(second), on.out_count, on.dtype, {}, {}};
  const std::size_t shift = static_cast<std::size_t>(on.in_place_at) * element;
  if (on.is_in_place && on.is_in_part_of_out) in.data = place.at(second + shift);
  if (on.is_in_place && !on.is_in_part_of_out) out.data = place.at(offset + shift);
  const auto in_at = static_cast<std::size_t>(static_cast<std::byte*>(in.data) - place.at(0));
  place.fill(on.dtype, in_at, on.in_count, static_cast<unsigned>(ranks.rank()));
  on.call(ranks, in, out);
  ranks.barrier();  // nobody lets go of memory that a peer reads
  std::vector<std::byte> bytes(out_bytes + in_bytes);
  std::memcpy(bytes.data(), out.data, out_bytes);
  std::memcpy(bytes.data() + out_bytes, in.data, in_bytes);
  return bytes;
}

core::Stream stream;

std::vector<Case> cases(int rank, int size, DType dtype, std::int64_t count, int root) {
  std::vector<Case> all;
  const std::int64_t whole = size * count;
  const Reduce sum = dtype == DType::boolean ? Reduce::max : Reduce::sum;
  for (const bool in_place : {false, true}) {
    all.push_back({"all_reduce", dtype, count, count, in_place, 0, false,
                   [=](Communicator& ranks, const Buffer& in, const Buffer& out) {
                     ranks.all_reduce(in, out, sum, stream).wait();
                   }});
    all.push_back({"reduce", dtype, count, count, in_place, 0, false,
                   [=](Communicator& ranks, const Buffer& in, const Buffer& out) {
                     ranks.reduce(in, out, sum, root, stream).wait();
                   }});
    all.push_back({"reduce_scatter", dtype, whole, count, in_place, rank * count, false,
                   [=](Communicator& ranks, const Buffer& in, const Buffer& out) {
                     ranks.reduce_scatter(in, out, sum, stream).wait();
                   }});
    all.push_back({"all_gather", dtype, count, whole, in_place, rank * count, true,
                   [](Communicator& ranks, const Buffer& in, const Buffer& out) {
                     ranks.all_gather(in, out, stream).wait();
                   }});
    all.push_back({"gather", dtype, count, whole, in_place, rank * count, true,
                   [=](Communicator& ranks, const Buffer& in, const Buffer& out) {
                     ranks.gather(in, out, root, stream).wait();
                   }});
    all.push_back({"scatter", dtype, whole, count, in_place, rank * count, false,
                   [=](Communicator& ranks, const Buffer& in, const Buffer& out) {
                     ranks.scatter(in, out, root, stream).wait();
                   }});
    all.push_back({"all_to_all", dtype, whole, whole, in_place, 0, false,
                   [](Communicator& ranks, const Buffer& in, const Buffer& out) {
                     ranks.all_to_all(in, out, stream).wait();
                   }});
  }
  all.push_back({"broadcast", dtype, 0, count, false, 0, false,
                 [=](Communicator& ranks, const Buffer&, const Buffer& out) {
                   ranks.broadcast(out, root, stream).wait();
                 }});
  std::vector<std::int64_t> counts;
  for (int r = 0; r < size; ++r) counts.push_back((r * 7 + 3) % 5 * (count / 4));
  std::int64_t sum_of_counts = 0;
  for (const std::int64_t each : counts) sum_of_counts += each;
  const std::int64_t own = counts[static_cast<std::size_t>(rank)];
  all.push_back({"all_gather_v", dtype, own, sum_of_counts, false, 0, false,
                 [=](Communicator& ranks, const Buffer& in, const Buffer& out) {
                   ranks.all_gather_v(in, out, counts, stream).wait();
                 }});
  all.push_back({"reduce_scatter_v", dtype, sum_of_counts, own, false, 0, false,
                 [=](Communicator& ranks, const Buffer& in, const Buffer& out) {
                   ranks.reduce_scatter_v(in, out, counts, sum, stream).wait();
                 }});
  return all;
}

TEST(Shm, MemoryFromAllocateGivesTheBitsOfAnyOtherExact) {
  for (const int size : {1, 2, 3, 5, 8, 16}) {
    on_shared_memory(size, [size](Communicator& ranks) {
      for (const DType dtype : {DType::f32, DType::bf16, DType::f64, DType::u8, DType::boolean}) {
        if (size > 5 && dtype != DType::f32) continue;  // what differs there is the number of ranks
        for (const std::int64_t count : {1, 100, 5'003}) {
          const int root = static_cast<int>(count) % size;
          for (const Case& each : cases(ranks.rank(), size, dtype, count, root)) {
            const auto any = result_of(each, ranks, false, 0);
            for (const std::size_t misalignment : {0, 3}) {
              ASSERT_EQ(result_of(each, ranks, true, misalignment), any)
                  << each.name << " of " << count << " " << name_of(dtype) << " on " << size
                  << " ranks, in place: " << each.is_in_place << ", from element " << misalignment;
            }
          }
        }
      }
    });
  }
}

// The sum of a forest's partials, whose values depend on their nodes only.
std::vector<float> sum_of_forest(Communicator& ranks, int shards, std::int64_t count,
                                 bool is_shared) {
  const auto nodes = core::maximal_subtrees(core::shards_of(ranks.rank(), ranks.size(), shards));
  const auto bytes = static_cast<std::size_t>(count) * sizeof(float);
  const Place place(ranks, bytes * (nodes.size() + 1), is_shared);
  std::vector<ConstBuffer> partials;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    place.fill(DType::f32, i * bytes, count, static_cast<unsigned>(nodes[i].first));
    partials.emplace_back(place.at(i * bytes), count, DType::f32);
  }
  // In place where there is a partial to overwrite.
  const Buffer out{
      place.at(nodes.empty() ? 0 : (nodes.size() - 1) * bytes), count, DType::f32, {}, {}};
  ranks.all_reduce(comm::Partials{partials, shards}, out, Reduce::mean, stream).wait();
  ranks.barrier();
  const auto* const first = static_cast<const float*>(out.data);
  return {first, first + count};
}

TEST(Shm, ForestsGiveTheSameBitsInAnyMemoryExact) {
  for (const int size : {2, 3, 4, 7}) {
    on_shared_memory(size, [](Communicator& ranks) {
      for (const int shards : {1, 3, 8, 12, 23}) {
        EXPECT_EQ(sum_of_forest(ranks, shards, 3'001, true),
                  sum_of_forest(ranks, shards, 3'001, false))
            << shards << " shards on " << ranks.size() << " ranks";
      }
    });
  }
}

// More pieces than a window has slots, the last one short.
TEST(Shm, LongReductionsGiveTheSameBitsInAnyMemoryExact) {
  for (const int size : {1, 2, 3, 4}) {
    on_shared_memory(size, [size](Communicator& ranks) {
      for (const std::int64_t count : {300'007, 1'000'003 / size}) {
        for (const Case& each : cases(ranks.rank(), size, DType::f32, count, size - 1)) {
          if (each.name.find("reduce") == std::string::npos) continue;
          ASSERT_EQ(result_of(each, ranks, false, 1), result_of(each, ranks, true, 0))
              << each.name << " of " << count << " on " << size
              << " ranks, in place: " << each.is_in_place;
        }
      }
    });
  }
}

TEST(Shm, LongForestsGiveTheSameBitsInAnyMemoryExact) {
  on_shared_memory(3, [](Communicator& ranks) {
    for (const int shards : {2, 8, 23}) {
      EXPECT_EQ(sum_of_forest(ranks, shards, 400'009, true),
                sum_of_forest(ranks, shards, 400'009, false))
          << shards << " shards";
    }
  });
}

}  // namespace
}  // namespace lockstep::tests
