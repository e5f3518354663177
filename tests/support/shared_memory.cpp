#include "tests/support/shared_memory.h"

#include <random>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "lockstep/base/error.h"
#include "lockstep/comm/transport.h"

namespace lockstep::tests {

void on_shared_memory(int size, const std::function<void(comm::Communicator&)>& body) {
  auto ranks = comm::shm_threads(size);
  std::vector<std::jthread> threads;
  for (auto& rank : ranks) {
    threads.emplace_back([&body, own = std::move(rank)]() mutable {
      describe_thread("rank " + std::to_string(own->rank()));
      body(*own);
    });
  }
}

Place::Place(comm::Communicator& ranks, std::size_t bytes, bool is_shared)
    : memory_(is_shared ? ranks.allocate(bytes) : core::allocator({}).allocate(bytes)) {}

void Place::fill(DType dtype, std::size_t offset, std::int64_t count, unsigned seed) const {
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

}  // namespace lockstep::tests
