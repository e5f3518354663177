// Everything that must not change a run's bits, crossed with everything that may: the cases of the
// exactness matrix, and the one way in which each is run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "tests/support/training_run.h"

namespace lockstep::tests {

inline constexpr int exact_steps = 100;
inline constexpr int exact_worlds[] = {1, 2, 3, 4, 6, 8};

// Bits depend on model, shards, threads and clipping; they must not depend on the rest.
struct ExactCase {
  Model model = Model::mlp;
  int shards = 8;
  int threads = 1;
  bool clips = false;
  Tail tail = Tail::plain;
  int ranks = 1;
  int resumed_on = 0;  // ranks of the second half; 0: the run never stops
  int transport = 0;   // index of a JoinedRanks
};

// Ranks of one transport. run(ranks, shards, body) calls body on each rank and returns what they
// gave; where processes play the ranks, it returns the same on all of them.
struct JoinedRanks {
  using Body = std::function<std::uint64_t(World&)>;
  std::string name;
  std::function<std::set<std::uint64_t>(int ranks, int shards, const Body& body)> run;
};

// Cases among which every two choices of two different kinds meet at least once. Whether a run is
// resumed is one kind; by `every_pair_of_worlds` it is the number of ranks that it is resumed on.
std::vector<ExactCase> covering_cases(int transports, bool every_pair_of_worlds);
// All uninterrupted cases of one model and number of shards over one transport; every pair of
// worlds of a resumed run, the other choices in turn.
std::vector<ExactCase> uninterrupted_cases(int transport, Model model, int shards);
std::vector<ExactCase> resumed_cases(int transport, Model model);

// The hash of all weights, buffers and optimizer state is that of one rank with the plain tail.
class ExactMatrix {
 public:
  // Checkpoints go below `folder`, which all ranks see. The hashes are printed where `prints`.
  ExactMatrix(std::vector<JoinedRanks> transports, std::filesystem::path folder, bool prints = true)
      : transports_(std::move(transports)), folder_(std::move(folder)), prints_(prints) {}

  int transports() const { return static_cast<int>(transports_.size()); }
  void expect_same_bits(const std::vector<ExactCase>& cases);

 private:
  using Fingerprints = std::set<std::uint64_t>;
  Fingerprints fingerprints(const ExactCase& one);
  const Fingerprints& expected(const ExactCase& one);

  std::vector<JoinedRanks> transports_;
  std::filesystem::path folder_;
  bool prints_;
  std::map<std::tuple<Model, int, int, bool>, Fingerprints> expected_;
};

// That of this executable, which has local_ranks.cpp (threads) or job_ranks.cpp (processes) among
// its sources.
ExactMatrix exact_matrix();

}  // namespace lockstep::tests
