// A file as Keras writes it: .h5, or a .keras archive, told apart by their first bytes.
#pragma once

#include <filesystem>

#include "lockstep/tensor/graph_spec.h"
#include "lockstep/tensor/state.h"

namespace lockstep::programs {

struct ImportedModel {
  GraphSpec graph;
  State tensors;
};

// IoError says what in the file cannot be imported. `scratch` is an empty folder for what is
// unpacked.
ImportedModel imported(const std::filesystem::path& file, const std::filesystem::path& scratch);

}  // namespace lockstep::programs
