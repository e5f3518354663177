// Models within a model.
#pragma once

#include "src/programs/import_keras/keras_model.h"

namespace lockstep::programs {

// The same model with the layers of its inner models in their place, under names that begin with
// the inner model's ("encoder.conv"). The inner models are laid open already. IoError for a call
// with the wrong number of inputs, and for more calls than any model has.
KerasModel laid_open(const KerasModel& model);

}  // namespace lockstep::programs
