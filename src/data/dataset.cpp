#include "lockstep/data/dataset.h"

#include <cstring>

#include "lockstep/base/error.h"
#include "lockstep/tensor/views.h"

namespace lockstep::data {
namespace {

// The rows of a tensor in host memory.
class Rows {
 public:
  explicit Rows(const Tensor& x)
      : values_(x.is_contiguous() ? x.detach() : copied(x)), row_(x.meta()) {
    row_.shape = x.shape().without(0);
    bytes_ = static_cast<std::size_t>(row_.shape.elements()) * size_of(x.dtype());
  }

  const Meta& row() const { return row_; }
  std::int64_t count() const { return values_.shape()[0]; }
  void read(std::int64_t index, std::byte* to) const {
    if (bytes_ == 0) return;
    const auto* begin = static_cast<const std::byte*>(values_.view().data);
    std::memcpy(to, begin + static_cast<std::size_t>(index) * bytes_, bytes_);
  }

 private:
  Tensor values_;
  Meta row_;
  std::size_t bytes_ = 0;
};

class InMemory final : public Dataset {
 public:
  InMemory(const Tensor& x, const Tensor& y) : x_(x), y_(y) {}

  std::int64_t count() const override { return x_.count(); }
  Meta x() const override { return x_.row(); }
  Meta y() const override { return y_.row(); }
  void read(std::int64_t index, std::byte* x, std::byte* y) const override {
    x_.read(index, x);
    y_.read(index, y);
  }

 private:
  Rows x_;
  Rows y_;
};

}  // namespace

DatasetPointer in_memory(const Tensor& x, const Tensor& y) {
  check<ShapeError>(x.rank() > 0 && y.rank() > 0 && x.shape()[0] == y.shape()[0], [&] {
    return Complaint{
        "in_memory: x " + to_string(x.shape()) + " and y " + to_string(y.shape()) +
            " do not have the same number of rows",
        "give tensors whose first axis counts the samples, with one row of y for each of x"};
  });
  check<DeviceError>(x.device() == Device{} && y.device() == Device{}, [&] {
    return Complaint{
        "in_memory: x is on " + name_of(x.device()) + " and y on " + name_of(y.device()),
        "copy both to the cpu; batches move to the device of the model"};
  });
  return std::make_shared<const InMemory>(x, y);
}

}  // namespace lockstep::data
