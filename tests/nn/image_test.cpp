#include "lockstep/nn/image.h"

#include <gtest/gtest.h>

#include "lockstep/nn/graph.h"
#include "lockstep/nn/norm.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/tensor/create.h"

namespace lockstep::nn {
namespace {

using Values = std::vector<float>;

const Tensor& square() {
  static const Tensor x = tensor({1, 2, 3, 4}, {1, 2, 2, 1});
  return x;
}

TEST(Image, GetsAMargin) {
  EXPECT_EQ(Pad2d({.before = {1, 0}, .after = {0, 1}, .value = 9})(square()).to_vector(),
            (Values{9, 9, 9, 1, 2, 9, 3, 4, 9}));
}

TEST(Image, LosesItsEdges) { EXPECT_EQ(Crop2d({1, 0}, {0, 1})(square()).to_vector(), Values{3}); }

TEST(Image, GrowsByRepeatingPixels) {
  EXPECT_EQ(Upsample2d({1, 2})(square()).to_vector(), (Values{1, 1, 2, 2, 3, 3, 4, 4}));
  EXPECT_EQ(Upsample2d({2, 1})(square()).to_vector(), (Values{1, 2, 1, 2, 3, 4, 3, 4}));
}

TEST(Image, IsPooledOverItsWholeArea) {
  EXPECT_EQ(GlobalAvgPool2d()(square()).to_vector(), Values{2.5});
  EXPECT_EQ(GlobalMaxPool2d()(square()).shape(), (Shape{1, 1}));
  EXPECT_EQ(GlobalMaxPool2d(true)(square()).shape(), (Shape{1, 1, 1, 1}));
  EXPECT_EQ(GlobalMaxPool2d()(square()).to_vector(), Values{4});
}

TEST(Image, LayersAreRebuiltFromTheirDescriptions) {
  Sequential model(Rescale(0.5, 1), Pad2d({.before = 1, .after = {0, 2}}), Crop2d({0, 1}, {1, 0}),
                   Upsample2d(2), Reshape({-1, 2, 1}), GlobalMaxPool2d(true), GlobalAvgPool2d());
  Graph graph(spec_of(model, {2, 2, 1}));
  EXPECT_EQ(spec_of(graph, {2, 2, 1}), graph.spec());
  EXPECT_EQ(graph(square()).to_vector(), model(square()).to_vector());
}

}  // namespace
}  // namespace lockstep::nn
