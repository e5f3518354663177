// What the calls of layers read, as Keras 2 and 3 write it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "src/programs/import_keras/keras_model.h"

namespace lockstep::programs {

// IoError for what is no reference to the only result of a layer's call.
KerasValue value_of(const nlohmann::json& history, const std::string& layer);
// IoError for a call that does more than pass tensors on.
std::vector<KerasValue> call_of(const nlohmann::json& call, const std::string& layer);

[[noreturn]] void refuse_call(const std::string& layer);

}  // namespace lockstep::programs
