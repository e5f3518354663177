#include "src/comm/host_forest.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace lockstep::comm {
namespace {

using core::TreeNode;

// Sums as text, in which the order of the additions can be read.
std::string sum_of(const std::vector<core::FoldStep>& program,
                   const std::vector<std::string>& inputs) {
  std::vector<std::string> stack;
  std::size_t next = 0;
  for (const core::FoldStep step : program) {
    if (step == core::FoldStep::push) {
      stack.push_back(inputs.at(next++));
      continue;
    }
    const std::string last = stack.back();
    stack.pop_back();
    stack.back() = "(" + stack.back() + "+" + last + ")";
  }
  EXPECT_EQ(next, inputs.size());
  EXPECT_EQ(stack.size(), 1U);
  return stack.back();
}

std::string tree_sum(TreeNode node) {
  if (node.leaves() == 1) return std::to_string(node.first);
  const int middle = core::split_of(node);
  return "(" + tree_sum({node.first, middle}) + "+" + tree_sum({middle, node.last}) + ")";
}

std::vector<std::string> partials_of(int ranks, int shards) {
  std::vector<std::string> partials;
  for (const TreeNode& node : core::forest(ranks, shards)) partials.push_back(tree_sum(node));
  return partials;
}

std::string joined_sum(const HostForest::Joined& joined, const std::vector<std::string>& partials) {
  std::vector<std::string> inputs;
  for (const int number : joined.partials)
    inputs.push_back(partials.at(static_cast<std::size_t>(number)));
  return sum_of(joined.program, inputs);
}

// What the ranks of a host end with, from their own partials and the subtrees of the others.
std::string sum_on(std::size_t host, const HostForest& forest,
                   const std::vector<std::string>& partials) {
  std::vector<std::string> inputs;
  for (const HostForest::Input& input : forest.sums[host].inputs) {
    const auto number = static_cast<std::size_t>(input.number);
    const auto from = static_cast<std::size_t>(input.host);
    inputs.push_back(from == host ? partials.at(number)
                                  : joined_sum(forest.joined[from].at(number), partials));
  }
  return sum_of(forest.sums[host].program, inputs);
}

// Every rank on a host that is drawn; first[r] is the lowest rank on that of r.
Hosts drawn_hosts(int ranks, std::mt19937& random) {
  std::vector<int> first;
  std::vector<int> lowest(static_cast<std::size_t>(ranks), -1);
  for (int rank = 0; rank < ranks; ++rank) {
    int& found = lowest[random() % lowest.size()];
    if (found < 0) found = rank;
    first.push_back(found);
  }
  return Hosts(first);
}

TEST(HostForest, AddsInTheOrderOfTheOneTreeOnEveryHost) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 400; ++trial) {
    const int ranks = 1 + static_cast<int>(random() % 9);
    const int shards = 1 + static_cast<int>(random() % 17);  // some ranks own none
    const Hosts hosts = drawn_hosts(ranks, random);
    const HostForest forest(hosts, shards);
    const auto partials = partials_of(ranks, shards);
    ASSERT_EQ(forest.sums.size(), static_cast<std::size_t>(hosts.count()));
    for (std::size_t host = 0; host < forest.sums.size(); ++host) {
      ASSERT_EQ(sum_on(host, forest, partials), tree_sum({0, shards}))
          << ranks << " ranks on " << hosts.count() << " hosts, " << shards << " shards";
    }
  }
}

TEST(HostForest, SendsOneSubtreeOfAHostWhoseRanksFollowEachOther) {
  const HostForest forest(Hosts(std::vector<int>{0, 0, 2, 2}), 8);
  ASSERT_EQ(forest.joined[1].size(), 1U);
  EXPECT_EQ(forest.joined[1][0].node, (TreeNode{4, 8}));
  EXPECT_EQ(forest.joined[1][0].partials, (std::vector<int>{2, 3}));
}

// What cannot be joined crosses the network as it is.
TEST(HostForest, SendsEveryPartialOfAHostWhoseRanksAreDealtOut) {
  const HostForest forest(Hosts(std::vector<int>{0, 1, 0, 1}), 4);
  ASSERT_EQ(forest.joined[0].size(), 2U);
  EXPECT_EQ(forest.joined[0][0].partials, (std::vector<int>{0}));
  EXPECT_EQ(forest.joined[0][1].partials, (std::vector<int>{2}));
}

TEST(HostForest, AsksNothingOfAHostWithoutShards) {
  const HostForest forest(Hosts(std::vector<int>{0, 0, 2}), 2);
  EXPECT_TRUE(forest.joined[1].empty());
  EXPECT_EQ(forest.sums[0].inputs.size(), 2U);
}

}  // namespace
}  // namespace lockstep::comm
