#include "lockstep/tensor/create.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "lockstep/base/error.h"
#include "lockstep/core/byte_count.h"
#include "lockstep/tensor/views.h"

namespace lockstep {

Tensor empty(const Meta& meta) {
  for (const std::int64_t size : meta.shape) {
    check<ShapeError>(size >= 0, [&] {
      return Complaint{"empty: shape " + to_string(meta.shape) + " has a negative size",
                       "give sizes of 0 or more"};
    });
  }
  const std::optional<std::size_t> needed = core::byte_count(meta.shape, meta.dtype);
  check<ShapeError>(needed.has_value(), [&] {
    return Complaint{"empty: shape " + to_string(meta.shape) + " is larger than any memory",
                     "give smaller sizes"};
  });
  const std::size_t bytes = *needed;
  auto storage = make_shared_object<core::Storage>(core::allocator(meta.device).allocate(bytes),
                                                   std::size_t{0}, bytes);
  return {std::move(storage), 0, meta.shape, contiguous_strides(meta.shape), meta.dtype};
}

Tensor empty(const Shape& shape, const TensorOptions& options) {
  return empty(Meta{shape, options.dtype, options.device});
}

Tensor full(const Shape& shape, double value, const TensorOptions& options) {
  Tensor x = empty(shape, options);
  fill_elements(x, value);
  return x;
}

Tensor zeros(const Shape& shape, const TensorOptions& options) { return full(shape, 0, options); }

Tensor ones(const Shape& shape, const TensorOptions& options) { return full(shape, 1, options); }

Tensor arange(double begin, double end, double step, const TensorOptions& options) {
  check<UsageError>(step != 0, [] {
    return Complaint{"arange: step is 0", "give a positive or negative step"};
  });
  check<UsageError>(std::isfinite((end - begin) / step), [&] {
    return Complaint{fmt::format("arange: from {} to {}", begin, end),
                     "give a finite begin, end and step"};
  });
  const auto count = std::max(0.0, std::ceil((end - begin) / step));
  std::vector<double> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = begin + static_cast<double>(i) * step;
  return tensor(values, Shape{static_cast<std::int64_t>(values.size())}, options);
}

Tensor tensor(std::span<const double> values, const Shape& shape, const TensorOptions& options) {
  check<ShapeError>(shape.elements() == static_cast<std::int64_t>(values.size()), [&] {
    return Complaint{
        "tensor: " + std::to_string(values.size()) + " values for shape " + to_string(shape),
        "give " + std::to_string(shape.elements()) + " values or another shape"};
  });
  Tensor host = empty(shape, {.dtype = DType::f64});
  std::copy(values.begin(), values.end(), host.view().as<double>());
  if (auto* const recorder = kernels::recorder()) recorder->keep(host.storage());
  Tensor x = copied(host, options.dtype);
  return options.device == Device{} ? x : copied_to(x, options.device);
}

Tensor tensor(std::initializer_list<double> values, const TensorOptions& options) {
  return tensor(std::span(values.begin(), values.size()),
                Shape{static_cast<std::int64_t>(values.size())}, options);
}

Tensor tensor(std::initializer_list<double> values, const Shape& shape,
              const TensorOptions& options) {
  return tensor(std::span(values.begin(), values.size()), shape, options);
}

Tensor scalar(double value, const TensorOptions& options) { return full({}, value, options); }

}  // namespace lockstep
