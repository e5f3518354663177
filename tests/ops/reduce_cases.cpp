#include <cmath>
#include <limits>

#include "lockstep/ops/reduce.h"
#include "tests/support/op_cases.h"

namespace lockstep::testing {
namespace {

// Which axes of a rank are reduced.
using Mask = std::function<bool(int axis, int rank)>;

struct Cell {
  double sum = 0;
  double largest = -std::numeric_limits<double>::infinity();
  double position = 0;
  std::int64_t count = 0;
};

std::vector<Cell> cells(const Dense& x, const Mask& mask, bool keep, Shape& shape) {
  shape = {};
  for (int axis = 0; axis < x.shape.rank(); ++axis) {
    if (!mask(axis, x.shape.rank()))
      shape.append(x.shape[axis]);
    else if (keep)
      shape.append(1);
  }
  std::vector<Cell> all(static_cast<std::size_t>(shape.elements()));
  for (std::int64_t i = 0; i < x.size(); ++i) {
    std::int64_t cell = 0;
    const auto at = position_of(i, x.shape);
    for (int axis = 0; axis < x.shape.rank(); ++axis) {
      if (mask(axis, x.shape.rank())) continue;
      cell = cell * x.shape[axis] + at[static_cast<std::size_t>(axis)];
    }
    Cell& to = all[static_cast<std::size_t>(cell)];
    to.sum += x[i];
    if (x[i] > to.largest) {
      to.largest = x[i];
      to.position = static_cast<double>(to.count);
    }
    ++to.count;
  }
  return all;
}

std::function<Dense(const std::vector<Dense>&)> reduced(const Mask& mask, bool keep,
                                                        double (*result)(const Cell&)) {
  return [=](const std::vector<Dense>& in) {
    Shape shape;
    const auto all = cells(in[0], mask, keep, shape);
    Dense out(shape);
    for (std::int64_t i = 0; i < out.size(); ++i) out[i] = result(all[static_cast<std::size_t>(i)]);
    return out;
  };
}

double sum_of(const Cell& cell) { return cell.sum; }
double mean_of(const Cell& cell) { return cell.sum / static_cast<double>(cell.count); }
double max_of(const Cell& cell) { return cell.largest; }
double position_of_max(const Cell& cell) { return cell.position; }

bool every(int, int) { return true; }
bool first(int axis, int) { return axis == 0; }
bool last(int axis, int rank) { return axis == rank - 1; }
bool ends(int axis, int rank) { return axis == 0 || axis == rank - 1; }

OpCase reduction(const char* name, const char* op, const std::function<Tensor(const Tensor&)>& call,
                 std::function<Dense(const std::vector<Dense>&)> reference) {
  return {
      .name = name,
      .op = op,
      .call = [=](const Tensors& in) { return call(in[0]); },
      .reference = std::move(reference),
      .inputs = {{{{2, 3}}}, {{{1, 1}}}, {{{4, 3, 5}}}, {{{3, 70}}}, {{{70, 3}}}, {{{2, 3, 2, 5}}}},
      .empty = {{{0, 3}}},
      .random = [](std::mt19937& generator) { return Arguments{{random_shape(generator, 2, 4)}}; }};
}

}  // namespace

std::vector<OpCase> reduce_cases() {
  std::vector<OpCase> all = {
      reduction(
          "sum", "sum", [](const Tensor& x) { return sum(x); }, reduced(every, false, sum_of)),
      reduction(
          "sum_first", "sum", [](const Tensor& x) { return sum(x, 0); },
          reduced(first, false, sum_of)),
      reduction(
          "sum_last_kept", "sum", [](const Tensor& x) { return sum(x, -1, {.keep_dims = true}); },
          reduced(last, true, sum_of)),
      reduction(
          "sum_ends", "sum",
          [](const Tensor& x) {
            return sum(x, {0, -1});
          },
          reduced(ends, false, sum_of)),
      reduction(
          "mean", "mean", [](const Tensor& x) { return mean(x); }, reduced(every, false, mean_of)),
      reduction(
          "mean_last", "mean", [](const Tensor& x) { return mean(x, -1); },
          reduced(last, false, mean_of)),
      reduction(
          "mean_ends_kept", "mean",
          [](const Tensor& x) {
            return mean(x, {0, -1}, {.keep_dims = true});
          },
          reduced(ends, true, mean_of)),
      reduction(
          "max", "max", [](const Tensor& x) { return max(x); }, reduced(every, false, max_of)),
      reduction(
          "max_first", "max", [](const Tensor& x) { return max(x, 0); },
          reduced(first, false, max_of)),
      reduction(
          "max_last_kept", "max", [](const Tensor& x) { return max(x, -1, {.keep_dims = true}); },
          reduced(last, true, max_of)),
      reduction(
          "max_ends", "max",
          [](const Tensor& x) {
            return max(x, {-1, 0});
          },
          reduced(ends, false, max_of)),
      reduction(
          "argmax", "argmax", [](const Tensor& x) { return argmax(x); },
          reduced(every, false, position_of_max)),
      reduction(
          "argmax_last", "argmax", [](const Tensor& x) { return argmax(x, -1); },
          reduced(last, false, position_of_max)),
      reduction(
          "argmax_first_kept", "argmax",
          [](const Tensor& x) { return argmax(x, 0, {.keep_dims = true}); },
          reduced(first, true, position_of_max)),
  };
  for (OpCase& row : all) {
    const bool is_maximum = row.op == "max" || row.op == "argmax";
    row.takes_integers = row.op != "mean";
    row.takes_bool = row.op == "sum";
    row.is_differentiable = row.op != "argmax";
    row.hides_nan = row.op == "argmax";
    // A maximum of nothing is an error, one of each of no rows is not.
    if (is_maximum) row.empty = {{{0, 3}}};
    if (is_maximum && row.name.find("last") == std::string::npos) row.empty = {{{2, 0, 3}}};
    if (row.name == "max" || row.name == "argmax") row.empty = {};
  }
  return all;
}

}  // namespace lockstep::testing
