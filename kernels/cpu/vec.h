// Vectors of the widest registers that this variant's instruction set has.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lockstep::kernels::cpu {

#if defined(__AVX512F__)
inline constexpr int vector_bytes = 64;
inline constexpr int vector_registers = 32;
#elif defined(__AVX__)
inline constexpr int vector_bytes = 32;
inline constexpr int vector_registers = 16;
#else
inline constexpr int vector_bytes = 16;
inline constexpr int vector_registers = 16;
#endif

template <class T> inline constexpr int lanes = vector_bytes / static_cast<int>(sizeof(T));

template <class T> struct VecOf {
  typedef T type __attribute__((vector_size(vector_bytes)));
  typedef T unaligned __attribute__((vector_size(vector_bytes), aligned(alignof(T)), may_alias));
};
template <class T> using Vec = typename VecOf<T>::type;

template <class T> inline __attribute__((always_inline)) Vec<T> load(const T* p) {
  return *reinterpret_cast<const typename VecOf<T>::unaligned*>(p);
}
template <class T> inline __attribute__((always_inline)) void store(T* p, Vec<T> v) {
  *reinterpret_cast<typename VecOf<T>::unaligned*>(p) = v;
}
template <class T> inline __attribute__((always_inline)) Vec<T> broadcast(T x) {
  return Vec<T>{} + x;
}

inline constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
inline constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) {
  return divide_up(a, b) * b;
}

}  // namespace lockstep::kernels::cpu
