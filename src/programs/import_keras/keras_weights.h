// The weights of a Keras file, checked against what the layers want and turned into our tensors.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lockstep/tensor/state.h"
#include "src/programs/import_keras/hdf5_file.h"
#include "src/programs/import_keras/translation.h"

namespace lockstep::programs {

// Datasets by layer, each layer's in Keras's order.
using WeightPaths = std::map<std::string, std::vector<std::string>>;

// Of a .h5 file: lists of names beside the weights.
WeightPaths paths_in_h5(const Hdf5File& file, const KerasModel& model);
// Of the model.weights.h5 within a .keras archive: counted by the layers' classes.
WeightPaths paths_in_archive(const Hdf5File& file, const KerasModel& model);

// IoError names the layer and the weight that is missing, extra, misshapen or not a number.
State tensors_of(const Hdf5File& file, const WeightPaths& paths, const Translation& translation);

}  // namespace lockstep::programs
