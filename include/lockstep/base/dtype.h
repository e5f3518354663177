// Element types: their names, sizes and the C++ types that hold them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "lockstep/base/half.h"

namespace lockstep {

enum class DType : std::uint8_t { f64, f32, f16, bf16, i64, i32, i8, u8, boolean };

inline constexpr DType all_dtypes[] = {DType::f64,  DType::f32, DType::f16,
                                       DType::bf16, DType::i64, DType::i32,
                                       DType::i8,   DType::u8,  DType::boolean};

constexpr std::size_t size_of(DType dtype) {
  constexpr std::size_t sizes[] = {8, 4, 2, 2, 8, 4, 1, 1, 1};
  return sizes[static_cast<std::size_t>(dtype)];
}
constexpr bool is_floating(DType dtype) { return dtype <= DType::bf16; }
constexpr bool is_half_precision(DType dtype) {
  return dtype == DType::f16 || dtype == DType::bf16;
}

// "f32", "i64", "bool" ...
constexpr std::string_view name_of(DType dtype) {
  constexpr std::string_view names[] = {"f64", "f32", "f16", "bf16", "i64",
                                        "i32", "i8",  "u8",  "bool"};
  return names[static_cast<std::size_t>(dtype)];
}

template <class T> struct DTypeOf;
template <> struct DTypeOf<double> { static constexpr DType value = DType::f64; };
template <> struct DTypeOf<float> { static constexpr DType value = DType::f32; };
template <> struct DTypeOf<float16> { static constexpr DType value = DType::f16; };
template <> struct DTypeOf<bfloat16> { static constexpr DType value = DType::bf16; };
template <> struct DTypeOf<std::int64_t> { static constexpr DType value = DType::i64; };
template <> struct DTypeOf<std::int32_t> { static constexpr DType value = DType::i32; };
template <> struct DTypeOf<std::int8_t> { static constexpr DType value = DType::i8; };
template <> struct DTypeOf<std::uint8_t> { static constexpr DType value = DType::u8; };
template <> struct DTypeOf<bool> { static constexpr DType value = DType::boolean; };

template <class T> inline constexpr DType dtype_of = DTypeOf<T>::value;

// Calls f(T{}) with the C++ type that holds `dtype`; f is a generic lambda.
template <class F> decltype(auto) with_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f64:
      return f(double{});
    case DType::f32:
      return f(float{});
    case DType::f16:
      return f(float16{});
    case DType::bf16:
      return f(bfloat16{});
    case DType::i64:
      return f(std::int64_t{});
    case DType::i32:
      return f(std::int32_t{});
    case DType::i8:
      return f(std::int8_t{});
    case DType::u8:
      return f(std::uint8_t{});
    case DType::boolean:
      break;
  }
  return f(bool{});
}

}  // namespace lockstep
