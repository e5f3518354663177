// How a Keras model was compiled, as attributes of a graph.
#pragma once

#include <nlohmann/json.hpp>

#include "lockstep/tensor/graph_spec.h"

namespace lockstep::programs {

// "loss", "optimizer", "learning_rate" and the optimizer's other numbers ("adam.beta_1"), as far as
// the file names them.
Attributes training_of(const nlohmann::json& config);

}  // namespace lockstep::programs
