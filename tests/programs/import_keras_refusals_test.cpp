// Which models are refused: every refusal names the place, exits with 3, and leaves nothing behind.
#include <fmt/format.h>

#include <random>

#include "tests/programs/keras_files.h"

namespace lockstep::tests {
namespace {

using ::testing::HasSubstr;

TEST(ImportKerasRefuses, WhatIsNoModel) {
  EXPECT_THAT(refusal("/nowhere/model.h5"), HasSubstr("is not a readable HDF5 file"));
  EXPECT_THAT(refusal_of_bytes(""), HasSubstr("is not a readable HDF5 file"));
  EXPECT_THAT(refusal_of_bytes("text"), HasSubstr("is not a readable HDF5 file"));
  EXPECT_THAT(refusal_of_bytes("PK\x03\x04 text"), HasSubstr("is not a readable zip archive"));
  const std::string whole = text_of(golden_keras / "keras3_h5_cnn.h5");
  EXPECT_THAT(refusal_of_bytes(whole.substr(0, whole.size() / 2)), HasSubstr("fix:"));
}

TEST(ImportKerasRefuses, AFileWithoutAStructureOrOfAnotherVersion) {
  EXPECT_THAT(refusal_of_changed([](hid_t file) { H5Adelete(file, "model_config"); }),
              HasSubstr("holds no model_config"));
  EXPECT_THAT(refusal_of_changed([](hid_t file) { set_text(file, "keras_version", "1.2.2"); }),
              HasSubstr("written by Keras 1.2.2"));
  EXPECT_THAT(refusal_of_changed([](hid_t file) { set_text(file, "model_config", "{"); }),
              HasSubstr("is not valid JSON"));
  EXPECT_THAT(refusal_of_changed(
                  [](hid_t file) { set_text(file, "model_config", std::string(60000, '[')); }),
              HasSubstr("nested too deeply"));
}

TEST(ImportKerasRefuses, LayersByName) {
  EXPECT_THAT(refusal_of_layers(
                  R"({"class_name": "Lambda", "config": {"name": "evil", "function": "eval"}})"),
              HasSubstr("layer \"evil\" is a Lambda"));
  EXPECT_THAT(refusal_of_layers(R"({"class_name": "Mine>Own", "config": {"name": "mine"}})"),
              HasSubstr("layer \"mine\" is a Mine>Own"));
  EXPECT_THAT(refusal_of_layers(R"({"class_name": "Sequential", "config": {"name": "inner", )"
                                R"("layers": [{"class_name": "Own", "config": {"name": "o"}}]}})"),
              HasSubstr("layer \"inner.o\" is a Own"));
  EXPECT_THAT(refusal_of_layers(R"({"class_name": "Flatten", "config": {"name": "f", )"
                                R"("data_format": "channels_first"}})"),
              HasSubstr("layer \"f\" (Flatten): data_format = \"channels_first\""));
  EXPECT_THAT(refusal_of_layers(R"({"class_name": "Conv2D", "config": {"name": "c", "filters": 2, )"
                                R"("kernel_size": [99999999999999, 1], "strides": 1}})"),
              HasSubstr("layer \"c\" (Conv2D): kernel_size"));
  EXPECT_THAT(refusal_of_layers(R"({"class_name": "Conv2D", "config": {"name": "c", "filters": 0, )"
                                R"("kernel_size": 1, "strides": 1}})"),
              HasSubstr("layer \"c\" (Conv2D): its result has an axis of 0"));
  EXPECT_THAT(refusal_of_layers(R"({"class_name": "UpSampling2D", "config": {"name": "u", )"
                                R"("size": 2000000000}})"),
              HasSubstr("layer \"u\" (UpSampling2D): its result has an axis of 8000000000"));
  EXPECT_THAT(refusal_of_layers(R"({"class_name": "MaxPooling2D", "config": {"name": "p", )"
                                R"("pool_size": 5}})"),
              HasSubstr("layer \"p\" (MaxPooling2D): a window of 5 on 4"));
}

TEST(ImportKerasRefuses, WholeNumbersThatAreNotPickedByThem) {
  const auto model_of = [](const std::string& dtype, const std::string& layer) {
    return refusal_of_changed([&](hid_t file) {
      set_text(file, "model_config",
               R"({"class_name": "Sequential", "config": {"name": "s", "layers": [)"
               R"({"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [null, 4], )"
               R"("dtype": ")" +
                   dtype + "\"}}, " + layer + "]}}");
    });
  };
  EXPECT_THAT(model_of("int32", R"({"class_name": "Dense", "config": {"name": "d", "units": 2}})"),
              HasSubstr("layer \"d\" (Dense): its input is of whole numbers"));
  EXPECT_THAT(model_of("float32", R"({"class_name": "Embedding", "config": {"name": "e", )"
                                  R"("input_dim": 3, "output_dim": 2}})"),
              HasSubstr("layer \"e\" (Embedding): its input is not of whole numbers"));
  EXPECT_THAT(model_of("string", R"({"class_name": "ReLU", "config": {"name": "r"}})"),
              HasSubstr("is neither float32 nor int32"));
}

