#include "lockstep/nn/sequential.h"

#include <fmt/format.h>

#include <string>

#include "lockstep/base/error.h"

namespace lockstep::nn {

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

}  // namespace lockstep::nn
