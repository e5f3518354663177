// What shared memory adds to the conformance of all transports: data that the peers fold and copy
// in place, and how its calls, memory and failures behave. The ranks are threads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <fstream>
#include <functional>
#include <random>
#include <ranges>
#include <string>
#include <thread>

#include "lockstep/base/error.h"
#include "lockstep/comm/transport.h"
#include "lockstep/core/shard.h"

namespace lockstep::tests {
namespace {

using comm::Communicator;
using comm::Reduce;
using core::Buffer;
using core::ConstBuffer;
using testing::AllOf;
using testing::HasSubstr;
using namespace std::chrono_literals;

void on_shared_memory(int size, const std::function<void(Communicator&)>& body) {
  auto ranks = comm::shm_threads(size);
  std::vector<std::jthread> threads;
  for (auto& rank : ranks) {
    threads.emplace_back([&body, own = std::move(rank)]() mutable {
      describe_thread("rank " + std::to_string(own->rank()));
      body(*own);
    });
  }
}

std::string failure_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const CommError& error) {
    return error.what();
  }
  return "";
}

// Memory of one rank, filled from a seed: from allocate(), or any other.
class Place {
 public:
  Place(Communicator& ranks, std::size_t bytes, bool is_shared)
      : memory_(is_shared ? ranks.allocate(bytes) : core::allocator({}).allocate(bytes)) {}

  std::byte* at(std::size_t offset) const {
    return static_cast<std::byte*>(memory_->data()) + offset;
  }
  // Numbers whose sums are rounded.
  void fill(DType dtype, std::size_t offset, std::int64_t count, unsigned seed) const {
    std::minstd_rand random(seed + 1);
    with_type(dtype, [&](auto sample) {
      using T = decltype(sample);
      auto* const first = reinterpret_cast<T*>(at(offset));
      for (std::int64_t i = 0; i < count; ++i) {
        const auto number = static_cast<float>(random() % 20011) / 1009.0F;
        if constexpr (std::is_same_v<T, bool>) {
          first[i] = random() % 2 == 0;
        } else if constexpr (std::is_arithmetic_v<T>) {
          first[i] = static_cast<T>(number);
        } else {
          first[i] = T(number);
        }
      }
    });
  }

 private:
  core::Memory memory_;
};

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

TEST(Shm, MoreCallsThanSlotsMayBeUnderWayOnOneRank) {
  on_shared_memory(3, [](Communicator& ranks) {
    constexpr int calls = 300;
    const core::Memory memory = ranks.allocate(calls * 4096 * sizeof(float));
    auto* const first = static_cast<float*>(memory->data());
    std::fill_n(first, calls * 4096, 1.0F + static_cast<float>(ranks.rank()));
    std::vector<comm::Work> works;
    if (ranks.rank() == 2) std::this_thread::sleep_for(20ms);
    for (int call = 0; call < calls; ++call) {
      const Buffer data{first + call * 4096, 1 + call % 4096, DType::f32, {}, memory};
      works.push_back(ranks.all_reduce(data, data, Reduce::sum, stream));
    }
    for (comm::Work& work : std::views::reverse(works)) work.wait();
    for (int call = 0; call < calls; ++call)
      for (int i = 0; i <= call % 4096; ++i) ASSERT_EQ(first[call * 4096 + i], 6.0F);
  });
}

