#include "src/parallel/divergence.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

namespace lockstep::parallel {
namespace {

constexpr std::size_t most_ranks_listed = 8;

std::vector<int> ranks_with(const HashTable& table, std::size_t tensor, std::uint64_t hash) {
  std::vector<int> found;
  for (int rank = 0; rank < table.ranks; ++rank) {
    if (table.at(rank, tensor) == hash) found.push_back(rank);
  }
  return found;
}

Divergence divergence_of(const HashTable& table, std::size_t tensor) {
  Divergence found{tensor, -1, {}};
  std::map<std::uint64_t, int> votes;
  for (int rank = 0; rank < table.ranks; ++rank) ++votes[table.at(rank, tensor)];
  for (const auto& [hash, count] : votes) {
    if (2 * count > table.ranks) found.majority = ranks_with(table, tensor, hash).front();
  }
  for (int rank = 0; rank < table.ranks; ++rank) {
    const bool agrees =
        found.majority >= 0 && table.at(rank, tensor) == table.at(found.majority, tensor);
    if (!agrees) found.minority.push_back(rank);
  }
  return found;
}

bool differs(const HashTable& table, std::size_t tensor) {
  for (int rank = 1; rank < table.ranks; ++rank) {
    if (table.at(rank, tensor) != table.at(0, tensor)) return true;
  }
  return false;
}

}  // namespace

std::vector<Divergence> divergences(const HashTable& table) {
  std::vector<Divergence> found;
  for (std::size_t tensor = 0; tensor < table.tensors(); ++tensor) {
    if (differs(table, tensor)) found.push_back(divergence_of(table, tensor));
  }
  return found;
}

std::string description(const Divergence& divergence, const std::string& tensor,
                        const HashTable& table) {
  std::vector<std::string> parts;
  for (const int rank : divergence.minority) {
    if (parts.size() == most_ranks_listed) {
      parts.push_back(fmt::format("{} more differ", divergence.minority.size() - parts.size()));
      break;
    }
    parts.push_back(fmt::format("rank {} has {:016x}", rank, table.at(rank, divergence.tensor)));
  }
  if (divergence.majority >= 0) {
    parts.push_back(fmt::format("the other {} ranks have {:016x}",
                                static_cast<std::size_t>(table.ranks) - divergence.minority.size(),
                                table.at(divergence.majority, divergence.tensor)));
  }
  return fmt::format("\"{}\": {}", tensor, fmt::join(parts, ", "));
}

}  // namespace lockstep::parallel
