#include "src/parallel/owner_record.h"

#include <algorithm>

#include "src/parallel/checksum.h"

namespace lockstep::parallel {

void OwnerRecord::add(int arena, core::Range range) {
  const optim::Arena& of = optimizer_.arenas()[static_cast<std::size_t>(arena)];
  for (std::size_t i = 0; i < of.segments().size(); ++i) {
    const core::Range segment = of.segments()[i].range();
    const core::Range common{std::max(range.begin, segment.begin),
                             std::min(range.end, segment.end)};
    if (common.begin >= common.end) continue;
    Piece piece{
        arena, static_cast<int>(i), {common.begin - segment.begin, common.end - segment.begin}, 0};
    piece.checksum = checksum_of(piece);
    pieces_.push_back(piece);
  }
}

std::vector<std::uint64_t> OwnerRecord::damage() const {
  std::vector<std::uint64_t> damage(optimizer_.parameters().size());
  for (const Piece& piece : pieces_) {
    const optim::Arena& of = optimizer_.arenas()[static_cast<std::size_t>(piece.arena)];
    const int parameter = of.segments()[static_cast<std::size_t>(piece.segment)].parameter;
    const std::uint64_t now = checksum_of(piece);
    if (now != piece.checksum)
      damage[static_cast<std::size_t>(parameter)] = chained(now, piece.checksum);
  }
  return damage;
}

std::uint64_t OwnerRecord::checksum_of(const Piece& piece) const {
  const optim::Arena& of = optimizer_.arenas()[static_cast<std::size_t>(piece.arena)];
  const std::int64_t offset = of.segments()[static_cast<std::size_t>(piece.segment)].offset;
  const core::Buffer place = of.parameters({offset + piece.range.begin, offset + piece.range.end});
  return checksum(place.data, place.bytes());
}

}  // namespace lockstep::parallel