TEST(ImportKerasRefuses, ACycle) {
  const auto layer = [](const std::string& name, const std::string& reads) {
    return fmt::format(R"({{"class_name": "ReLU", "name": "{0}", "config": {{"name": "{0}"}}, )"
                       R"("inbound_nodes": [[["{1}", 0, 0, {{}}]]]}})",
                       name, reads);
  };
  EXPECT_THAT(refusal_of_changed([&](hid_t file) {
                set_text(
                    file, "model_config",
                    R"({"class_name": "Functional", "config": {"name": "m", "layers": [)" +
                        layer("a", "b") + "," + layer("b", "a") +
                        R"(], "input_layers": [["a", 0, 0]], "output_layers": [["b", 0, 0]]}})");
              }),
              HasSubstr("layer \"a\" stands on a cycle"));
}

// A functional model of `calls` calls of a layer one after the other.
std::string chain(const std::string& name, const std::string& layer, int calls) {
  std::string nodes;
  for (int i = 0; i < calls; ++i) {
    nodes += i == 0 ? R"([["i", 0, 0, {}]])" : fmt::format(R"(, [["x", {}, 0, {{}}]])", i - 1);
  }
  return fmt::format(
      R"({{"class_name": "Functional", "name": "x", "inbound_nodes": [], "config": {{"name": "{}", )"
      R"("layers": [{{"class_name": "InputLayer", "config": {{"name": "i", )"
      R"("batch_shape": [null, 4]}}, "inbound_nodes": []}}, {}, "inbound_nodes": [{}]}}], )"
      R"("input_layers": [["i", 0, 0]], "output_layers": [["x", {}, 0]]}})",
      name, layer, nodes, calls - 1);
}

TEST(ImportKerasRefuses, ModelsWithinModelsThatGrowWithoutBounds) {
  const std::string relu = R"({"class_name": "ReLU", "name": "x", "config": {"name": "x"})";
  std::string inner = chain("x", relu, 400);
  const std::string marker = R"("inbound_nodes": [], )";
  inner.erase(inner.find(marker), marker.size());
  EXPECT_THAT(refusal_of_changed([&](hid_t file) {
                set_text(file, "model_config", chain("m", inner, 400) + "}");
              }),
              HasSubstr("the model has more than 100000 calls of layers"));
}

TEST(ImportKerasRefuses, ModelsWithinTheModelOfSeveralOutputs) {
  EXPECT_THAT(
      refusal_of_layers(
          R"({"class_name": "Functional", "name": "x", "config": {"name": "x", "layers": [)"
          R"({"class_name": "InputLayer", "config": {"name": "i"}, "inbound_nodes": []}], )"
          R"("input_layers": ["i", 0, 0], "output_layers": [["i", 0, 0], ["i", 0, 0]]}})"),
      HasSubstr("the model \"x\" within the model is called with 1 inputs; it has 1, and 2"));
}

// Whatever is done to a file, the program answers: it imports it or refuses it, and does not crash.
TEST(ImportKeras, AnswersToDamagedFiles) {
  std::mt19937 random(1);
  const Scratch scratch;
  for (const char* name : {"keras3_h5_cnn.h5", "keras2_keras_graph.keras"}) {
    const std::string whole = text_of(golden_keras / name);
    for (int round = 0; round < 20; ++round) {
      std::string bytes = whole;
      for (int change = 0; change < 8; ++change) {
        bytes[random() % bytes.size()] = static_cast<char>(random());
      }
      if (round % 4 == 0) bytes.resize(random() % bytes.size());
      std::ofstream(scratch / "model", std::ios::binary) << bytes;
      const Outcome outcome = run_command(import_keras + (scratch / "model").string() + " " +
                                          (scratch / "out").string());
      EXPECT_TRUE(outcome.exit_code == 0 || outcome.exit_code == 3)
          << name << ", round " << round << ": " << outcome.exit_code << outcome.err;
      EXPECT_EQ(std::filesystem::exists(scratch / "out"), outcome.exit_code == 0);
      std::filesystem::remove_all(scratch / "out");
    }
  }
}

}  // namespace
}  // namespace lockstep::tests
