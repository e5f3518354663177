// Which replicas differ, and in what: pure functions of the hashes that all ranks have of their
// tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace lockstep::parallel {

// A row of hashes for each rank, a column for each tensor.
struct HashTable {
  int ranks = 1;
  std::vector<std::uint64_t> hashes;

  std::size_t tensors() const { return hashes.size() / static_cast<std::size_t>(ranks); }
  std::uint64_t at(int rank, std::size_t tensor) const {
    return hashes[static_cast<std::size_t>(rank) * tensors() + tensor];
  }
};

// A tensor that has not the same hash on all ranks.
struct Divergence {
  std::size_t tensor = 0;
  int majority = -1;          // the lowest of the ranks that agree, if those are more than half
  std::vector<int> minority;  // the other ranks; without a majority, all ranks

  friend bool operator==(const Divergence&, const Divergence&) = default;
};

// One for each column that differs, in order.
std::vector<Divergence> divergences(const HashTable& table);

// "\"0.weight\": rank 1 has 00c0ffee00c0ffee, the other 3 ranks have 0123456789abcdef".
std::string description(const Divergence& divergence, const std::string& tensor,
                        const HashTable& table);

}  // namespace lockstep::parallel
