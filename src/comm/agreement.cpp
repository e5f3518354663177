#include "src/comm/agreement.h"

#include <bit>

namespace lockstep::comm {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

// How long a rank that knows of a difference waits for the others to take its word.
constexpr auto patience = 200ms;

}  // namespace

Agreement::Agreement(const Call& call, const Membership& member)
    : member_(member),
      site_(call.site),
      rounds_(std::bit_width(static_cast<unsigned>(member.size - 1))),
      own_{.own = signature_of(call, member), .other = {}, .rank = member.rank} {}

int Agreement::begin(Messages& messages) { return enter_round(messages); }

int Agreement::enter_round(Messages& messages) {
  if (round_ == rounds_) return 0;
  send(messages, round_, own_);
  const int from = (member_.rank + member_.size - (1 << round_)) % member_.size;
  messages.receive(from, static_cast<std::uint64_t>(round_), &incoming_, sizeof incoming_,
                   {received, from, round_});
  return 2;
}

void Agreement::send(Messages& messages, int round, const Notice& notice) {
  const int to = (member_.rank + (1 << round)) % member_.size;
  messages.send(to, static_cast<std::uint64_t>(round), &notice, sizeof notice, {sent, to, round});
  ++unsent_;
}

int Agreement::completed(const Token& token, Messages& messages) {
  if (token.kind == sent) {
    --unsent_;
    return 0;
  }
  compare();
  ++round_;
  if (!found_) return enter_round(messages);
  found_at_ = Clock::now();
  const int untold = rounds_ - round_;
  for (; round_ < rounds_; ++round_) send(messages, round_, *found_);
  return untold;
}

void Agreement::compare() {
  if (incoming_.other_rank >= 0) {
    found_ = incoming_;
  } else if (differ(own_.own, incoming_.own)) {
    found_ = own_;
    found_->other = incoming_.own;
    found_->other_rank = incoming_.rank;
  }
}

void Agreement::refuse_difference() const {
  if (!found_ || (unsent_ > 0 && Clock::now() - found_at_ < patience)) return;
  throw *difference(found_->own, found_->rank, found_->other, found_->other_rank, member_, site_);
}

}  // namespace lockstep::comm
