#include "tests/support/op_cases.h"

namespace lockstep::testing {

std::vector<std::int64_t> position_of(std::int64_t i, const Shape& shape) {
  std::vector<std::int64_t> position(static_cast<std::size_t>(shape.rank()));
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    position[static_cast<std::size_t>(axis)] = i % shape[axis];
    i /= shape[axis];
  }
  return position;
}

std::int64_t offset_of(const std::vector<std::int64_t>& position, const Shape& shape) {
  std::int64_t offset = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    offset = offset * shape[axis] + position[static_cast<std::size_t>(axis)];
  }
  return offset;
}

double& Dense::at(std::initializer_list<std::int64_t> position) {
  return (*this)[offset_of(position, shape)];
}

Dense elementwise(const std::function<double(const double*)>& f, const std::vector<Dense>& in) {
  Shape shape;
  for (const Dense& each : in) shape = broadcast("reference", shape, each.shape);
  Dense out(shape);
  std::vector<double> operands(in.size());
  for (std::int64_t i = 0; i < out.size(); ++i) {
    const auto position = position_of(i, shape);
    for (std::size_t k = 0; k < in.size(); ++k) {
      const Shape& own = in[k].shape;
      std::int64_t offset = 0;
      for (int axis = 0; axis < own.rank(); ++axis) {
        const auto at = position[static_cast<std::size_t>(axis + shape.rank() - own.rank())];
        offset = offset * own[axis] + (own[axis] == 1 ? 0 : at);
      }
      operands[k] = in[k][offset];
    }
    out[i] = f(operands.data());
  }
  return out;
}

const std::vector<OpCase>& all_cases() {
  static const std::vector<OpCase> all = [] {
    std::vector<OpCase> rows;
    for (const auto& part : {pointwise_cases(), view_cases(), reduce_cases(), linalg_cases(),
                             conv_cases(), row_cases(), norm_cases(), index_cases()}) {
      rows.insert(rows.end(), part.begin(), part.end());
    }
    return rows;
  }();
  return all;
}

std::int64_t random_size(std::mt19937& generator, int most) {
  const bool is_large = generator() % 6 == 0;
  return 1 +
         static_cast<std::int64_t>(generator() % (is_large ? 40U : static_cast<unsigned>(most)));
}

Shape random_shape(std::mt19937& generator, int least_rank, int most_rank) {
  const int rank = least_rank + static_cast<int>(generator() %
                                                 static_cast<unsigned>(most_rank - least_rank + 1));
  Shape shape;
  for (int axis = 0; axis < rank; ++axis) shape.append(random_size(generator));
  return shape;
}

}  // namespace lockstep::testing
