// The one tensor type: a handle on shared elements, with a shape, a dtype and a device.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "lockstep/base/dtype.h"
#include "lockstep/core/device.h"
#include "lockstep/core/shape.h"
#include "lockstep/core/storage.h"
#include "lockstep/core/view.h"
#include "lockstep/kernels/recorder.h"

namespace lockstep {

// What a tensor is without its elements.
struct Meta {
  Shape shape;
  DType dtype = DType::f32;
  Device device;
};

// What autograd hangs on a tensor; the tensor layer only owns it.
class TapeEntry : public Counted {
 public:
  virtual ~TapeEntry() = default;
  static void release(TapeEntry* entry) noexcept { entry->dispose(); }

 protected:
  virtual void dispose() noexcept { delete this; }
};

// A copy of a parameter's elements in half precision, see lockstep/autograd/shadow.h.
struct Shadow : Counted {
  static constexpr std::uint64_t stale = ~std::uint64_t{0};

  Shared<core::Storage> storage;
  DType dtype = DType::bf16;
  std::uint64_t version = stale;  // of the elements that it is a copy of
};

// Copies share the same elements, tape entry and identity. A default-constructed tensor is
// undefined.
class Tensor {
 public:
  Tensor() = default;
  // A view of `storage` from `offset` elements on.
  Tensor(Shared<core::Storage> storage, std::int64_t offset, Shape shape, Shape strides,
         DType dtype);

  bool is_defined() const { return static_cast<bool>(impl_); }
  explicit operator bool() const { return is_defined(); }

  const Shape& shape() const { return impl_->shape; }
  const Shape& strides() const { return impl_->strides; }  // in elements
  int rank() const { return impl_->shape.rank(); }
  std::int64_t size(int axis) const;  // axis may be negative; ShapeError when out of range
  std::int64_t elements() const { return impl_->shape.elements(); }
  DType dtype() const { return impl_->dtype; }
  Device device() const { return impl_->storage->memory()->device(); }
  Meta meta() const { return {shape(), dtype(), device()}; }
  bool is_contiguous() const { return view().is_contiguous(); }

  View view() const {
    if (auto* const recorder = kernels::recorder()) recorder->note(impl_->storage);
    return {impl_->storage->data() + impl_->offset * static_cast<std::int64_t>(size_of(dtype())),
            dtype(), impl_->shape, impl_->strides};
  }
  // First element; DTypeError unless T holds the dtype, DeviceError unless it is in host memory.
  template <class T> T* data() const { return static_cast<T*>(host_data(dtype_of<T>)); }

  // The only element. ShapeError when there are more or none.
  template <class T = double> T item() const { return static_cast<T>(single_value()); }
  // One element by its position, converted from / to double.
  double at(std::initializer_list<std::int64_t> position) const;
  void set(std::initializer_list<std::int64_t> position, double value);
  // All elements in row-major order, converted.
  template <class T = float> std::vector<T> to_vector() const {
    const std::vector<double> values = all_values();
    return std::vector<T>(values.begin(), values.end());
  }

  const Shared<core::Storage>& storage() const { return impl_->storage; }
  std::int64_t offset() const { return impl_->offset; }
  // Marks the elements as changed, so that a tape that saved them refuses to go on.
  void mark_mutated() const {
    if (auto* const recorder = kernels::recorder()) recorder->note_mutation(impl_->storage);
    impl_->storage->mark_mutated();
  }
  bool is_same(const Tensor& other) const { return impl_ == other.impl_; }

  const Shared<TapeEntry>& tape() const { return impl_->tape; }
  void set_tape(Shared<TapeEntry> entry) const { impl_->tape = std::move(entry); }
  bool requires_grad() const { return impl_ && static_cast<bool>(impl_->tape); }
  // Undefined for most.
  const Shared<Shadow>& shadow() const { return impl_->shadow; }
  void set_shadow(Shared<Shadow> shadow) const { impl_->shadow = std::move(shadow); }
  // The same elements without tape and shadow.
  Tensor detach() const;

 private:
  struct Impl : Counted {
    Shared<core::Storage> storage;
    std::int64_t offset = 0;
    Shape shape;
    Shape strides;
    DType dtype = DType::f32;
    Shared<TapeEntry> tape;
    Shared<Shadow> shadow;
  };
  void* host_data(DType wanted) const;
  double single_value() const;
  std::vector<double> all_values() const;

  Shared<Impl> impl_;
};

}  // namespace lockstep
