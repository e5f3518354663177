// How each Keras layer becomes nodes, by its class and grouped by subject.
#pragma once

#include <map>
#include <string_view>

#include "src/programs/import_keras/layer_context.h"

namespace lockstep::programs {

// Adds the nodes of one call and gives its result.
using Translate = Value (*)(LayerContext&);
using Translators = std::map<std::string_view, Translate>;

Translators activation_layers();
Translators conv_layers();
Translators dense_layers();
Translators image_layers();
Translators join_layers();
Translators norm_layers();
Translators pool_layers();
Translators shape_layers();

}  // namespace lockstep::programs
