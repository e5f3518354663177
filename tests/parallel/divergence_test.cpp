#include "src/parallel/divergence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lockstep::parallel {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Divergence, IsNotFoundWhereAllRanksAgree) {
  EXPECT_THAT(divergences({3, {1, 2, 1, 2, 1, 2}}), IsEmpty());
  EXPECT_THAT(divergences({1, {1, 2}}), IsEmpty());
  EXPECT_THAT(divergences({3, {}}), IsEmpty());
}

TEST(Divergence, NamesTheTensorAndTheMinority) {
  EXPECT_THAT(divergences({3,
                           {1, 2, 3,  //
                            1, 9, 3,  //
                            1, 2, 3}}),
              ElementsAre(Divergence{1, 0, {1}}));
  EXPECT_THAT(divergences({4, {9, 5, 1, 6, 1, 7, 1, 5}}),
              ElementsAre(Divergence{0, 1, {0}}, Divergence{1, -1, {0, 1, 2, 3}}));
}

TEST(Divergence, HasNoMajorityWhereHalfOfTheRanksAgree) {
  EXPECT_THAT(divergences({2, {1, 2}}), ElementsAre(Divergence{0, -1, {0, 1}}));
  EXPECT_THAT(divergences({4, {1, 1, 2, 3}}), ElementsAre(Divergence{0, -1, {0, 1, 2, 3}}));
  EXPECT_THAT(divergences({5, {1, 4, 1, 5, 1}}), ElementsAre(Divergence{0, 0, {1, 3}}));
}

TEST(Divergence, IsDescribedWithRanksAndHashes) {
  const HashTable three{3, {0xabc, 0xdef, 0xabc}};
  EXPECT_EQ(description(divergences(three)[0], "0.weight", three),
            "\"0.weight\": rank 1 has 0000000000000def, the other 2 ranks have 0000000000000abc");
  const HashTable two{2, {1, 2}};
  EXPECT_EQ(description(divergences(two)[0], "0.bias", two),
            "\"0.bias\": rank 0 has 0000000000000001, rank 1 has 0000000000000002");
}

TEST(Divergence, ListsAFewRanksOfMany) {
  HashTable table{100, std::vector<std::uint64_t>(100, 7)};
  for (std::size_t rank = 10; rank < 30; ++rank) table.hashes[rank] = rank;
  const std::string text = description(divergences(table)[0], "w", table);
  EXPECT_THAT(text, testing::HasSubstr("rank 17 has 0000000000000011, 12 more differ, the other 80 "
                                       "ranks have 0000000000000007"));
}

}  // namespace
}  // namespace lockstep::parallel
