#include "src/comm/direct.h"

#include <cstring>

#include "src/comm/pieces.h"

namespace lockstep::comm {
namespace {

enum Kind : std::int32_t { sending, receiving };

constexpr std::size_t piece_bytes = std::size_t{8} << 20;

bool has_in_of_parts(Op op) { return op == Op::scatter || op == Op::all_to_all; }
bool has_out_of_parts(Op op) {
  return op == Op::gather || op == Op::all_gather || op == Op::all_to_all;
}

}  // namespace

void Direct::begin() {
  if (call_.op == Op::receive) return receive_from(call_.root);
  const core::ConstBuffer& in = call_.in.front();
  in_ = static_cast<const std::byte*>(in.data);
  if (call_.op == Op::send) return send_to(call_.root);
  if (call_.op == Op::all_to_all && in.data == call_.out.data && in.count > 0) {
    copy_ = core::allocator(in.device).allocate(in.bytes());
    std::memcpy(copy_->data(), in.data, in.bytes());
    in_ = static_cast<const std::byte*>(copy_->data());
  }
  // Everyone begins with another peer, so that nobody is sent to by all at once.
  for (int hop = 1; hop < size(); ++hop) receive_from((rank() + size() - hop) % size());
  for (int hop = 1; hop < size(); ++hop) send_to((rank() + hop) % size());
  keep_own_part();
}

void Direct::send_to(int peer) {
  const Part part = outgoing(peer);
  for_each_piece(part.bytes, piece_bytes,
                 [&](std::int64_t piece, std::size_t offset, std::size_t bytes) {
                   send(peer, static_cast<std::uint64_t>(piece), in_ + part.offset + offset, bytes,
                        {sending, peer, piece});
                 });
}

void Direct::receive_from(int peer) {
  const Part part = incoming(peer);
  auto* out = static_cast<std::byte*>(call_.out.data);
  for_each_piece(part.bytes, piece_bytes,
                 [&](std::int64_t piece, std::size_t offset, std::size_t bytes) {
                   receive(peer, static_cast<std::uint64_t>(piece), out + part.offset + offset,
                           bytes, {receiving, peer, piece});
                 });
}

void Direct::keep_own_part() {
  const Part from = outgoing(rank());
  if (from.bytes == 0) return;
  std::byte* to = static_cast<std::byte*>(call_.out.data) + incoming(rank()).offset;
  if (to != in_ + from.offset) std::memcpy(to, in_ + from.offset, from.bytes);
}

Direct::Part Direct::outgoing(int peer) const {
  const bool is_taken = call_.op != Op::gather || peer == call_.root;
  const bool is_given = call_.op != Op::scatter || rank() == call_.root;
  if (!is_taken || !is_given) return {};
  const core::ConstBuffer& in = call_.in.front();
  if (!has_in_of_parts(call_.op)) return {0, in.bytes()};
  return part_of(Parts(call_.counts, in.count / size()), peer);
}

Direct::Part Direct::incoming(int peer) const {
  const bool is_taken = call_.op != Op::gather || rank() == call_.root;
  const bool is_given = call_.op != Op::scatter || peer == call_.root;
  if (!is_taken || !is_given) return {};
  if (!has_out_of_parts(call_.op)) return {0, call_.out.bytes()};
  const auto& counts = call_.op == Op::all_to_all ? call_.received : call_.counts;
  return part_of(Parts(counts, call_.out.count / size()), peer);
}

Direct::Part Direct::part_of(const Parts& parts, int peer) const {
  const core::Range range = parts.of(peer);
  const std::size_t element = size_of(call_.out.dtype);
  return {static_cast<std::size_t>(range.begin) * element,
          static_cast<std::size_t>(range.count()) * element};
}

}  // namespace lockstep::comm
