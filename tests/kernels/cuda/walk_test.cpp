#include "kernels/cuda/walk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <vector>

namespace lockstep::kernels::cuda {
namespace {

using Places = std::vector<std::array<std::int64_t, 2>>;

// What the threads of a kernel would visit, element by element.
Places visited(const Loop<2>& loop, int width) {
  Places places;
  const Walk<2> walk = walk_of(loop, width);
  for (std::uint32_t i = 0; i < walk.steps; ++i) {
    std::int64_t at[2];
    walk.find(i, at);
    for (int k = 0; k < width; ++k) {
      places.push_back({at[0] + k * loop.inner_stride(0), at[1] + k * loop.inner_stride(1)});
    }
  }
  return places;
}

Places expected(const Loop<2>& loop) {
  Places places;
  for_runs(loop, 0, loop.elements(), [&](const std::int64_t* at, std::int64_t n) {
    for (std::int64_t k = 0; k < n; ++k)
      places.push_back({at[0] + k * loop.inner_stride(0), at[1] + k * loop.inner_stride(1)});
  });
  return places;
}

Loop<2> random_loop(std::mt19937& random) {
  Loop<2> loop;
  const int rank = 1 + static_cast<int>(random() % 4);
  for (int axis = 0; axis < rank; ++axis) {
    loop.append(1 + random() % 6,
                {static_cast<std::int64_t>(random() % 9), static_cast<std::int64_t>(random() % 9)});
  }
  return loop;
}

TEST(CudaWalk, VisitsTheElementsOfTheLoopInItsOrder) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    const Loop<2> loop = random_loop(random);
    EXPECT_EQ(visited(loop, 1), expected(loop));
    if (loop.inner() % 2 == 0) {
      EXPECT_EQ(visited(loop, 2), expected(loop));
    }
  }
}

TEST(CudaWalk, PiecesAreSmallEnoughAndVisitEachElementOnce) {
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    const Loop<2> loop = random_loop(random);
    Places places;
    for_pieces(
        loop,
        [&](const Loop<2>& piece, const std::int64_t(&offsets)[2]) {
          EXPECT_LE(piece.elements(), 7);
          for (auto place : expected(piece))
            places.push_back({place[0] + offsets[0], place[1] + offsets[1]});
        },
        7);
    auto all = expected(loop);
    std::sort(places.begin(), places.end());
    std::sort(all.begin(), all.end());
    EXPECT_EQ(places, all);
  }
}

TEST(CudaWalk, StepsOfSeveralElementsNeedContiguousAlignedRows) {
  alignas(16) float data[64];
  const auto can = [&](std::int64_t columns, std::int64_t row, std::int64_t along, float* second) {
    Loop<2> loop;
    loop.append(3, {columns, row});
    loop.append(columns, {1, along});
    return can_step(loop, {data, second}, 4, sizeof(float));
  };
  EXPECT_TRUE(can(8, 8, 1, data + 4));
  EXPECT_TRUE(can(8, 0, 1, data)) << "a bias is the same for all rows";
  EXPECT_TRUE(can(8, 1, 0, data + 1)) << "one number for a row has no alignment";
  EXPECT_FALSE(can(6, 6, 1, data)) << "a step would cross the row's end";
  EXPECT_FALSE(can(8, 8, 1, data + 1)) << "unaligned";
  EXPECT_FALSE(can(8, 9, 1, data)) << "unaligned from the second row on";
  EXPECT_FALSE(can(8, 1, 3, data)) << "a transpose";
}

}  // namespace
}  // namespace lockstep::kernels::cuda