TEST(Shm, CallsOnEveryKindOfMemoryMayBeUnderWayAtOnce) {
  on_shared_memory(4, [](Communicator& ranks) {
    const core::Memory shared = ranks.allocate(400'000);
    std::vector<float> own(100'000, 1.0F);
    std::vector<float> few(10, 1.0F);
    std::fill_n(static_cast<float*>(shared->data()), 100'000, 1.0F);
    for (int repeat = 0; repeat < 5; ++repeat) {
      const Buffer all[] = {{own.data(), 100'000, DType::f32, {}, {}},
                            {shared->data(), 100'000, DType::f32, {}, shared},
                            {few.data(), 10, DType::f32, {}, {}}};
      std::vector<comm::Work> works;
      for (const Buffer& data : all)
        works.push_back(ranks.all_reduce(data, data, Reduce::mean, stream));
      for (comm::Work& work : works) work.wait();
    }
    EXPECT_EQ(own, std::vector<float>(100'000, 1.0F));
    EXPECT_EQ(static_cast<float*>(shared->data())[99'999], 1.0F);
  });
}

TEST(Shm, OneRankWithoutSharedMemoryIsServedToo) {
  on_shared_memory(3, [](Communicator& ranks) {
    const core::Memory shared = ranks.allocate(90'000 * sizeof(float));
    std::vector<float> own(90'000);
    auto* const data = ranks.rank() == 1 ? own.data() : static_cast<float*>(shared->data());
    std::fill_n(data, 90'000, 2.0F);
    const Buffer buffer{data, 90'000, DType::f32, {}, shared};
    ranks.all_reduce(buffer, buffer, Reduce::sum, stream).wait();
    EXPECT_EQ(data[0], 6.0F);
    EXPECT_EQ(data[89'999], 6.0F);
  });
}

TEST(Shm, LongMessagesThatNobodyReceivesYetDoNotStopTheOthers) {
  on_shared_memory(2, [](Communicator& ranks) {
    std::vector<float> data(1'000'000, static_cast<float>(ranks.rank()));
    const Buffer buffer{data.data(), 1'000'000, DType::f32, {}, {}};
    comm::Work sent;
    if (ranks.rank() == 0) sent = ranks.send(buffer, 1, stream);
    std::vector<float> other(300'000, 1.0F);
    const Buffer sum{other.data(), 300'000, DType::f32, {}, {}};
    ranks.all_reduce(sum, sum, Reduce::sum, stream).wait();
    EXPECT_EQ(other[299'999], 2.0F);
    if (ranks.rank() == 1) ranks.receive(buffer, 0, stream).wait();
    sent.wait();
    EXPECT_EQ(data[999'999], 0.0F);
  });
}

int shared_mappings() {
  std::ifstream maps("/proc/self/maps");
  int found = 0;
  for (std::string line; std::getline(maps, line);)
    if (line.find("memfd:lockstep") != std::string::npos) ++found;
  return found;
}

TEST(Shm, MemoryGoesOnceNoRankUsesIt) {
  const int before = shared_mappings();
  int within[2] = {};
  on_shared_memory(2, [&](Communicator& ranks) {
    const core::Memory kept = ranks.allocate(100);
    for (int repeat = 0; repeat < 10; ++repeat) {
      const core::Memory memory = ranks.allocate(10'000);
      ranks.barrier();
    }
    ranks.barrier();
    ranks.barrier();
    within[ranks.rank()] = shared_mappings() - before;
    ranks.barrier();
  });
  EXPECT_LE(within[0], 1 + 2 + 2);  // the board, and of each rank what is kept and the latest
  EXPECT_EQ(shared_mappings(), before);
}

TEST(Shm, MemoryOutlivesItsCommunicator) {
  on_shared_memory(2, [](Communicator& ranks) {
    core::Memory kept;
    {
      auto both = ranks.split(0, ranks.rank());
      kept = both->allocate(1000);
    }
    std::memset(kept->data(), 1, 1000);
  });
}

TEST(Shm, MemoryIsAlignedToCacheLines) {
  on_shared_memory(3, [](Communicator& ranks) {
    for (const std::size_t bytes : {0, 1, 100, 5'000'000}) {
      const core::Memory memory = ranks.allocate(bytes);
      EXPECT_GE(memory->bytes(), bytes);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory->data()) % core::alignment, 0U);
    }
  });
}

TEST(Shm, ALackOfMemoryIsAnErrorOnEveryRankAndNoMore) {
  on_shared_memory(3, [](Communicator& ranks) {
    try {
      const core::Memory memory = ranks.allocate(ranks.rank() == 1 ? std::size_t{1} << 45 : 100);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const DeviceError& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr("memory of 3 ranks needs 35184372"),
                                      HasSubstr("use a smaller model")));
    }
    const core::Memory memory = ranks.allocate(100);
    EXPECT_FALSE(ranks.is_poisoned());
    ranks.barrier();
  });
}

TEST(Shm, EveryRankIsToldWhichCallsDiffer) {
  std::string seen[3];
  on_shared_memory(3, [&](Communicator& ranks) {
    float data[20] = {};
    const std::int64_t count = ranks.rank() == 2 ? 11 : 10;
    const Buffer buffer{data, count, DType::f32, {}, {}};
    seen[ranks.rank()] =
        failure_of([&] { ranks.all_reduce(buffer, buffer, Reduce::sum, stream).wait(); });
  });
  for (const std::string& message : seen) {
    EXPECT_THAT(message, AllOf(HasSubstr("ranks 0 and 2 differ in the count: rank 0 calls "
                                         "all_reduce #1 (sum, f32 x 10) at shm_test.cpp:"),
                               HasSubstr("rank 2 calls all_reduce #1 (sum, f32 x 11) at")));
  }
}

TEST(Shm, AFailureReachesTheOthersAtOnce) {
  std::string seen[2];
  const auto begin = std::chrono::steady_clock::now();
  on_shared_memory(2, [&](Communicator& ranks) {
    if (ranks.rank() == 0) return ranks.poison("no more data");
    seen[1] = failure_of([&] { ranks.barrier(); });
  });
  EXPECT_THAT(seen[1], HasSubstr("rank 0 failed first: no more data"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST(Shm, ARankThatHasLeftIsNamedToThoseWhoWaitForIt) {
  std::string seen[3];
  on_shared_memory(3, [&](Communicator& ranks) {
    ranks.barrier();
    if (ranks.rank() == 1) return;
    seen[ranks.rank()] = failure_of([&] { ranks.barrier(); });
  });
  for (const int rank : {0, 2})
    EXPECT_THAT(seen[rank], HasSubstr("rank 1 failed first: it has ended its communicator after 1 "
                                      "collectives; the others call more"));
}

TEST(Shm, AMissingCallEndsAtTheDeadline) {
  on_shared_memory(2, [](Communicator& ranks) {
    static std::atomic<bool> is_over = false;
    if (ranks.rank() == 1) {
      while (!is_over) std::this_thread::sleep_for(1ms);
      return;
    }
    ranks.use_timeout(100ms);
    EXPECT_THAT(
        failure_of([&] { ranks.barrier(); }),
        AllOf(HasSubstr("barrier #1 not finished after 0.1 s"), HasSubstr("transport shm")));
    is_over = true;
  });
}

}  // namespace
}  // namespace lockstep::tests
