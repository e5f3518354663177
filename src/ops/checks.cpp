#include "src/ops/checks.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "lockstep/autograd/grad_mode.h"
#include "lockstep/base/error.h"

namespace lockstep::detail {
namespace {

bool holds(DType dtype, double number) {
  if (is_floating(dtype)) return true;
  if (std::trunc(number) != number) return false;
  const auto within = [&](double low, double high) { return number >= low && number <= high; };
  switch (dtype) {
    case DType::i64:
      return within(-0x1p63, 0x1p63 - 1024);
    case DType::i32:
      return within(-0x1p31, 0x1p31 - 1);
    case DType::i8:
      return within(-128, 127);
    case DType::u8:
      return within(0, 255);
    default:
      return within(0, 1);
  }
}

// The i-th element in row-major order.
std::int64_t element_at(const View& index, std::int64_t i) {
  std::int64_t offset = 0;
  for (int axis = index.rank() - 1; axis >= 0; --axis) {
    offset += i % index.sizes[axis] * index.strides[axis];
    i /= index.sizes[axis];
  }
  return index.as<std::int64_t>()[offset];
}

// The first element outside [0, limit), by its position in row-major order; -1 if there is none.
std::int64_t first_outside(const View& index, std::int64_t limit) {
  const std::int64_t count = index.elements();
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t value = element_at(index, i);
    if (value < 0 || value >= limit) return i;
  }
  return -1;
}

}  // namespace

void check_defined(const char* op, const char* argument, const Tensor& x) {
  check<UsageError>(x.is_defined(), [&] {
    return Complaint{fmt::format("{}: {} is an undefined tensor", op, argument),
                     fmt::format("give {} elements, e.g. with zeros() or tensor()", argument)};
  });
}

void check_floating(const char* op, const char* argument, const Tensor& x) {
  check_defined(op, argument, x);
  check<DTypeError>(is_floating(x.dtype()), [&] {
    return Complaint{
        fmt::format("{}: {} is {} but must be floating point", op, argument, name_of(x.dtype())),
        fmt::format("convert it: cast({}, DType::f32)", argument)};
  });
}

void check_numeric(const char* op, const char* argument, const Tensor& x) {
  check_defined(op, argument, x);
  check<DTypeError>(x.dtype() != DType::boolean, [&] {
    return Complaint{fmt::format("{}: {} is bool but must be a number", op, argument),
                     fmt::format("convert it: cast({}, DType::f32)", argument)};
  });
}

void check_same_dtype(const char* op, const Tensor& a, const char* argument, const Tensor& b) {
  check_defined(op, argument, b);
  check<DTypeError>(a.dtype() == b.dtype(), [&] {
    return Complaint{
        fmt::format("{}: {} is {} where the first tensor is {}", op, argument, name_of(b.dtype()),
                    name_of(a.dtype())),
        fmt::format("convert one of them: cast({}, DType::{})", argument, name_of(a.dtype()))};
  });
}

void check_same_dtype_or_f32(const char* op, const Tensor& a, const char* argument,
                             const Tensor& b) {
  check_defined(op, argument, b);
  if (b.dtype() == DType::f32 && is_half_precision(a.dtype())) return;
  check_same_dtype(op, a, argument, b);
}

void check_index(const char* op, const char* argument, const Tensor& x) {
  check_defined(op, argument, x);
  check<DTypeError>(x.dtype() == DType::i64, [&] {
    return Complaint{fmt::format("{}: {} is {} but must be i64", op, argument, name_of(x.dtype())),
                     fmt::format("convert it: cast({}, DType::i64)", argument)};
  });
}

void check_rank(const char* op, const char* argument, const Tensor& x, int rank,
                const char* layout) {
  check_defined(op, argument, x);
  check<ShapeError>(x.rank() == rank, [&] {
    return Complaint{fmt::format("{}: {} has shape {} but must be {}", op, argument,
                                 to_string(x.shape()), layout),
                     fmt::format("reshape {} to {} axes", argument, rank)};
  });
}

void check_shape(const char* op, const char* argument, const Tensor& x, const Shape& expected) {
  check_defined(op, argument, x);
  check<ShapeError>(x.shape() == expected, [&] {
    return Complaint{fmt::format("{}: {} has shape {} but must be {}", op, argument,
                                 to_string(x.shape()), to_string(expected)),
                     fmt::format("give {} the shape {}", argument, to_string(expected))};
  });
}

void check_number(const char* op, const Tensor& x, double number) {
  check<DTypeError>(holds(x.dtype(), number), [&] {
    return Complaint{fmt::format("{}: the number {} does not fit the tensor's dtype {}", op, number,
                                 name_of(x.dtype())),
                     "convert the tensor first: cast(x, DType::f32)"};
  });
}

void check_constant(const char* op, const char* argument, const Tensor& x) {
  check<UsageError>(!is_grad_enabled() || !x.requires_grad(), [&] {
    return Complaint{
        fmt::format("{}: {} needs a gradient, but {} has none for it", op, argument, op),
        fmt::format("pass {}.detach()", argument)};
  });
}

void check_indices(const char* op, const char* element, const Tensor& index, std::int64_t limit) {
  if (index.device().type != DeviceType::cpu) return;
  const auto check_elements = [=](const View& view) {
    const std::int64_t bad = first_outside(view, limit);
    check<UsageError>(bad < 0, [&] {
      return Complaint{fmt::format("{}: {} {} is {}, outside 0 to {}", op, element, bad,
                                   element_at(view, bad), limit - 1),
                       fmt::format("use numbers from 0 to {}", limit - 1)};
    });
  };
  const View view = index.view();
  check_elements(view);
  if (auto* const recorder = kernels::recorder()) recorder->repeat(view, check_elements);
}

}  // namespace lockstep::detail
