#include "src/comm/split.h"

#include <fmt/format.h>

#include <algorithm>

#include "lockstep/comm/communicator.h"
#include "src/comm/family.h"

namespace lockstep::comm {
namespace {

// FNV-1a: the same on every host.
std::uint64_t hash_of(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

}  // namespace

std::vector<int> members_of(std::span<const Wish> wishes, int rank) {
  const std::int64_t color = wishes[static_cast<std::size_t>(rank)].color;
  std::vector<int> members;
  if (color < 0) return members;
  for (int other = 0; other < static_cast<int>(wishes.size()); ++other) {
    if (wishes[static_cast<std::size_t>(other)].color == color) members.push_back(other);
  }
  std::stable_sort(members.begin(), members.end(), [&](int a, int b) {
    return wishes[static_cast<std::size_t>(a)].key < wishes[static_cast<std::size_t>(b)].key;
  });
  return members;
}

Group group_of(const Group& parent, std::uint64_t sequence, std::int64_t color) {
  const std::string own = fmt::format("split #{}, color {}", sequence, color);
  std::string name = parent.name.empty() ? own : parent.name + " / " + own;
  const std::uint64_t id = hash_of(name);
  return {std::move(name), id};
}

std::unique_ptr<Communicator> Communicator::split(int color, int key, Site site) {
  // The transport keeps the memory alive should this call fail.
  const core::Memory memory =
      core::allocator({}).allocate(static_cast<std::size_t>(size()) * sizeof(Wish));
  auto* first = static_cast<Wish*>(memory->data());
  const std::span<Wish> wishes(first, static_cast<std::size_t>(size()));
  Wish& own = wishes[static_cast<std::size_t>(rank())];
  own = {color, key};
  const core::Buffer all{first, 2 * size(), DType::i64, {}, memory};
  const core::Buffer mine{&own, 2, DType::i64, {}, memory};
  core::Stream host;
  all_gather(mine, all, host, site).wait();
  const std::vector<int> members = members_of(wishes, rank());
  const auto index = std::find(members.begin(), members.end(), rank()) - members.begin();
  auto part =
      subset(members, static_cast<int>(index), group_of(membership().group, sequence_, own.color));
  if (part) {
    const std::lock_guard lock(family_->mutex);
    part->family_ = family_;
    family_->members.push_back(part.get());
  }
  return part;
}

}  // namespace lockstep::comm
