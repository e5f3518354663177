#include "lockstep/ops/views.h"
#include "tests/support/op_cases.h"

namespace lockstep::testing {
namespace {

// The reference says where element `position` of the result comes from.
using Source = std::function<std::vector<std::int64_t>(const std::vector<std::int64_t>& position)>;

Dense picked(const Dense& x, const Shape& shape, const Source& source) {
  Dense out(shape);
  for (std::int64_t i = 0; i < out.size(); ++i) {
    out[i] = x[offset_of(source(position_of(i, shape)), x.shape)];
  }
  return out;
}

Dense same(const Dense& x, const Shape& shape) {
  Dense out(shape);
  out.values = x.values;
  return out;
}

OpCase view(const char* name, const char* op, const std::vector<Shape>& shapes, const Shape& empty,
            const std::function<Tensor(const Tensor&)>& call,
            const std::function<Dense(const Dense&)>& reference) {
  OpCase row{.name = name,
             .op = op,
             .call = [=](const Tensors& in) { return call(in[0]); },
             .reference = [=](const std::vector<Dense>& in) { return reference(in[0]); },
             .inputs = {},
             .empty = {{empty}}};
  for (const Shape& shape : shapes) row.inputs.push_back({{shape}});
  row.takes_integers = true;
  row.takes_bool = true;
  return row;
}

Shape reversed(Shape shape) {
  const Shape from = shape;
  for (int axis = 0; axis < shape.rank(); ++axis) shape[axis] = from[shape.rank() - 1 - axis];
  return shape;
}

std::vector<OpCase> moved_cases() {
  const auto turned = [](const Dense& x) {
    return picked(x, reversed(x.shape), [](std::vector<std::int64_t> at) {
      return std::vector<std::int64_t>(at.rbegin(), at.rend());
    });
  };
  OpCase permute_case = view(
      "permute", "permute", {{2, 3, 4}, {1, 1, 1}, {5, 1, 17}}, {2, 0, 3},
      [](const Tensor& x) {
        return permute(x, {2, 1, 0});
      },
      turned);
  permute_case.random = [](std::mt19937& generator) {
    return Arguments{{random_shape(generator, 3, 3)}};
  };
  OpCase transpose_case = view(
      "transpose", "transpose", {{2, 3}, {1, 1}, {16, 33}}, {0, 2},
      [](const Tensor& x) { return transpose(x); }, turned);
  transpose_case.random = [](std::mt19937& generator) {
    return Arguments{{random_shape(generator, 2, 2)}};
  };
  OpCase permute_cycle = view(
      "permute_cycle", "permute", {{2, 3, 4}}, {2, 0, 3},
      [](const Tensor& x) {
        return permute(x, {1, -1, 0});
      },
      [](const Dense& x) {
        return picked(x, {x.shape[1], x.shape[2], x.shape[0]}, [](const auto& at) {
          return std::vector<std::int64_t>{at[2], at[0], at[1]};
        });
      });
  return {permute_case, permute_cycle, transpose_case};
}

std::vector<OpCase> reshaped_cases() {
  OpCase reshape_case = view(
      "reshape", "reshape", {{2, 6}, {1, 1}, {10, 3}}, {0, 4},
      [](const Tensor& x) {
        return reshape(x, x ? Shape{x.shape()[1], x.shape()[0]} : Shape{});
      },
      [](const Dense& x) {
        return same(x, {x.shape[1], x.shape[0]});
      });
  reshape_case.random = [](std::mt19937& generator) {
    return Arguments{{random_shape(generator, 2, 2)}};
  };
  return {
      reshape_case,
      view(
          "reshape_inferred", "reshape", {{2, 6}, {1}, {4, 3, 2}}, {0},
          [](const Tensor& x) {
            return reshape(x, {-1, 1});
          },
          [](const Dense& x) {
            return same(x, {x.size(), 1});
          }),
      view(
          "flatten", "flatten", {{2, 3, 4}, {1, 1, 1}}, {2, 0, 3},
          [](const Tensor& x) { return flatten(x, 1); },
          [](const Dense& x) {
            return same(x, {x.shape[0], x.shape[1] * x.shape[2]});
          }),
      view(
          "squeeze", "squeeze", {{2, 1, 4}, {1, 1, 1}}, {0, 1, 3},
          [](const Tensor& x) { return squeeze(x, 1); },
          [](const Dense& x) {
            return same(x, {x.shape[0], x.shape[2]});
          }),
      view(
          "unsqueeze", "unsqueeze", {{2, 4}, {1, 1}}, {0, 3},
          [](const Tensor& x) { return unsqueeze(x, -1); },
          [](const Dense& x) {
            return same(x, {x.shape[0], x.shape[1], 1});
          }),
      view("contiguous", "contiguous", {{2, 4}, {}, {1}, {3, 2, 5}}, {0, 3}, contiguous,
           [](const Dense& x) { return x; }),
      view("clone", "clone", {{2, 4}, {}, {1}, {3, 2, 5}}, {0, 3}, clone,
           [](const Dense& x) { return x; }),
      view(
          "to", "to", {{2, 4}}, {0, 3}, [](const Tensor& x) { return to(x, Device{}); },
          [](const Dense& x) { return x; }),
      view(
          "cast", "cast", {{2, 4}, {}, {1}, {3, 2, 5}}, {0, 3},
          [](const Tensor& x) { return cast(cast(x, DType::f64), DType::f64); },
          [](const Dense& x) { return x; }),
  };
}

OpCase slice_case(const char* name, int axis, std::int64_t begin, std::int64_t end,
                  std::int64_t step) {
  return view(
      name, "slice", {{5, 7}, {6, 33}}, {0, 6},
      [=](const Tensor& x) { return slice(x, axis, begin, end, step); },
      [=](const Dense& x) {
        Shape shape = x.shape;
        const std::int64_t from = std::min(begin < 0 ? begin + shape[axis] : begin, shape[axis]);
        const std::int64_t last = std::min(end < 0 ? end + shape[axis] : end, shape[axis]);
        shape[axis] = std::max<std::int64_t>(0, (last - from + step - 1) / step);
        return picked(x, shape, [=](std::vector<std::int64_t> at) {
          at[static_cast<std::size_t>(axis)] = from + step * at[static_cast<std::size_t>(axis)];
          return at;
        });
      });
}

std::vector<OpCase> sliced_cases() {
  OpCase expand_case = view(
      "expand", "expand", {{3, 1}, {1, 1}}, {0, 1},
      [](const Tensor& x) {
        return expand(x, x ? Shape{2, x.shape()[0], 4} : Shape{});
      },
      [](const Dense& x) {
        return picked(x, {2, x.shape[0], 4}, [](const auto& at) {
          return std::vector<std::int64_t>{at[1], 0};
        });
      });
  expand_case.random = [](std::mt19937& generator) {
    return Arguments{{{random_size(generator), 1}}};
  };
  return {slice_case("slice", 0, 1, 4, 1), slice_case("slice_strided", 1, 1, 100, 3),
          slice_case("slice_negative", 1, -3, -1, 1), expand_case};
}

OpCase cat_case(const char* name, const std::vector<Shape>& shapes, int axis,
                const std::vector<Shape>& empty) {
  const auto of = [](const std::vector<Shape>& all) {
    Arguments arguments;
    for (const Shape& shape : all) arguments.push_back({shape});
    return arguments;
  };
  const auto reference = [=](const std::vector<Dense>& in) {
    Shape shape = in[0].shape;
    shape[axis] = 0;
    for (const Dense& each : in) shape[axis] += each.shape[axis];
    Dense out(shape);
    for (std::int64_t i = 0; i < out.size(); ++i) {
      auto at = position_of(i, shape);
      auto& along = at[static_cast<std::size_t>(axis)];
      std::size_t k = 0;
      for (; along >= in[k].shape[axis]; ++k) along -= in[k].shape[axis];
      out[i] = in[k][offset_of(at, in[k].shape)];
    }
    return out;
  };
  return {.name = name,
          .op = "cat",
          .call = [=](const Tensors& in) { return cat(in, axis); },
          .reference = reference,
          .inputs = {of(shapes)},
          .empty = of(empty),
          .takes_integers = true,
          .takes_bool = true};
}

}  // namespace

std::vector<OpCase> view_cases() {
  std::vector<OpCase> all = moved_cases();
  for (const auto& part : {reshaped_cases(), sliced_cases()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  all.push_back(cat_case("cat_one", {{2, 3}}, 0, {{0, 3}}));
  all.push_back(cat_case("cat", {{2, 3}, {1, 3}, {4, 3}}, 0, {{0, 3}, {0, 3}}));
  all.push_back(cat_case("cat_last", {{2, 3}, {2, 0}, {2, 5}}, 1, {{0, 3}, {0, 2}}));
  all.push_back(cat_case("cat_many", std::vector<Shape>(15, Shape{2, 3}), 1,
                         std::vector<Shape>(8, Shape{0, 3})));
  return all;
}

}  // namespace lockstep::testing
