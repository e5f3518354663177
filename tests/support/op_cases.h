// The table of ops: one row each, from which the driver makes its value, gradient, layout, dtype
// and error tests.
#pragma once

#include <functional>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "lockstep/tensor/tensor.h"

namespace lockstep::testing {

// Values in row-major order, in double precision: what references compute with.
struct Dense {
  Shape shape;
  std::vector<double> values;

  Dense() = default;
  explicit Dense(const Shape& sizes, double value = 0)
      : shape(sizes), values(static_cast<std::size_t>(sizes.elements()), value) {}

  std::int64_t size() const { return static_cast<std::int64_t>(values.size()); }
  double& operator[](std::int64_t i) { return values[static_cast<std::size_t>(i)]; }
  double operator[](std::int64_t i) const { return values[static_cast<std::size_t>(i)]; }
  double& at(std::initializer_list<std::int64_t> position);
  double at(std::initializer_list<std::int64_t> position) const {
    return const_cast<Dense&>(*this).at(position);
  }
};

// The position of row-major element `i` along each axis, and back.
std::vector<std::int64_t> position_of(std::int64_t i, const Shape& shape);
std::int64_t offset_of(const std::vector<std::int64_t>& position, const Shape& shape);
// f(a, b, ...) element by element after broadcasting.
Dense elementwise(const std::function<double(const double*)>& f, const std::vector<Dense>& in);

enum class Kind {
  real,      // of the tested floating-point dtype, with a gradient
  constant,  // of the tested dtype, without
  index,     // i64 in [low, high)
};

// How to make one argument of an op.
struct Argument {
  Shape shape;
  Kind kind = Kind::real;
  double low = -2, high = 2;
  bool is_f32_beside_halves = false;
};
// Of a layer: none, of the other arguments' dtype, or f32 beside halves.
enum class Bias { none, alike, f32 };
using Arguments = std::vector<Argument>;
using Tensors = std::vector<Tensor>;

struct OpCase {
  std::string name;  // of the row
  std::string op;    // of the public function that it tests
  std::function<Tensor(const Tensors&)> call;
  std::function<Dense(const std::vector<Dense>&)> reference;
  std::vector<Arguments> inputs;                        // one element, broadcast, ...
  Arguments empty;                                      // without any element; none: an error
  std::function<Arguments(std::mt19937&)> random = {};  // random shapes
  std::string kernel = {};  // in kernels/math, where its name is another
  bool is_differentiable = true;
  bool takes_integers = false;
  bool takes_bool = false;
  bool takes_halves = true;
  bool hides_nan = false;   // a NaN in the first argument need not show
  double tolerance = 1e-5;  // of f32 values against the reference; gradients get ten times as much
};
inline std::ostream& operator<<(std::ostream& out, const OpCase& row) { return out << row.name; }

std::vector<OpCase> pointwise_cases();
std::vector<OpCase> view_cases();
std::vector<OpCase> reduce_cases();
std::vector<OpCase> linalg_cases();
std::vector<OpCase> conv_cases();
std::vector<OpCase> row_cases();
std::vector<OpCase> norm_cases();
std::vector<OpCase> index_cases();
const std::vector<OpCase>& all_cases();

// A size from 1 to `most`, now and then a larger one that fills vector registers.
std::int64_t random_size(std::mt19937& generator, int most = 5);
Shape random_shape(std::mt19937& generator, int least_rank = 1, int most_rank = 4);

}  // namespace lockstep::testing
