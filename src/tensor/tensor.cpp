#include "lockstep/tensor/tensor.h"

#include <string>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

double load(const View& view, std::int64_t position) {
  return with_type(view.dtype, [&]<class T>(T) {
    const T value = view.as<const T>()[position];
    if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>) {
      return static_cast<double>(static_cast<float>(value));
    } else {
      return static_cast<double>(value);
    }
  });
}

void store(const View& view, std::int64_t position, double value) {
  with_type(view.dtype, [&]<class T>(T) {
    if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>) {
      view.as<T>()[position] = T(static_cast<float>(value));
    } else {
      view.as<T>()[position] = static_cast<T>(value);
    }
  });
}

void check_on_host(const char* op, const Tensor& x) {
  kernels::check_unrecorded(op, "the host would see the elements once only");
  check<DeviceError>(x.device().type == DeviceType::cpu, [&] {
    return Complaint{std::string(op) + ": the elements are on " + name_of(x.device()),
                     "copy the tensor to the cpu first"};
  });
}

std::int64_t position_of(const Tensor& x, std::initializer_list<std::int64_t> position) {
  check<ShapeError>(static_cast<int>(position.size()) == x.rank(), [&] {
    return Complaint{
        "at: " + std::to_string(position.size()) + " indices for shape " + to_string(x.shape()),
        "give one index for each axis"};
  });
  std::int64_t offset = 0;
  int axis = 0;
  for (const std::int64_t index : position) {
    check<ShapeError>(index >= 0 && index < x.shape()[axis], [&] {
      return Complaint{"at: index " + std::to_string(index) + " on axis " + std::to_string(axis) +
                           " of shape " + to_string(x.shape()),
                       "use an index from 0 to the size less one"};
    });
    offset += index * x.strides()[axis++];
  }
  return offset;
}

}  // namespace

Tensor::Tensor(Shared<core::Storage> storage, std::int64_t offset, Shape shape, Shape strides,
               DType dtype)
    : impl_(make_shared_object<Impl>()) {
  impl_->storage = std::move(storage);
  impl_->offset = offset;
  impl_->shape = shape;
  impl_->strides = strides;
  impl_->dtype = dtype;
}

std::int64_t Tensor::size(int axis) const { return shape()[normalized_axis("size", axis, rank())]; }

double Tensor::at(std::initializer_list<std::int64_t> position) const {
  check_on_host("at", *this);
  return load(view(), position_of(*this, position));
}

void Tensor::set(std::initializer_list<std::int64_t> position, double value) {
  check_on_host("set", *this);
  store(view(), position_of(*this, position), value);
  mark_mutated();
}

Tensor Tensor::detach() const { return {storage(), offset(), shape(), strides(), dtype()}; }

void* Tensor::host_data(DType wanted) const {
  check<DTypeError>(wanted == dtype(), [&] {
    return Complaint{"data: " + std::string(name_of(wanted)) + " asked of a tensor of " +
                         std::string(name_of(dtype())),
                     "ask for the tensor's own type, or cast it first"};
  });
  check_on_host("data", *this);
  return view().data;
}

double Tensor::single_value() const {
  check<ShapeError>(elements() == 1, [&] {
    return Complaint{
        "item: shape " + to_string(shape()) + " has " + std::to_string(elements()) + " elements",
        "reduce or index it to one element first"};
  });
  check_on_host("item", *this);
  return load(view(), 0);
}

std::vector<double> Tensor::all_values() const {
  check_on_host("to_vector", *this);
  std::vector<double> values(static_cast<std::size_t>(elements()));
  const View from = view();
  Shape index = shape();
  for (int axis = 0; axis < rank(); ++axis) index[axis] = 0;
  std::int64_t position = 0;
  for (double& value : values) {
    value = load(from, position);
    for (int axis = rank() - 1; axis >= 0; --axis) {
      position += strides()[axis];
      if (++index[axis] < shape()[axis]) break;
      position -= index[axis] * strides()[axis];
      index[axis] = 0;
    }
  }
  return values;
}

}  // namespace lockstep
