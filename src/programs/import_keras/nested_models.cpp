#include "src/programs/import_keras/nested_models.h"

#include <fmt/format.h>

#include <algorithm>

#include "src/programs/import_keras/refuse.h"

namespace lockstep::programs {
namespace {

constexpr std::size_t most_calls = 100'000;

// Builds the open model. Values of inner models are aliases of others until the end.
class Opening {
 public:
  void add(const KerasLayer& layer) {
    if (layer.model) return add_inner(layer, *layer.model);
    count(layer.calls.size());
    open_.layers.push_back(layer);
  }
  KerasModel finish(const KerasModel& model) {
    for (KerasLayer& layer : open_.layers) {
      for (auto& call : layer.calls) {
        for (KerasValue& input : call) input = resolved(input);
      }
    }
    open_.inputs = model.inputs;
    for (const KerasValue& output : model.outputs) open_.outputs.push_back(resolved(output));
    open_.groups.insert(model.groups.begin(), model.groups.end());
    open_.containers.insert(model.containers.begin(), model.containers.end());
    return std::move(open_);
  }

 private:
  void count(std::size_t more) {
    calls_ += more;
    if (calls_ > most_calls) {
      refuse(fmt::format("the model has more than {} calls of layers", most_calls),
             "the file is damaged or made to fill the memory");
    }
  }

  void add_inner(const KerasLayer& outer, const KerasModel& inner) {
    for (std::size_t call = 0; call < outer.calls.size(); ++call) {
      if (outer.calls[call].size() != inner.inputs.size() || inner.outputs.size() != 1) {
        refuse(fmt::format("the model \"{}\" within the model is called with {} inputs; it has {}, "
                           "and {} outputs",
                           shown(outer.name), outer.calls[call].size(), inner.inputs.size(),
                           inner.outputs.size()),
               "call models with one tensor for each input, and give them one output");
      }
      aliases_[{outer.name, outer.first_call + call}] =
          within(outer, inner, call, inner.outputs[0]);
    }
    for (const KerasLayer& layer : inner.layers) {
      if (layer.kind != "InputLayer") add_layer(outer, inner, layer);
    }
    for (const std::string& group : inner.groups) open_.groups.insert(outer.group + "/" + group);
    for (const std::string& each : inner.containers) {
      open_.containers.insert(outer.group + "/" + each);
    }
  }

  // Each call of the inner model is a call of each of its layers.
  void add_layer(const KerasLayer& outer, const KerasModel& inner, const KerasLayer& layer) {
    count(outer.calls.size() * layer.calls.size());
    KerasLayer open = layer;
    open.name = outer.name + "." + layer.name;
    open.group = outer.group + "/" + layer.group;
    open.calls.clear();
    for (std::size_t call = 0; call < outer.calls.size(); ++call) {
      for (const auto& inputs : layer.calls) {
        auto& all = open.calls.emplace_back();
        for (const KerasValue& input : inputs) all.push_back(within(outer, inner, call, input));
      }
    }
    open_.layers.push_back(std::move(open));
  }

  // The value of the inner model as the `call`-th call of it makes it.
  static KerasValue within(const KerasLayer& outer, const KerasModel& inner, std::size_t call,
                           const KerasValue& value) {
    const auto& inputs = inner.inputs;
    const auto place = std::find(inputs.begin(), inputs.end(), value.layer);
    if (place != inputs.end()) {
      return outer.calls[call][static_cast<std::size_t>(place - inputs.begin())];
    }
    const std::size_t calls = inner.layer(value.layer).calls.size();
    return {outer.name + "." + value.layer, call * calls + value.call};
  }

  KerasValue resolved(KerasValue value) const {
    for (std::size_t steps = 0; steps <= aliases_.size(); ++steps) {
      const auto alias = aliases_.find(value);
      if (alias == aliases_.end()) return value;
      value = alias->second;
    }
    refuse(fmt::format("the model \"{}\" within the model stands on a cycle", shown(value.layer)),
           "a model must be an acyclic graph");
  }

  KerasModel open_;
  std::map<KerasValue, KerasValue> aliases_;
  std::size_t calls_ = 0;
};

}  // namespace

KerasModel laid_open(const KerasModel& model) {
  Opening opening;
  for (const KerasLayer& layer : model.layers) opening.add(layer);
  return opening.finish(model);
}

}  // namespace lockstep::programs
