#include "lockstep/io/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <limits>

#include "lockstep/base/error.h"
#include "lockstep/io/safetensors.h"
#include "lockstep/tensor/create.h"
#include "tests/support/failure.h"
#include "tests/support/scratch.h"

namespace lockstep::io {
namespace {

using ::testing::HasSubstr;
using tests::message_of;
using tests::Scratch;

GraphSpec example() {
  return {.inputs = {{"x", {28, -1}}, {"word", {}, DType::i64}},
          .nodes = {{"a",
                     {"x"},
                     {"pad",
                      {{"value", -std::numeric_limits<double>::infinity()},
                       {"flag", true},
                       {"rate", 0.1},
                       {"count", std::int64_t{-3}},
                       {"dtype", std::string("f64")},
                       {"kernel", std::vector<std::int64_t>{3, 5}}}}},
                    {"b", {"word"}, {}, "a"},
                    {"c", {"a", "b"}, {"add"}}},
          .outputs = {"c", "a"},
          .training = {{"optimizer", std::string("adam")}, {"learning_rate", 1e-3}}};
}

TEST(GraphFile, KeepsEverything) {
  const Scratch scratch;
  save_graph(scratch / "model.json", example());
  EXPECT_EQ(load_graph(scratch / "model.json"), example());
}

TEST(GraphFile, KeepsAWholeNumberThatIsAnInexactOneAsSuch) {
  const Scratch scratch;
  GraphSpec spec = example();
  spec.training = {{"rate", 1.0}, {"steps", std::int64_t{1}}};
  save_graph(scratch / "model.json", spec);
  EXPECT_EQ(load_graph(scratch / "model.json").training, spec.training);
}

TEST(GraphFile, RefusesNamesThatAreNotUtf8) {
  const Scratch scratch;
  GraphSpec spec = example();
  spec.outputs = {"\xff"};
  const std::string message =
      message_of<UsageError>([&] { save_graph(scratch / "model.json", spec); });
  EXPECT_THAT(message, HasSubstr("save_graph: a name is not UTF-8"));
  EXPECT_THAT(message, HasSubstr("fix:   use names in UTF-8"));
}

std::string refusal(const std::string& text) {
  const Scratch scratch;
  std::ofstream(scratch / "model.json") << text;
  return message_of([&] { load_graph(scratch / "model.json"); });
}

std::string with_nodes(const std::string& nodes) {
  return R"({"format": "lockstep.graph", "version": 1, "inputs": [], "outputs": [], "nodes": )" +
         nodes + "}";
}

TEST(GraphFile, RefusesWhatIsNotOne) {
  EXPECT_THAT(refusal(""), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal("[]"), HasSubstr("the model is not an object"));
  EXPECT_THAT(refusal("{}"), HasSubstr("lacks \"format\""));
  EXPECT_THAT(refusal(R"({"format": "onnx"})"), HasSubstr("its format is not lockstep.graph"));
  EXPECT_THAT(refusal(R"({"format": "lockstep.graph", "version": 2})"),
              HasSubstr("its version is 2, known is 1"));
  EXPECT_THAT(refusal(std::string(10000, '[')), HasSubstr("nested too deeply"));
}

TEST(GraphFile, NamesThePlaceOfAMistake) {
  EXPECT_THAT(refusal(with_nodes("3")), HasSubstr("\"nodes\" of the model is not a list"));
  EXPECT_THAT(refusal(with_nodes(R"([{"name": "a", "inputs": ["x"]}])")),
              HasSubstr("node \"a\" lacks \"kind\""));
  EXPECT_THAT(refusal(with_nodes(R"([{"name": "a", "inputs": [1], "kind": "relu"}])")),
              HasSubstr("\"inputs\" of node \"a\" holds 1"));
  EXPECT_THAT(refusal(R"({"format": "lockstep.graph", "version": 1, "nodes": [], "outputs": [],
                          "inputs": [{"name": "x", "shape": [], "dtype": "f31"}]})"),
              HasSubstr("an input has the unknown dtype \"f31\""));
  EXPECT_THAT(refusal(with_nodes(R"([{"name": "a", "inputs": [], "sort": "relu"}])")),
              HasSubstr("unknown key \"sort\""));
  EXPECT_THAT(refusal(with_nodes(
                  R"([{"name": "a", "inputs": [], "kind": "k", "attributes": {"b": null}}])")),
              HasSubstr("\"b\" of the attributes of node \"a\" is null"));
  EXPECT_THAT(refusal(with_nodes(
                  R"([{"name": "a", "inputs": [], "kind": "k", "attributes": {"b": [0.5]}}])")),
              HasSubstr("holds 0.5, not a whole number"));
}

TEST(ModelFolder, HoldsStructureAndTensors) {
  const Scratch scratch;
  save_model(scratch / "model", example(), {{"a.weight", ones({2, 3})}});
  EXPECT_EQ(load_graph(scratch / "model" / "model.json"), example());
  EXPECT_EQ(load_safetensors(scratch / "model" / "model.safetensors")[0].first, "a.weight");
}

TEST(ModelFolder, DoesNotReplaceWhatIsThere) {
  const Scratch scratch;
  std::filesystem::create_directory(scratch / "model");
  const std::string message = message_of([&] { save_model(scratch / "model", example(), {}); });
  EXPECT_THAT(message, HasSubstr("save_model: " + (scratch / "model").string() + " exists"));
  EXPECT_THAT(message, HasSubstr("fix:   name a new folder"));
}

TEST(ModelFolder, LeavesNothingWhereItFails) {
  const Scratch scratch;
  const State twice = {{"a", ones({1})}, {"a", ones({1})}};
  EXPECT_THAT(message_of<UsageError>([&] { save_model(scratch / "model", example(), twice); }),
              HasSubstr("the name \"a\" is taken"));
  EXPECT_TRUE(std::filesystem::is_empty(scratch.folder()));
}

}  // namespace
}  // namespace lockstep::io
