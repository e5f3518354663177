#include "lockstep/nn/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/nn/conv.h"
#include "lockstep/nn/dropout.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/norm.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/reduce.h"
#include "lockstep/ops/views.h"
#include "lockstep/tensor/create.h"
#include "tests/support/failure.h"
#include "tests/support/leaves.h"

namespace lockstep::nn {
namespace {

using lockstep::testing::random_tensor;
using ::testing::HasSubstr;
using tests::message_of;

Sequential classifier() {
  return Sequential(
      nn::Sequential(Conv2d(2, 4, {.kernel = 3, .padding = 1}), Relu(), BatchNorm(4), Relu()),
      MaxPool2d(), Dropout(0.25), Flatten(), Linear(4 * 3 * 3, 5, {.bias = false}), Tanh(),
      Softmax());
}

std::vector<std::string> names_of(const State& state) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state) names.push_back(name);
  return names;
}

TEST(Graph, RebuildsASequentialFromItsDescription) {
  std::mt19937 random(1);
  Sequential model = classifier();
  Graph graph(spec_of(model, {6, 6, 2}));
  ASSERT_EQ(names_of(graph.state()), names_of(model.state()));
  EXPECT_EQ(graph.spec().nodes.size(), 10U);
  graph.load_state(model.state());
  model.eval();
  graph.eval();
  const Tensor x = random_tensor({3, 6, 6, 2}, random);
  EXPECT_EQ(graph(x).to_vector(), model(x).to_vector());
}

TEST(Graph, RebuildsLayersWithTheirOptions) {
  std::mt19937 random(3);
  Sequential model(Conv2d(2, 4, {.kernel = 2, .padding = {{0, 1}, {1, 0}}}), LayerNorm(4),
                   Conv2d(4, 4, {.kernel = 3, .padding = 2, .dilation = 2, .groups = 4}),
                   ConvTranspose2d(4, 4, {.stride = 2, .padding = {1, {0, -1}}}), Relu(), Silu(),
                   ExactGelu(), LeakyRelu(0.3), Elu(0.7), Clamp(-0.5, 2),
                   MaxPool2d({.window = 2, .stride = 1, .padding = {{0, 0}, {1, 1}}}),
                   AvgPool2d({.window = 3, .padding = 1, .counts_padding = false}));
  Graph graph(spec_of(model, {6, 5, 2}));
  graph.load_state(model.state());
  EXPECT_EQ(spec_of(graph, {6, 5, 2}), graph.spec());
  const Tensor x = random_tensor({3, 6, 5, 2}, random);
  EXPECT_EQ(graph(x).to_vector(), model(x).to_vector());
}

TEST(Graph, LearnsAsTheModelThatItDescribes) {
  std::mt19937 random(2);
  Sequential model(Linear(3, 4), Gelu(), Linear(4, 2));
  Graph graph(spec_of(model, {3}));
  graph.load_state(model.state());
  const Tensor x = random_tensor({5, 3}, random);
  backward(sum(model(x)));
  backward(sum(graph(x)));
  const State ours = graph.parameters(), theirs = model.parameters();
  for (std::size_t i = 0; i < ours.size(); ++i) {
    EXPECT_EQ(gradient(ours[i].second).to_vector(), gradient(theirs[i].second).to_vector());
  }
}

TEST(Graph, PassesTrainingAndEvaluationOnToItsLayers) {
  Graph graph({.inputs = {{"x", {-1}}},
               .nodes = {{"drop", {"x"}, {"dropout", {{"probability", 0.5}}}}},
               .outputs = {"drop"}});
  graph.eval();
  EXPECT_EQ(graph(ones({2, 3})).to_vector(), std::vector<float>(6, 1.0F));
}

// x -> a -> relu -> add(a, relu) : `a` is read twice, so the relu must not run within it.
TEST(Graph, RunsBranchesThatMeetAgain) {
  Graph graph({.inputs = {{"x", {2}}},
               .nodes = {{"a", {"x"}, {"linear", {{"in", 2}, {"out", 2}}}},
                         {"positive", {"a"}, {"relu"}},
                         {"sum", {"a", "positive"}, {"add"}},
                         {"all", {"sum", "x", "a"}, {"concat", {{"axis", -1}}}},
                         {"product", {"all", "all"}, {"multiply"}}},
               .outputs = {"product"}});
  const Tensor x = tensor({1, -2}, {1, 2});
  Linear layer(2, 2);
  layer.load_state({{"weight", graph.state()[0].second}, {"bias", graph.state()[1].second}});
  const Tensor a = layer(x);
  const Tensor all = cat({a + relu(a), x, a}, -1);
  EXPECT_EQ(graph(x).to_vector(), (all * all).to_vector());
}

TEST(Graph, AppliesASharedLayerWithTheSameTensors) {
  Graph graph({.inputs = {{"left", {3}}, {"right", {3}}},
               .nodes = {{"tower", {"left"}, {"linear", {{"in", 3}, {"out", 2}}}},
                         {"again", {"right"}, {}, "tower"},
                         {"sum", {"tower", "again"}, {"add"}}},
               .outputs = {"sum", "again"}});
  EXPECT_EQ(names_of(graph.state()), (std::vector<std::string>{"tower.weight", "tower.bias"}));
  const std::vector<Tensor> inputs = {ones({1, 3}), ones({1, 3})};
  const auto outputs = graph.run(inputs);
  EXPECT_EQ(outputs[0].to_vector(), (outputs[1] * 2.0).to_vector());
}

