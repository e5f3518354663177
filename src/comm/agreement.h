// The first stage of a collective: its ranks compare their signatures before data moves, so that
// all of them learn of a difference.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "lockstep/base/error.h"
#include "src/comm/messages.h"
#include "src/comm/signature.h"

namespace lockstep::comm {

// By dissemination, in log2(size) rounds: in round k a rank tells the one 2^k further on its own
// signature, or the two that it has seen to differ. Equal signatures in all rounds are equal on all
// ranks, and a difference reaches every rank.
class Agreement {
 public:
  // Negative, unlike the kinds of messages that carry data.
  enum Kind : std::int32_t { received = -2, sent = -1 };

  // A message of a round: what its sender calls or, beyond, what it knows to differ.
  struct Notice {
    Signature own;
    Signature other;
    std::int32_t rank = 0;
    std::int32_t other_rank = -1;  // 0 or more: the two differ
  };
  // Whether a message of that index within its call, and of that size, is one.
  static bool is_notice(std::uint64_t index, std::size_t bytes) {
    return index < first_data_index && bytes == sizeof(Notice);
  }
  // The messages of a call that carry data begin here.
  static constexpr std::uint64_t first_data_index = 64;

  Agreement(const Call& call, const Membership& member);

  // Posts messages and gives their number.
  int begin(Messages& messages);
  int completed(const Token& token, Messages& messages);
  bool is_reached() const { return !found_ && round_ == rounds_; }
  // Throws CommError when there is a difference, once the others have been told.
  void refuse_difference() const;

 private:
  int enter_round(Messages& messages);
  void send(Messages& messages, int round, const Notice& notice);
  void compare();

  const Membership& member_;
  Site site_;
  int rounds_ = 0;
  int round_ = 0;
  int unsent_ = 0;
  Notice own_;
  Notice incoming_;
  std::optional<Notice> found_;
  std::chrono::steady_clock::time_point found_at_;
};

}  // namespace lockstep::comm
