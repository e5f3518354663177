#include "src/comm/thread_messages.h"

namespace lockstep::comm {

bool Detention::is_over() const {
  if (for_ever) return false;
  return std::chrono::steady_clock::now() >= until && (!latest || *latest >= after);
}

void ThreadMessages::send(int peer, std::uint64_t index, const void* data, std::size_t bytes,
                          Token token) {
  auto is_taken = std::make_shared<std::atomic<bool>>(false);
  sent_.push_back({is_taken, token});
  Offer offer{channel_, index, data, bytes, std::move(is_taken)};
  if (detention_) {
    detained_.emplace_back(peer, std::move(offer));
  } else {
    team_->offer(rank_, peer, std::move(offer));
  }
}

void ThreadMessages::receive(int peer, std::uint64_t index, void* data, std::size_t bytes,
                             Token token) {
  awaited_.push_back({peer, index, data, bytes, token});
}

void ThreadMessages::poll(std::vector<Token>& finished) {
  team_->refuse_if_failed();
  if (detention_ && detention_->is_over()) release();
  std::erase_if(awaited_, [&](const Awaited& each) {
    if (!team_->take(each.peer, rank_, channel_, each.index, each.data, each.bytes)) return false;
    finished.push_back(each.token);
    return true;
  });
  // A dropped message is lost on its way: its sender does not notice.
  const bool are_lost = detention_ && detention_->for_ever;
  std::erase_if(sent_, [&](const Sent& each) {
    if (!are_lost && !each.is_taken->load(std::memory_order_acquire)) return false;
    finished.push_back(each.token);
    return true;
  });
}

void ThreadMessages::release() {
  for (auto& [peer, offer] : detained_) team_->offer(rank_, peer, std::move(offer));
  detained_.clear();
  detention_.reset();
}

}  // namespace lockstep::comm