TEST(Graph, StandsWithinAnotherModel) {
  Sequential inner(Linear(3, 3), Relu());
  Sequential outer(Graph(spec_of(inner, {3})), Linear(3, 1));
  const GraphSpec spec = spec_of(outer, {3});
  EXPECT_EQ(names_of(Graph(spec).state()),
            (std::vector<std::string>{"0.0.weight", "0.0.bias", "1.weight", "1.bias"}));
  EXPECT_EQ(names_of(outer.state()), names_of(Graph(spec).state()));
}

TEST(Graph, KeepsTheDTypeOfItsModel) {
  Sequential model(Linear(2, 2, {.dtype = DType::f64}));
  EXPECT_EQ(Graph(spec_of(model, {2})).state()[0].second.dtype(), DType::f64);
}

std::string refusal(std::vector<GraphNode> nodes, std::vector<std::string> outputs = {"a"}) {
  return message_of([&] {
    Graph({.inputs = {{"x", {2}}}, .nodes = std::move(nodes), .outputs = std::move(outputs)});
  });
}

TEST(Graph, RefusesNodesThatCannotRun) {
  EXPECT_THAT(refusal({{"a", {"a"}, {"relu"}}}), HasSubstr("read \"a\", which no input"));
  EXPECT_THAT(refusal({{"a", {"x"}, {"relu"}}, {"a", {"x"}, {"relu"}}}),
              HasSubstr("the name \"a\" is taken"));
  EXPECT_THAT(refusal({{"a", {"x", "x"}, {"relu"}}}), HasSubstr("\"a\" (relu) has 2 inputs"));
  EXPECT_THAT(refusal({{"a", {}, {"add"}}}), HasSubstr("\"a\" (add) has 0 inputs"));
  EXPECT_THAT(refusal({{"a", {"x"}, {}, "b"}}), HasSubstr("shares the layer of \"b\""));
  EXPECT_THAT(refusal({{"a", {"x"}, {"relu"}}}, {}), HasSubstr("no outputs"));
  EXPECT_THAT(refusal({{"a", {"x"}, {"relu"}}}, {"b"}), HasSubstr("the outputs read \"b\""));
}

TEST(Graph, RefusesKindsAndAttributesByName) {
  EXPECT_THAT(refusal({{"a", {"x"}, {"linaer"}}}), HasSubstr("did you mean linear?"));
  EXPECT_THAT(refusal({{"a", {"x"}, {"linear", {{"in", 2}}}}}),
              HasSubstr("node \"a\" (linear): attribute \"out\" is missing"));
  EXPECT_THAT(refusal({{"a", {"x"}, {"linear", {{"in", 2}, {"out", "2"}}}}}),
              HasSubstr("\"out\" is not a whole number"));
  EXPECT_THAT(refusal({{"a", {"x"}, {"relu", {{"slope", 0.5}}}}}),
              HasSubstr("\"slope\" is unknown to this kind"));
  EXPECT_THAT(refusal({{"a", {"x"}, {"max_pool2d", {{"window", std::vector<std::int64_t>{2}}}}}}),
              HasSubstr("is not a height and a width of at least 1"));
  EXPECT_THAT(refusal({{"a", {"x"}, {"linear", {{"in", 2}, {"out", 2}, {"dtype", "i32"}}}}}),
              HasSubstr("is not f64, f32, f16 or bf16"));
}

TEST(Graph, RefusesInputsOfOtherSizes) {
  Graph graph({.inputs = {{"x", {2, -1}}}, .nodes = {{"a", {"x"}, {"relu"}}}, .outputs = {"a"}});
  EXPECT_EQ(graph(ones({7, 2, 5})).shape(), (Shape{7, 2, 5}));
  EXPECT_THAT(message_of([&] {
                graph(ones({7, 3, 5}));
              }),
              HasSubstr("input \"x\" is [7, 3, 5], wanted is a batch of [2, -1]"));
  EXPECT_THAT(message_of([&] { graph.run({}); }), HasSubstr("0 inputs given, it has 1"));
}

TEST(Graph, OfSeveralInputsStandsInNoOtherModelAndHasNoForward) {
  Graph graph({.inputs = {{"x", {2}}, {"y", {2}}},
               .nodes = {{"sum", {"x", "y"}, {"add"}}},
               .outputs = {"sum"}});
  EXPECT_THAT(message_of([&] { graph(ones({1, 2})); }), HasSubstr("it has 2 inputs and 1 outputs"));
  EXPECT_THAT(message_of([&] { spec_of(graph, {2}); }),
              HasSubstr("one of several inputs or outputs stands within another model"));
}

class Unnamed : public Module {
 public:
  Tensor forward(const Tensor& x) override { return x; }
};

TEST(Graph, CannotDescribeAModuleThatDoesNotSayWhatItIs) {
  const std::string message = message_of([] { spec_of(Unnamed(), {2}); });
  EXPECT_THAT(message, HasSubstr("does not say which layer it is"));
  EXPECT_THAT(message, HasSubstr("override layer()"));
}

}  // namespace
}  // namespace lockstep::nn
