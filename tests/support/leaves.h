// Parameters with made-up values and gradients, for tests of what comes after backward.
#pragma once

#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/state.h"

namespace lockstep::testing {

// Uniform in (-1, 1).
inline std::vector<double> random_values(std::int64_t count, std::mt19937& random) {
  std::uniform_real_distribution<double> distribution(-1, 1);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = distribution(random);
  return values;
}

inline Tensor random_tensor(const Shape& shape, std::mt19937& random, DType dtype = DType::f32) {
  return tensor(random_values(shape.elements(), random), shape, {.dtype = dtype});
}

inline Tensor random_leaf(const Shape& shape, std::mt19937& random, DType dtype = DType::f32) {
  Tensor leaf = random_tensor(shape, random, dtype);
  return require_grad(leaf);
}

// Adds to the leaf's gradient through backward.
inline void give_gradient(const Tensor& leaf, std::span<const double> values) {
  backward(leaf, tensor(values, leaf.shape(), {.dtype = leaf.dtype()}));
}

// A few parameters named "p0", "p1" ... of uneven sizes.
inline State random_parameters(const std::vector<Shape>& shapes, std::mt19937& random,
                               DType dtype = DType::f32) {
  State parameters;
  for (const Shape& shape : shapes) {
    std::string name(1, 'p');
    name += std::to_string(parameters.size());
    parameters.emplace_back(std::move(name), random_leaf(shape, random, dtype));
  }
  return parameters;
}

inline void give_random_gradients(const State& parameters, std::mt19937& random) {
  for (const auto& [name, parameter] : parameters) {
    give_gradient(parameter, random_values(parameter.elements(), random));
  }
}

}  // namespace lockstep::testing
