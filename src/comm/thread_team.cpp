#include "src/comm/thread_team.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "lockstep/base/error.h"

namespace lockstep::comm {

void ThreadTeam::offer(int from, int to, Offer offer) {
  Box& box = this->box(from, to);
  const std::lock_guard lock(box.mutex);
  box.offers.push_back(std::move(offer));
}

bool ThreadTeam::take(int from, int to, std::uint64_t sequence, std::uint64_t index, void* data,
                      std::size_t bytes) {
  Box& box = this->box(from, to);
  // The copy is made under the lock, so that a failing sender can withdraw its memory.
  const std::lock_guard lock(box.mutex);
  const auto offer = std::find_if(box.offers.begin(), box.offers.end(), [&](const Offer& each) {
    return each.sequence == sequence && each.index == index;
  });
  if (offer == box.offers.end()) return false;
  check<CommError>(offer->bytes == bytes, [&] {
    return Complaint{fmt::format("call #{}: rank {} sent {} bytes where rank {} expects {}",
                                 sequence, from, offer->bytes, to, bytes),
                     "make the same calls with the same counts and dtypes on every rank"};
  });
  if (bytes > 0) std::memcpy(data, offer->data, bytes);
  offer->is_taken->store(true, std::memory_order_release);
  box.offers.erase(offer);
  return true;
}

void ThreadTeam::fail(int rank, const std::string& why) noexcept {
  {
    const std::lock_guard lock(failure_mutex_);
    if (failure_.empty()) failure_ = fmt::format("rank {} failed first: {}", rank, why);
  }
  has_failed_.store(true, std::memory_order_release);
  for (int to = 0; to < size_; ++to) {
    Box& box = this->box(rank, to);
    const std::lock_guard lock(box.mutex);
    box.offers.clear();
  }
}

void ThreadTeam::refuse_if_failed() const {
  if (!has_failed_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(failure_mutex_);
  throw CommError({failure_, "mend what that rank complains about"});
}

}  // namespace lockstep::comm
