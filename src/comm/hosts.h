// Which ranks of a job share a host.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace lockstep::comm {

struct Hosts {
  // first[r] is the lowest rank on the host of rank r. Hosts are numbered by that rank.
  explicit Hosts(std::span<const int> first) {
    for (std::size_t rank = 0; rank < first.size(); ++rank) {
      const auto own = static_cast<std::size_t>(first[rank]);
      if (own == rank) {
        of_rank.push_back(static_cast<int>(ranks.size()));
        ranks.emplace_back();
      } else {
        of_rank.push_back(of_rank[own]);
      }
      ranks[static_cast<std::size_t>(of_rank.back())].push_back(static_cast<int>(rank));
    }
  }

  int count() const { return static_cast<int>(ranks.size()); }
  int of(int rank) const { return of_rank[static_cast<std::size_t>(rank)]; }
  const std::vector<int>& on(int host) const { return ranks[static_cast<std::size_t>(host)]; }
  bool are_together(int a, int b) const { return of(a) == of(b); }
  // Of a rank among those of its host.
  int place_of(int rank) const {
    const std::vector<int>& all = on(of(rank));
    return static_cast<int>(std::find(all.begin(), all.end(), rank) - all.begin());
  }

  std::vector<int> of_rank;
  std::vector<std::vector<int>> ranks;  // by host, ascending
};

}  // namespace lockstep::comm
