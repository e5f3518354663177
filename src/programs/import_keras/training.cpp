#include "src/programs/import_keras/training.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace lockstep::programs {
namespace {

using nlohmann::json;

// A text, or the class of what Keras serialised as an object.
std::string name_of(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  const json name = value.is_object() ? value.value("class_name", json()) : json();
  return name.is_string() ? name.get<std::string>() : "";
}

void add_optimizer(Attributes& training, const json& optimizer) {
  std::string name = name_of(optimizer);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char each) { return static_cast<char>(std::tolower(each)); });
  if (name.empty()) return;
  training["optimizer"] = name;
  const json config = optimizer.is_object() ? optimizer.value("config", json()) : json();
  if (!config.is_object()) return;
  for (const auto& [key, value] : config.items()) {
    if (!value.is_number() && !value.is_boolean()) continue;
    const std::string full = key == "learning_rate" ? key : fmt::format("{}.{}", name, key);
    if (value.is_boolean()) {
      training[full] = value.get<bool>();
    } else {
      training[full] = value.get<double>();
    }
  }
}

}  // namespace

Attributes training_of(const json& config) {
  Attributes training;
  if (!config.is_object()) return training;
  const std::string loss = name_of(config.value("loss", json()));
  if (!loss.empty()) training["loss"] = loss;
  for (const char* key : {"optimizer_config", "optimizer"}) {
    add_optimizer(training, config.value(key, json()));
  }
  return training;
}

}  // namespace lockstep::programs
