// Keras's layers in terms of nodes of a GraphSpec, with the sizes between them and the weights that
// they want.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lockstep/tensor/graph_spec.h"
#include "src/programs/import_keras/keras_model.h"

namespace lockstep::programs {

// One weight of a Keras layer and the tensor that it becomes.
struct Weight {
  std::string layer;                // of Keras
  std::string meaning;              // "kernel"
  std::vector<std::int64_t> shape;  // as Keras keeps it
  std::string tensor;               // our name; empty where nothing of ours needs it
  std::vector<std::int64_t> axes;   // axis i of ours is Keras's axis axes[i]
  std::vector<std::int64_t> sizes;  // of ours, where axes are merged; else empty
};
// A tensor that Keras does not keep because it is constant.
struct Constant {
  std::string tensor;
  std::int64_t elements = 0;
  double value = 0;
};

struct Translation {
  GraphSpec graph;
  std::vector<Weight> weights;  // by layer, in the order in which Keras keeps them
  std::vector<Constant> constants;
};

// IoError names the layer that has no counterpart, or the setting of it that has none.
Translation translated(const KerasModel& model);

}  // namespace lockstep::programs
