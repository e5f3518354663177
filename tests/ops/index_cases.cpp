#include "lockstep/core/random.h"
#include "lockstep/ops/index.h"
#include "lockstep/ops/random.h"
#include "lockstep/tensor/create.h"
#include "tests/support/op_cases.h"

namespace lockstep::testing {
namespace {

Dense gathered(const std::vector<Dense>& in) {
  const Dense &table = in[0], &index = in[1];
  const std::int64_t width = table.shape[0] > 0 ? table.size() / table.shape[0] : 0;
  Shape shape = index.shape;
  for (int axis = 1; axis < table.shape.rank(); ++axis) shape.append(table.shape[axis]);
  Dense out(shape);
  for (std::int64_t i = 0; i < out.size(); ++i) {
    out[i] = table[static_cast<std::int64_t>(index[i / width]) * width + i % width];
  }
  return out;
}

OpCase gather_case() {
  const auto of = [](const Shape& table, const Shape& index) {
    return Arguments{{table}, {index, Kind::index, 0, static_cast<double>(table[0])}};
  };
  return {.name = "gather",
          .op = "gather",
          .call = [](const Tensors& in) { return gather(in[0], in[1]); },
          .reference = gathered,
          .inputs = {of({4, 3}, {6}), of({1, 1}, {1}), of({5}, {3}), of({5, 2, 3}, {2, 2}),
                     of({3, 4}, {})},
          .empty = of({3, 2}, {0}),
          .random =
              [=](std::mt19937& generator) {
                return of(random_shape(generator, 1, 3), random_shape(generator, 1, 2));
              },
          .takes_integers = true,
          .takes_bool = true};
}

OpCase one_hot_case() {
  const auto of = [](const Shape& index) { return Arguments{{index, Kind::index, 0, 5}}; };
  return {.name = "one_hot",
          .op = "one_hot",
          .call = [](const Tensors& in) { return one_hot(in[0], 5); },
          .reference =
              [](const std::vector<Dense>& in) {
                Shape shape = in[0].shape;
                shape.append(5);
                Dense out(shape);
                for (std::int64_t i = 0; i < in[0].size(); ++i) {
                  out[5 * i + static_cast<std::int64_t>(in[0][i])] = 1;
                }
                return out;
              },
          .inputs = {of({4}), of({}), of({2, 3})},
          .empty = of({0}),
          .is_differentiable = false,
          .hides_nan = true};
}

constexpr double probability = 0.3;

// The mask by its definition: element i takes word i mod 4 of counter i / 4.
Dense dropped(const std::vector<Dense>& in) {
  core::RngKey key;
  key.seed = 5;
  Dense out(in[0].shape);
  for (std::int64_t i = 0; i < out.size(); ++i) {
    const core::Words words = key.words(static_cast<std::uint64_t>(i) / 4);
    const bool is_kept = words[static_cast<std::size_t>(i % 4)] >= probability * 0x1p32;
    out[i] = is_kept ? in[0][i] / (1 - probability) : 0;
  }
  return out;
}

OpCase dropout_case() {
  const auto of = [](const Shape& x) { return Arguments{{x}}; };
  return {.name = "dropout",
          .op = "dropout",
          .call =
              [](const Tensors& in) {
                core::manual_seed(5);
                return dropout(in[0], probability);
              },
          .reference = dropped,
          .inputs = {of({4, 5}), of({}), of({1}), of({3, 50}), of({2, 3, 4})},
          .empty = of({0, 3}),
          .random = [=](std::mt19937& generator) { return of(random_shape(generator)); },
          .hides_nan = true};
}

}  // namespace

std::vector<OpCase> index_cases() { return {gather_case(), one_hot_case(), dropout_case()}; }

}  // namespace lockstep::testing
