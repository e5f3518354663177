#include "src/programs/import_keras/keras_file.h"

#include <fmt/format.h>

#include <array>
#include <fstream>

#include "src/programs/import_keras/archive.h"
#include "src/programs/import_keras/json_members.h"
#include "src/programs/import_keras/keras_weights.h"
#include "src/programs/import_keras/refuse.h"
#include "src/programs/import_keras/training.h"

namespace lockstep::programs {
namespace {

using nlohmann::json;

void check_version(const std::string& version) {
  if (version.starts_with("2.") || version.starts_with("3.")) return;
  refuse("the file was written by Keras " + shown(version) + ", known are 2 and 3",
         "load it with a Keras of its version and save it with Keras 2 or 3");
}

ImportedModel from_h5(const std::filesystem::path& path) {
  const Hdf5File file(path);
  if (!file.has_attribute("/", "model_config")) {
    refuse(path.string() + " holds no model_config: weights alone have no structure");
  }
  if (file.has_attribute("/", "keras_version")) check_version(file.text("/", "keras_version"));
  const KerasModel model =
      keras_model(parsed_json(file.text("/", "model_config"), "the model's configuration"));
  Translation translation = translated(model);
  if (file.has_attribute("/", "training_config")) {
    translation.graph.training =
        training_of(parsed_json(file.text("/", "training_config"), "the training configuration"));
  }
  return {translation.graph, tensors_of(file, paths_in_h5(file, model), translation)};
}

ImportedModel from_archive(const std::filesystem::path& path,
                           const std::filesystem::path& scratch) {
  const Archive archive(path);
  const json metadata = parsed_json(archive.text("metadata.json"), "metadata.json");
  const json version = metadata.is_object() ? metadata.value("keras_version", json()) : json();
  check_version(version.is_string() ? version.get<std::string>() : "of no version");
  const json config = parsed_json(archive.text("config.json"), "config.json");
  const KerasModel model = keras_model(config);
  Translation translation = translated(model);
  translation.graph.training = training_of(config.value("compile_config", json()));
  archive.unpack("model.weights.h5", scratch / "model.weights.h5");
  const Hdf5File file(scratch / "model.weights.h5");
  return {translation.graph, tensors_of(file, paths_in_archive(file, model), translation)};
}

}  // namespace

ImportedModel imported(const std::filesystem::path& file, const std::filesystem::path& scratch) {
  std::array<char, 4> start{};
  std::ifstream(file, std::ios::binary).read(start.data(), start.size());
  try {
    const bool is_zip = std::string(start.data(), 2) == "PK";
    return is_zip ? from_archive(file, scratch) : from_h5(file);
  } catch (const json::exception& error) {
    refuse(fmt::format("the configuration is not as Keras writes it ({})", shown(error.what())));
  }
}

}  // namespace lockstep::programs
