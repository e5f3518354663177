// Models of Keras 2 and 3 give the answers that Keras gave: kept ones, and live where Keras is
// there.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "lockstep/autograd/grad_mode.h"
#include "lockstep/io/graph.h"
#include "lockstep/io/safetensors.h"
#include "lockstep/nn/graph.h"
#include "lockstep/ops/views.h"
#include "tests/programs/keras_files.h"

namespace lockstep::tests {
namespace {

namespace fs = std::filesystem;

nn::Graph model_of(const fs::path& folder) {
  nn::Graph model(io::load_graph(folder / "model.json"));
  io::SafetensorsFile(folder / "model.safetensors").load(model.state());
  return model;
}

// "NAME.io.safetensors" stands beside NAME.h5 or NAME.keras.
std::vector<fs::path> models_in(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const auto& each : fs::directory_iterator(folder)) {
    const fs::path suffix = each.path().extension();
    if (suffix == ".h5" || suffix == ".keras") found.push_back(each.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

// Within 1e-5 of the output's largest magnitude.
void expect_near(const Tensor& ours, const Tensor& theirs) {
  ASSERT_EQ(ours.shape(), theirs.shape());
  const auto a = ours.to_vector<double>(), b = theirs.to_vector<double>();
  double largest = 0;
  for (const double each : b) largest = std::max(largest, std::abs(each));
  ASSERT_GT(largest, 0);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-5 * largest) << i;
}

void expect_same_answers(const fs::path& file) {
  SCOPED_TRACE(file.filename().string());
  const Scratch scratch;
  const Outcome outcome =
      run_command(import_keras + file.string() + " " + (scratch / "out").string());
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  nn::Graph model = model_of(scratch / "out");
  model.eval();
  const io::SafetensorsFile kept(fs::path(file).replace_extension(".io.safetensors"));
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < model.spec().inputs.size(); ++i) {
    inputs.push_back(cast(kept.read(fmt::format("input{}", i)), model.spec().inputs[i].dtype));
  }
  const NoGrad guard;
  const auto outputs = model.run(inputs);
  ASSERT_EQ(inputs.size() + outputs.size(), kept.entries().size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    expect_near(outputs[i], kept.read(fmt::format("output{}", i)));
  }
}

TEST(ImportKeras, GivesTheAnswersOfTheKeptModels) {
  const auto models = models_in(golden_keras);
  EXPECT_EQ(models.size(), 28U);
  for (const fs::path& file : models) expect_same_answers(file);
}

TEST(ImportKeras, GivesTheAnswersOfTheKerasThatIsInstalled) {
  if (run_command("python3 -c 'import keras'").exit_code != 0) {
    GTEST_SKIP() << "needs pip install tensorflow-cpu; the kept models are tested all the same";
  }
  const Scratch scratch;
  const auto made = run_command(std::string("python3 ") + LOCKSTEP_GOLDEN +
                                "/make_keras_models.py " + scratch.folder().string());
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const auto models = models_in(scratch.folder());
  EXPECT_GE(models.size(), 6U);
  for (const fs::path& file : models) expect_same_answers(file);
}

TEST(ImportKeras, KeepsHowTheModelWasCompiled) {
  const Scratch scratch;
  const auto file = golden_keras / "keras3_h5_cnn.h5";
  ASSERT_EQ(run_command(import_keras + file.string() + " " + (scratch / "out").string()).exit_code,
            0);
  const Attributes training = io::load_graph(scratch / "out" / "model.json").training;
  EXPECT_EQ(std::get<std::string>(training.at("optimizer")), "adam");
  EXPECT_EQ(std::get<std::string>(training.at("loss")), "sparse_categorical_crossentropy");
  EXPECT_NEAR(std::get<double>(training.at("learning_rate")), 0.002, 1e-8);
  EXPECT_EQ(std::get<double>(training.at("adam.beta_2")), 0.999);
}

TEST(ImportKeras, LeavesAFolderThatIsThereAlone) {
  const Scratch scratch;
  fs::create_directory(scratch / "out");
  const Outcome outcome = run_command(import_keras + (golden_keras / "keras3_h5_cnn.h5").string() +
                                      " " + (scratch / "out").string());
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, ::testing::HasSubstr("out exists"));
  EXPECT_TRUE(fs::is_empty(scratch / "out"));
}

TEST(ImportKeras, NamesTheArgumentThatIsMissing) {
  const Outcome outcome = run_command(import_keras + "model.h5");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, ::testing::HasSubstr("OUT is missing"));
}

}  // namespace
}  // namespace lockstep::tests
