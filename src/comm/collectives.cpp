#include "src/comm/collectives.h"

#include <algorithm>

#include "src/comm/pieces.h"

namespace lockstep::comm {
namespace {

enum Kind : std::int32_t { sending, receiving };

constexpr std::size_t broadcast_piece = std::size_t{512} << 10;

}  // namespace

void Broadcast::begin() {
  const int distance = (rank() - root_ + size()) % size();
  auto* data = static_cast<std::byte*>(data_.data);
  const int parent = distance & (distance - 1);  // without its lowest bit
  for_each_piece(data_.bytes(), broadcast_piece,
                 [&](std::int64_t piece, std::size_t offset, std::size_t bytes) {
                   if (distance == 0) return pass_on(piece);
                   const int from = (parent + root_) % size();
                   receive(from, static_cast<std::uint64_t>(piece), data + offset, bytes,
                           {receiving, from, piece});
                 });
}

void Broadcast::completed(const Token& token) {
  if (token.kind == receiving) pass_on(token.piece);
}

void Broadcast::pass_on(std::int64_t piece) {
  const int distance = (rank() - root_ + size()) % size();
  const std::size_t offset = static_cast<std::size_t>(piece) * broadcast_piece;
  const std::size_t bytes = std::min(broadcast_piece, data_.bytes() - offset);
  const auto* data = static_cast<const std::byte*>(data_.data) + offset;
  int highest = 1;  // children are distance + 2^k for every 2^k below the lowest bit of distance
  while (highest < size() && (distance & highest) == 0) highest *= 2;
  for (int step = highest / 2; step > 0; step /= 2) {
    if (distance + step >= size()) continue;
    const int to = (distance + step + root_) % size();
    send(to, static_cast<std::uint64_t>(piece), data, bytes, {sending, to, piece});
  }
}

void Barrier::enter(int round) {
  const int step = 1 << round;
  if (step >= size()) return;
  send((rank() + step) % size(), static_cast<std::uint64_t>(round), nullptr, 0,
       {sending, 0, round});
  receive((rank() + size() - step) % size(), static_cast<std::uint64_t>(round), nullptr, 0,
          {receiving, 0, round});
}

void Barrier::completed(const Token& token) {
  if (token.kind == receiving) enter(static_cast<int>(token.piece) + 1);
}

}  // namespace lockstep::comm
