#include "src/programs/import_keras/keras_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <regex>
#include <set>

#include "lockstep/ops/views.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"
#include "src/programs/import_keras/refuse.h"

namespace lockstep::programs {
namespace {

// Keras cuts lists that do not fit into one attribute into name0, name1, ...
std::vector<std::string> list_of(const Hdf5File& file, const std::string& group,
                                 const std::string& name) {
  if (file.has_attribute(group, name)) return file.texts(group, name);
  std::vector<std::string> all;
  for (int part = 0; file.has_attribute(group, name + std::to_string(part)); ++part) {
    const auto more = file.texts(group, name + std::to_string(part));
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

// As Keras makes the names of groups from those of classes: "MaxPooling2D" -> "max_pooling2d".
std::string snake_case(const std::string& kind) {
  static const std::regex word("(.)([A-Z][a-z]+)"), edge("([a-z])([A-Z])");
  std::string name = std::regex_replace(std::regex_replace(kind, word, "$1_$2"), edge, "$1_$2");
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char each) { return static_cast<char>(std::tolower(each)); });
  return name;
}

Shape permuted(const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& axes) {
  Shape result;
  for (const std::int64_t axis : axes) result.append(shape[static_cast<std::size_t>(axis)]);
  return result;
}

// Our tensor with its axes in Keras's order.
Tensor in_order_of_keras(const Tensor& x, const std::vector<std::int64_t>& axes) {
  Shape inverse(std::vector<std::int64_t>(axes.size(), 0));
  for (std::size_t i = 0; i < axes.size(); ++i) {
    inverse[static_cast<int>(axes[i])] = static_cast<std::int64_t>(i);
  }
  return permuted_view(x, inverse);
}

Tensor tensor_of(const Hdf5File& file, const std::string& path, const Weight& weight) {
  const auto shape = file.shape(path);
  if (shape != weight.shape) {
    refuse(fmt::format("layer \"{}\": its {} is {}, wanted is {}", shown(weight.layer),
                       weight.meaning, to_string(Shape(shape)), to_string(Shape(weight.shape))));
  }
  Tensor x = empty(permuted(weight.shape, weight.axes));
  file.read(path, in_order_of_keras(x, weight.axes));
  const float* values = x.data<float>();
  const float* end = values + x.elements();
  if (std::any_of(values, end, [](float each) { return std::isnan(each); })) {
    refuse(fmt::format("layer \"{}\": its {} holds NaN", shown(weight.layer), weight.meaning),
           "save the model before its training diverged");
  }
  return weight.sizes.empty() ? x : reshape(x, Shape(weight.sizes));
}

void check_layers(const WeightPaths& paths, const Translation& translation) {
  std::map<std::string, std::size_t> wanted;
  for (const Weight& weight : translation.weights) ++wanted[weight.layer];
  for (const auto& [layer, found] : paths) {
    if (found.size() > wanted[layer]) {
      refuse(fmt::format("layer \"{}\" has {} weights in the file, it takes {}", shown(layer),
                         found.size(), wanted[layer]));
    }
  }
}

}  // namespace

WeightPaths paths_in_h5(const Hdf5File& file) {
  const std::string root = "model_weights";
  WeightPaths paths;
  for (const std::string& layer : list_of(file, root, "layer_names")) {
    auto& found = paths[layer];
    const std::string group = fmt::format("{}/{}", root, layer);
    for (const std::string& name : list_of(file, group, "weight_names")) {
      found.push_back(fmt::format("{}/{}", group, name));
    }
  }
  return paths;
}

WeightPaths paths_in_archive(const Hdf5File& file, const KerasModel& model) {
  WeightPaths paths;
  std::map<std::string, int> count;
  std::set<std::string> known;
  for (const KerasLayer& layer : model.layers) {
    const std::string kind = snake_case(layer.kind);
    const int number = count[kind]++;
    const std::string group = number == 0 ? kind : fmt::format("{}_{}", kind, number);
    known.insert(group);
    const std::string values = fmt::format("layers/{}/vars", group);
    if (!file.contains(values)) continue;
    for (std::size_t i = 0; i < file.members(values).size(); ++i) {
      paths[layer.name].push_back(fmt::format("{}/{}", values, i));
    }
  }
  for (const std::string& group : file.members("layers")) {
    if (!known.contains(group)) paths["layers/" + group] = file.members("layers/" + group);
  }
  return paths;
}

State tensors_of(const Hdf5File& file, const WeightPaths& paths, const Translation& translation) {
  check_layers(paths, translation);
  State state;
  std::map<std::string, std::size_t> used;
  for (const Weight& weight : translation.weights) {
    const std::size_t place = used[weight.layer]++;
    const auto found = paths.find(weight.layer);
    if (found == paths.end() || found->second.size() <= place) {
      refuse(fmt::format("layer \"{}\" lacks its {} in the file", shown(weight.layer),
                         weight.meaning));
    }
    if (weight.tensor.empty()) continue;
    state.emplace_back(weight.tensor, tensor_of(file, found->second[place], weight));
  }
  for (const Constant& constant : translation.constants) {
    state.emplace_back(constant.tensor, full({constant.elements}, constant.value));
  }
  return state;
}

}  // namespace lockstep::programs
