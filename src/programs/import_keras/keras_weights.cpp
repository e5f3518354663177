#include "src/programs/import_keras/keras_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

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

// The layer that a weight of the h5 group `layer` belongs to. The group of a model within the model
// lists the weights of all its layers; their names end in ".../<layer>/<weight>".
std::string owner_of(const KerasModel& model, const std::string& layer, const std::string& weight) {
  const std::string prefix = layer + ".";
  const std::size_t end = weight.rfind('/');
  const std::size_t begin = end == std::string::npos ? end : weight.rfind('/', end - 1);
  const std::string inner = weight.substr(begin + 1, end - begin - 1);
  std::vector<std::string> owners;
  for (const KerasLayer& each : model.layers) {
    if (each.name == layer) return layer;
    if (each.name.starts_with(prefix) && ("." + each.name).ends_with("." + inner)) {
      owners.push_back(each.name);
    }
  }
  return owners.size() == 1 ? owners.front() : layer;
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

WeightPaths paths_in_h5(const Hdf5File& file, const KerasModel& model) {
  const std::string root = "model_weights";
  WeightPaths paths;
  for (const std::string& layer : list_of(file, root, "layer_names")) {
    const std::string group = fmt::format("{}/{}", root, layer);
    for (const std::string& name : list_of(file, group, "weight_names")) {
      paths[owner_of(model, layer, name)].push_back(fmt::format("{}/{}", group, name));
    }
  }
  return paths;
}

WeightPaths paths_in_archive(const Hdf5File& file, const KerasModel& model) {
  WeightPaths paths;
  for (const KerasLayer& layer : model.layers) {
    const std::string values = layer.group + "/vars";
    if (!file.contains(values)) continue;
    for (std::size_t i = 0; i < file.members(values).size(); ++i) {
      paths[layer.name].push_back(fmt::format("{}/{}", values, i));
    }
  }
  for (const std::string& container : model.containers) {
    if (!file.contains(container)) continue;
    for (const std::string& name : file.members(container)) {
      const std::string group = fmt::format("{}/{}", container, name);
      if (!model.groups.contains(group)) paths[group] = file.members(group);
    }
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
