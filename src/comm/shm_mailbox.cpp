#include "src/comm/shm_mailbox.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "src/comm/shm_messages.h"

namespace lockstep::comm {
namespace {

// Up to here a message is sent whether or not somebody waits for it.
constexpr std::size_t longest_short_message = 4096;
constexpr std::size_t longest_fragment = std::size_t{32} << 10;

ShmMailbox::Name name_of(const ShmRing::Record& record) {
  return {{record.sequence, record.is_point_to_point}, record.index};
}

template <class List> auto find_named(List& list, const ShmMailbox::Name& name) {
  return std::find_if(list.begin(), list.end(),
                      [&](const auto& each) { return each.name == name; });
}

}  // namespace

ShmMailbox::ShmMailbox(std::shared_ptr<ShmBoard> board)
    : board_(std::move(board)),
      rings_(board_->rings(), board_->size()),
      peers_(static_cast<std::size_t>(board_->size())) {}

ShmRing::Record ShmMailbox::record_of(const Name& name, Kind kind, std::size_t total) {
  return {.sequence = name.channel.sequence,
          .index = name.index,
          .total = total,
          .kind = kind,
          .is_point_to_point = name.channel.is_point_to_point};
}

void ShmMailbox::send(int to, const Sent& message) { peer(to).outgoing.push_back({message}); }

void ShmMailbox::receive(int from, const Awaited& message) {
  Incoming incoming{message};
  auto& early = peer(from).early;
  const auto found = find_named(early, message.name);
  if (found == early.end()) {
    peer(from).incoming.push_back(incoming);
    return;
  }
  require_size(from, incoming, found->total);
  if (found->is_announced) {
    invite(from, message.name);
    peer(from).incoming.push_back(incoming);
  } else {
    std::copy(found->bytes.begin(), found->bytes.end(), message.data);
    message.owner->finish(message.token);
  }
  early.erase(found);
}

void ShmMailbox::invite(int from, const Name& name) {
  peer(from).control.push_back(record_of(name, invitation, 0));
}

void ShmMailbox::require_size(int from, const Incoming& expected, std::size_t total) const {
  check<CommError>(expected.bytes == total, [&] {
    return Complaint{
        fmt::format("call #{}: rank {} sent {} bytes where rank {} expects {}",
                    expected.name.channel.sequence, from, total, board_->rank(), expected.bytes),
        "make the same calls with the same counts and dtypes on every rank"};
  });
}

void ShmMailbox::progress() {
  bool has_moved = false;
  for (int rank = 0; rank < board_->size(); ++rank) {
    has_moved = take_in(rank) || has_moved;
    has_moved = send_out(rank) || has_moved;
  }
  if (has_moved) board_->moved();
}

bool ShmMailbox::take_in(int from) {
  ShmRing& ring = rings_.ring(from, board_->rank());
  ShmRing::Record record;
  bool has_moved = false;
  while (ring.peek(rings_.capacity(), record)) {
    accept(from, record);
    has_moved = true;
  }
  return has_moved;
}

void ShmMailbox::accept(int from, const ShmRing::Record& record) {
  if (record.kind == fragment) return accept_fragment(from, record);
  rings_.ring(from, board_->rank()).pop(rings_.capacity(), record, nullptr);
  if (record.kind == announcement) return accept_announcement(from, record);
  accept_invitation(from, record);
}

void ShmMailbox::accept_fragment(int from, const ShmRing::Record& record) {
  ShmRing& ring = rings_.ring(from, board_->rank());
  auto& incoming = peer(from).incoming;
  const auto found = find_named(incoming, name_of(record));
  if (found == incoming.end()) {  // only short messages come unasked, in one fragment
    Early early{name_of(record), record.total, false, std::vector<std::byte>(record.bytes)};
    ring.pop(rings_.capacity(), record, early.bytes.data());
    peer(from).early.push_back(std::move(early));
    return;
  }
  require_size(from, *found, record.total);
  ring.pop(rings_.capacity(), record, found->data + record.offset);
  found->arrived += record.bytes;
  if (found->arrived < found->bytes) return;
  found->owner->finish(found->token);
  incoming.erase(found);
}

void ShmMailbox::accept_announcement(int from, const ShmRing::Record& record) {
  auto& incoming = peer(from).incoming;
  const auto found = find_named(incoming, name_of(record));
  if (found == incoming.end()) {
    peer(from).early.push_back({name_of(record), record.total, true, {}});
    return;
  }
  require_size(from, *found, record.total);
  invite(from, found->name);
}

void ShmMailbox::accept_invitation(int from, const ShmRing::Record& record) {
  auto& outgoing = peer(from).outgoing;
  const auto found = find_named(outgoing, name_of(record));
  if (found != outgoing.end()) found->stage = Stage::flowing;
}

bool ShmMailbox::send_out(int to) {
  ShmRing& ring = rings_.ring(board_->rank(), to);
  Peer& receiver = peer(to);
  bool has_moved = false;
  while (!receiver.control.empty()) {
    if (!ring.push(rings_.capacity(), receiver.control.front(), nullptr)) return has_moved;
    receiver.control.pop_front();
    has_moved = true;
  }
  for (auto message = receiver.outgoing.begin(); message != receiver.outgoing.end();) {
    has_moved = send_on(to, *message) || has_moved;
    const bool is_through = message->stage == Stage::flowing && message->sent == message->bytes;
    if (is_through) message->owner->finish(message->token);
    message = is_through ? receiver.outgoing.erase(message) : std::next(message);
  }
  return has_moved;
}

// True when something of the message went into the ring.
bool ShmMailbox::send_on(int to, Outgoing& message) {
  ShmRing& ring = rings_.ring(board_->rank(), to);
  if (message.stage == Stage::announced) return false;
  if (message.stage == Stage::new_ && message.bytes > longest_short_message) {
    if (!ring.push(rings_.capacity(), record_of(message.name, announcement, message.bytes),
                   nullptr))
      return false;
    message.stage = Stage::announced;
    return true;
  }
  bool has_moved = false;
  const std::size_t limit = std::min(longest_fragment, rings_.capacity() / 4);
  do {
    ShmRing::Record record = record_of(message.name, fragment, message.bytes);
    record.offset = message.sent;
    record.bytes = static_cast<std::uint32_t>(std::min(limit, message.bytes - message.sent));
    if (!ring.push(rings_.capacity(), record, message.data + message.sent)) return has_moved;
    message.stage = Stage::flowing;
    message.sent += record.bytes;
    has_moved = true;
  } while (message.sent < message.bytes);
  return has_moved;
}

std::optional<Agreement::Notice> ShmMailbox::unanswered() {
  progress();
  for (const Peer& each : peers_) {
    for (const Early& message : each.early) {
      if (message.name.channel.is_point_to_point ||
          !Agreement::is_notice(message.name.index, message.bytes.size()))
        continue;
      Agreement::Notice notice;
      std::memcpy(&notice, message.bytes.data(), sizeof notice);
      return notice;
    }
  }
  return std::nullopt;
}

void ShmMailbox::forget(const ShmMessages* owner) noexcept {
  for (Peer& each : peers_) {
    std::erase_if(each.outgoing, [&](const Outgoing& message) { return message.owner == owner; });
    std::erase_if(each.incoming, [&](const Incoming& message) { return message.owner == owner; });
  }
}

}  // namespace lockstep::comm
