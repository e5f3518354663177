#include "src/comm/direct.h"

#include <cstring>

#include "src/comm/pieces.h"

namespace lockstep::comm {
namespace {

enum Kind : std::int32_t { sending, receiving, label_sent, label_received };

constexpr std::uint64_t label_index = 0;
constexpr std::uint64_t first_piece_index = 1;
constexpr std::size_t piece_bytes = std::size_t{8} << 20;

bool has_in_of_parts(Op op) { return op == Op::scatter || op == Op::all_to_all; }
bool has_out_of_parts(Op op) {
  return op == Op::gather || op == Op::all_gather || op == Op::all_to_all;
}

}  // namespace

Direct::Direct(const Call& call, const Membership& member, std::unique_ptr<Messages> messages)
    : Exchange(call, member, std::move(messages)),
      is_labelled_(is_point_to_point(call.op) ||
                   (call.op == Op::all_to_all && !call.counts.empty())),
      labels_(is_labelled_ ? 2 * static_cast<std::size_t>(member.size) : 0) {}

void Direct::begin() {
  if (call().op == Op::receive) return receive_from(call().root);
  const core::ConstBuffer& in = call().in.front();
  in_ = static_cast<const std::byte*>(in.data);
  if (call().op == Op::send) return send_to(call().root);
  if (call().op == Op::all_to_all && in.data == call().out.data && in.count > 0) {
    copy_ = core::allocator(in.device).allocate(in.bytes());
    std::memcpy(copy_->data(), in.data, in.bytes());
    in_ = static_cast<const std::byte*>(copy_->data());
  }
  // Everyone begins with another peer, so that nobody is sent to by all at once.
  for (int hop = 1; hop < size(); ++hop) receive_from((rank() + size() - hop) % size());
  for (int hop = 1; hop < size(); ++hop) send_to((rank() + hop) % size());
  keep_own_part();
}

void Direct::completed(const Token& token) {
  if (token.kind != label_received) return;
  compare(token.peer);
  take_from(token.peer);
}

// What this rank says of a part that it gives, or expects of one that it takes.
Signature Direct::label(const Part& part) const {
  Signature label = signature_of(call(), member());
  label.count = static_cast<std::int64_t>(part.bytes / size_of(call().out.dtype));
  return label;
}

void Direct::send_to(int peer) {
  const Part part = outgoing(peer);
  if (is_labelled_) {
    Signature& label = labels_[static_cast<std::size_t>(peer)];
    label = this->label(part);
    send(peer, label_index, &label, sizeof label, {label_sent, peer, 0});
  }
  for_each_piece(part.bytes, piece_bytes,
                 [&](std::int64_t piece, std::size_t offset, std::size_t bytes) {
                   send(peer, first_piece_index + static_cast<std::uint64_t>(piece),
                        in_ + part.offset + offset, bytes, {sending, peer, piece});
                 });
}

void Direct::receive_from(int peer) {
  if (!is_labelled_) return take_from(peer);
  Signature& label = labels_[static_cast<std::size_t>(size() + peer)];
  receive(peer, label_index, &label, sizeof label, {label_received, peer, 0});
}

void Direct::compare(int sender) const {
  const auto error = difference(labels_[static_cast<std::size_t>(size() + sender)], sender,
                                label(incoming(sender)), rank(), member(), call().site);
  if (error) throw *error;
}

void Direct::take_from(int peer) {
  const Part part = incoming(peer);
  auto* out = static_cast<std::byte*>(call().out.data);
  for_each_piece(part.bytes, piece_bytes,
                 [&](std::int64_t piece, std::size_t offset, std::size_t bytes) {
                   receive(peer, first_piece_index + static_cast<std::uint64_t>(piece),
                           out + part.offset + offset, bytes, {receiving, peer, piece});
                 });
}

void Direct::keep_own_part() {
  const Part from = outgoing(rank());
  if (from.bytes == 0) return;
  std::byte* to = static_cast<std::byte*>(call().out.data) + incoming(rank()).offset;
  if (to != in_ + from.offset) std::memcpy(to, in_ + from.offset, from.bytes);
}

Direct::Part Direct::outgoing(int peer) const {
  const bool is_taken = call().op != Op::gather || peer == call().root;
  const bool is_given = call().op != Op::scatter || rank() == call().root;
  if (!is_taken || !is_given) return {};
  const core::ConstBuffer& in = call().in.front();
  if (!has_in_of_parts(call().op)) return {0, in.bytes()};
  return part_of(Parts(call().counts, in.count / size()), peer);
}

Direct::Part Direct::incoming(int peer) const {
  const bool is_taken = call().op != Op::gather || rank() == call().root;
  const bool is_given = call().op != Op::scatter || peer == call().root;
  if (!is_taken || !is_given) return {};
  if (!has_out_of_parts(call().op)) return {0, call().out.bytes()};
  const auto& counts = call().op == Op::all_to_all ? call().received : call().counts;
  return part_of(Parts(counts, call().out.count / size()), peer);
}

Direct::Part Direct::part_of(const Parts& parts, int peer) const {
  const core::Range range = parts.of(peer);
  const std::size_t element = size_of(call().out.dtype);
  return {static_cast<std::size_t>(range.begin) * element,
          static_cast<std::size_t>(range.count()) * element};
}

}  // namespace lockstep::comm
