// Modules made from the description of a layer.
#pragma once

#include <memory>

#include "lockstep/nn/module.h"
#include "lockstep/tensor/graph_spec.h"

namespace lockstep::nn {

// UsageError for an unknown kind and for attributes that do not fit.
std::unique_ptr<Module> make_layer(const GraphNode& node);

// "add", "multiply" and "concat" take several tensors and hold none.
bool joins(const LayerSpec& layer);

}  // namespace lockstep::nn
