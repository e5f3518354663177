// A buffer of any dtype that tests fill and read as numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "lockstep/core/buffer.h"

namespace lockstep::tests {

class TypedValues {
 public:
  TypedValues(DType dtype, std::int64_t count)
      : dtype_(dtype),
        count_(count),
        bytes_(static_cast<std::size_t>(count) * size_of(dtype) + 1) {}

  // at(i) = value(i), rounded to the dtype
  template <class Value>
  static TypedValues made(DType dtype, std::int64_t count, const Value& value) {
    TypedValues made(dtype, count);
    for (std::int64_t i = 0; i < count; ++i) made.set(i, value(i));
    return made;
  }

  core::Buffer buffer() { return part(0, count_); }
  core::Buffer part(std::int64_t first, std::int64_t count) {
    return {.data = bytes_.data() + static_cast<std::size_t>(first) * size_of(dtype_),
            .count = count,
            .dtype = dtype_,
            .device = {},
            .keep = {}};
  }

  DType dtype() const { return dtype_; }
  std::int64_t count() const { return count_; }
  double at(std::int64_t i) const {
    return with_type(dtype_, [&](auto sample) {
      using T = decltype(sample);
      const T value = reinterpret_cast<const T*>(bytes_.data())[i];
      if constexpr (std::is_arithmetic_v<T>) {
        return static_cast<double>(value);
      } else {
        return static_cast<double>(static_cast<float>(value));
      }
    });
  }
  void set(std::int64_t i, double number) {
    with_type(dtype_, [&](auto sample) {
      using T = decltype(sample);
      T& value = reinterpret_cast<T*>(bytes_.data())[i];
      if constexpr (std::is_arithmetic_v<T>) {
        value = static_cast<T>(number);
      } else {
        value = T(static_cast<float>(number));
      }
    });
  }
  // Bit for bit.
  friend bool operator==(const TypedValues&, const TypedValues&) = default;

 private:
  DType dtype_;
  std::int64_t count_;
  std::vector<std::byte> bytes_;
};

}  // namespace lockstep::tests
