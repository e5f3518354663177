#include "tests/support/exact_matrix.h"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>

#include "lockstep/core/parallel_for.h"

namespace lockstep::tests {
namespace {

constexpr int worlds = std::size(exact_worlds);
constexpr int all_shards[] = {8, 6, 12};

// A case as one number for each kind of choice.
enum Kind { ranks, resumed_on, shards, model, threads, clipping, tail, transport, kinds };
using Choices = std::array<int, kinds>;

Choices levels_of(int transports, bool every_pair_of_worlds) {
  return {worlds, every_pair_of_worlds ? worlds + 1 : 2, 3, 2, 2, 2, 2, transports};
}

// The first choice of `resumed_on` is a run that never stops.
ExactCase case_of(const Choices& choices, bool every_pair_of_worlds) {
  const int second = every_pair_of_worlds ? choices[resumed_on] - 1
                                          : (choices[ranks] + 1 + choices[transport]) % worlds;
  return {.model = choices[model] == 0 ? Model::mlp : Model::cnn,
          .shards = all_shards[choices[shards]],
          .threads = 1 + choices[threads],
          .clips = choices[clipping] == 1,
          .tail = choices[tail] == 0 ? Tail::plain : Tail::fused,
          .ranks = exact_worlds[choices[ranks]],
          .resumed_on = choices[resumed_on] == 0 ? 0 : exact_worlds[second],
          .transport = choices[transport]};
}

// Two choices of different kinds that no case has had together.
struct Pair {
  int kind_a, level_a, kind_b, level_b;
  friend auto operator<=>(const Pair&, const Pair&) = default;
};
Pair pair_of(int a, int level_a, int b, int level_b) {
  return a < b ? Pair{a, level_a, b, level_b} : Pair{b, level_b, a, level_a};
}

std::set<Pair> all_pairs(const Choices& levels) {
  std::set<Pair> pairs;
  for (int a = 0; a < kinds; ++a) {
    for (int b = a + 1; b < kinds; ++b) {
      for (int i = 0; i < levels[static_cast<std::size_t>(a)]; ++i) {
        for (int j = 0; j < levels[static_cast<std::size_t>(b)]; ++j) pairs.insert({a, i, b, j});
      }
    }
  }
  return pairs;
}

// The first open pair, and for each other kind the choice that closes the most pairs with it; among
// equals one after the other, by `turn`.
Choices next_choices(const std::set<Pair>& open, const Choices& levels, std::size_t turn) {
  const Pair first = *open.begin();
  Choices choices;
  choices.fill(-1);
  choices[static_cast<std::size_t>(first.kind_a)] = first.level_a;
  choices[static_cast<std::size_t>(first.kind_b)] = first.level_b;
  for (std::size_t kind = 0; kind < kinds; ++kind) {
    if (choices[kind] >= 0) continue;
    int most = -1;
    int best = 0;
    for (int i = 0; i < levels[kind]; ++i) {
      const int level = (i + static_cast<int>(turn)) % levels[kind];
      int closed = 0;
      for (std::size_t other = 0; other < kinds; ++other) {
        if (choices[other] >= 0)
          closed += static_cast<int>(open.count(
              pair_of(static_cast<int>(kind), level, static_cast<int>(other), choices[other])));
      }
      if (closed > most) {
        most = closed;
        best = level;
      }
    }
    choices[kind] = best;
  }
  return choices;
}

void close_pairs(std::set<Pair>& open, const Choices& choices) {
  for (int a = 0; a < kinds; ++a) {
    for (int b = a + 1; b < kinds; ++b)
      open.erase(
          {a, choices[static_cast<std::size_t>(a)], b, choices[static_cast<std::size_t>(b)]});
  }
}

// Uneven shards, empty ones in every fifth step, and a bucket for nearly every parameter.
TrainingRun run_of(const ExactCase& one) {
  TrainingRun run{.model = one.model, .steps = exact_steps, .batch = 26, .last_batch = 7};
  run.options.bucket_bytes = 16;
  run.options.tail = one.tail;
  run.options.clip_norm = one.clips ? 0.1 : 0;
  return run;
}

std::string text_of(const ExactCase& one, const std::string& over) {
  std::string text = fmt::format("{}, {} shards, {} thread{}{}, {} tail, {} on {} rank{}",
                                 one.model == Model::mlp ? "mlp" : "cnn", one.shards, one.threads,
                                 one.threads > 1 ? "s" : "", one.clips ? ", clipped" : "",
                                 one.tail == Tail::plain ? "plain" : "fused", over, one.ranks,
                                 one.ranks > 1 ? "s" : "");
  if (one.resumed_on > 0) text += fmt::format(", resumed on {}", one.resumed_on);
  return text;
}

}  // namespace

std::vector<ExactCase> covering_cases(int transports, bool every_pair_of_worlds) {
  const Choices levels = levels_of(transports, every_pair_of_worlds);
  std::set<Pair> open = all_pairs(levels);
  std::vector<ExactCase> cases;
  while (!open.empty()) {
    const Choices choices = next_choices(open, levels, cases.size());
    close_pairs(open, choices);
    cases.push_back(case_of(choices, every_pair_of_worlds));
  }
  return cases;
}

std::vector<ExactCase> uninterrupted_cases(int transport, Model model, int shards) {
  std::vector<ExactCase> cases;
  for (const int threads : {1, 2}) {
    for (const bool clips : {false, true}) {
      for (const Tail tail : {Tail::plain, Tail::fused}) {
        for (const int ranks : exact_worlds)
          cases.push_back({model, shards, threads, clips, tail, ranks, 0, transport});
      }
    }
  }
  return cases;
}

std::vector<ExactCase> resumed_cases(int transport, Model model) {
  std::vector<ExactCase> cases;
  for (const int first : exact_worlds) {
    for (const int second : exact_worlds) {
      const auto turn = static_cast<int>(cases.size());
      cases.push_back({model, all_shards[turn % 3], 1 + turn % 2, turn / 2 % 2 == 1,
                       turn / 3 % 2 == 1 ? Tail::fused : Tail::plain, first, second, transport});
    }
  }
  return cases;
}

ExactMatrix::Fingerprints ExactMatrix::fingerprints(const ExactCase& one) {
  const int before = core::threads();
  core::use_threads(one.threads);
  const TrainingRun run = run_of(one);
  const auto& joined = transports_[static_cast<std::size_t>(one.transport)];
  const auto stage = [&](int ranks, const Stage& part) {
    return joined.run(ranks, one.shards,
                      [&](World& world) { return fingerprint_after(world, run, part); });
  };
  Fingerprints found;
  if (one.resumed_on == 0) {
    found = stage(one.ranks, {0, exact_steps, {}});
  } else {
    const std::filesystem::path folder = folder_ / text_of(one, joined.name);
    stage(one.ranks, {0, exact_steps / 2, folder});
    found = stage(one.resumed_on, {exact_steps / 2, exact_steps, folder});
  }
  core::use_threads(before);
  return found;
}

const ExactMatrix::Fingerprints& ExactMatrix::expected(const ExactCase& one) {
  Fingerprints& known = expected_[{one.model, one.shards, one.threads, one.clips}];
  if (known.empty()) {
    ExactCase reference = one;
    reference.tail = Tail::plain;
    reference.ranks = 1;
    reference.resumed_on = 0;
    known = fingerprints(reference);
  }
  return known;
}

void ExactMatrix::expect_same_bits(const std::vector<ExactCase>& cases) {
  for (const ExactCase& one : cases) {
    const Fingerprints& wanted = expected(one);
    const Fingerprints found = fingerprints(one);
    const std::string text =
        text_of(one, transports_[static_cast<std::size_t>(one.transport)].name);
    EXPECT_EQ(wanted.size(), 1U) << text;
    EXPECT_EQ(found, wanted) << text;
    if (!prints_) continue;
    fmt::print("{:016x}  {}\n", fmt::join(found, " "), text);
    std::fflush(stdout);
  }
}

}  // namespace lockstep::tests
