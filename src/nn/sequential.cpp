#include "lockstep/nn/sequential.h"

#include <fmt/format.h>

#include <string>

#include "lockstep/base/error.h"

namespace lockstep::nn {

Reshape::Reshape(std::vector<std::int64_t> shape) : shape_(std::move(shape)) {
  check<UsageError>(shape_.size() < max_rank, [&] {
    return Complaint{fmt::format("Reshape: {} axes behind the batch axis", shape_.size()),
                     fmt::format("give at most {}", max_rank - 1)};
  });
}

Tensor Reshape::forward(const Tensor& x) {
  Shape sizes{x.size(0)};
  for (const std::int64_t size : shape_) sizes.append(size);
  return reshape(x, sizes);
}

Module& Sequential::operator[](int index) {
  check<UsageError>(0 <= index && index < size(), [&] {
    return Complaint{fmt::format("Sequential: module {} of {}", index, size()),
                     fmt::format("give an index from 0 to {}", size() - 1)};
  });
  return *modules_[static_cast<std::size_t>(index)];
}

void Sequential::add(std::unique_ptr<Module> module) {
  const auto* activation = dynamic_cast<const ActivationLayer*>(module.get());
  auto* layer = passes_.empty() ? nullptr : dynamic_cast<FusingLayer*>(passes_.back().module);
  const bool is_free = layer != nullptr && passes_.back().activation == Activation::none;
  if (activation != nullptr && is_free && layer->fuses(activation->kind())) {
    passes_.back() = {layer, layer, activation->kind()};
  } else {
    passes_.push_back({module.get()});
  }
  modules_.push_back(std::move(module));
}

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  for (const Pass& pass : passes_) {
    y = pass.fused != nullptr ? pass.fused->forward_fused(y, pass.activation)
                              : pass.module->forward(y);
  }
  return y;
}

void Sequential::visit(Visitor& visitor) {
  for (std::size_t i = 0; i < modules_.size(); ++i) visitor.child(std::to_string(i), *modules_[i]);
}

std::string Sequential::append_to(GraphSpec& graph, const std::string& name,
                                  const std::string& input) const {
  std::string value = input;
  for (std::size_t i = 0; i < modules_.size(); ++i) {
    std::string path = name;
    if (!path.empty()) path += '.';
    path += std::to_string(i);
    value = modules_[i]->append_to(graph, path, value);
  }
  return value;
}

}  // namespace lockstep::nn
