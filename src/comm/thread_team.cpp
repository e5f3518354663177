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

bool ThreadTeam::take(int from, int to, const Channel& channel, std::uint64_t index, void* data,
                      std::size_t bytes) {
  Box& box = this->box(from, to);
  // The copy is made under the lock, so that a failing sender can withdraw its memory.
  const std::lock_guard lock(box.mutex);
  const auto offer = std::find_if(box.offers.begin(), box.offers.end(), [&](const Offer& each) {
    return each.channel == channel && each.index == index;
  });
  if (offer == box.offers.end()) return false;
  check<CommError>(offer->bytes == bytes, [&] {
    return Complaint{fmt::format("call #{}: rank {} sent {} bytes where rank {} expects {}",
                                 channel.sequence, from, offer->bytes, to, bytes),
                     "make the same calls with the same counts and dtypes on every rank"};
  });
  if (bytes > 0) std::memcpy(data, offer->data, bytes);
  offer->is_taken->store(true, std::memory_order_release);
  box.offers.erase(offer);
  return true;
}

std::optional<Agreement::Notice> ThreadTeam::unanswered(int to, std::uint64_t sequence) {
  for (int from = 0; from < size_; ++from) {
    Box& box = this->box(from, to);
    const std::lock_guard lock(box.mutex);
    for (const Offer& offer : box.offers) {
      if (offer.channel.is_point_to_point || offer.channel.sequence <= sequence) continue;
      if (!Agreement::is_notice(offer.index, offer.bytes)) continue;
      Agreement::Notice notice;
      std::memcpy(&notice, offer.data, sizeof notice);
      return notice;
    }
  }
  return std::nullopt;
}

std::shared_ptr<ThreadTeam> ThreadTeam::part(std::uint64_t id, int size) {
  const std::lock_guard lock(parts_mutex_);
  Part& part = parts_[id];
  if (!part.team) part = {std::shared_ptr<ThreadTeam>(new ThreadTeam(size, failure_)), size};
  auto team = part.team;
  if (--part.missing == 0) parts_.erase(id);
  return team;
}

void ThreadTeam::fail(int rank, const CommError& why) noexcept {
  {
    const std::lock_guard lock(failure_->mutex);
    if (!failure_->why) {
      failure_->why = peer_failure(rank, why.problem(), why.where(), why.fix());
    }
  }
  failure_->has_happened.store(true, std::memory_order_release);
  for (int to = 0; to < size_; ++to) {
    Box& box = this->box(rank, to);
    const std::lock_guard lock(box.mutex);
    box.offers.clear();
  }
}

void ThreadTeam::refuse_if_failed() const {
  if (!failure_->has_happened.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(failure_->mutex);
  throw ConsequentError(*failure_->why);
}

}  // namespace lockstep::comm
