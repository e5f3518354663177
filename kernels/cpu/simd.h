// What lets the compiler turn plain loops over kernels/math into vector code whose results do not
// depend on where a range is cut: loops over whole lane_block only, and mathematics from libmvec.
#pragma once

#include <cmath>
#include <cstdint>

#define LS_SIMD _Pragma("omp simd")

#if defined(__x86_64__) && defined(__GLIBC__) && __GLIBC_PREREQ(2, 35)
// The C library's headers offer its vector functions under -ffast-math only, which would break NaN.
// Declaring them here is all that the compiler needs (with -fno-math-errno) to call them from a
// vectorised loop.
#define LS_VECTOR_FUNCTION __attribute__((__simd__("notinbranch")))
extern "C" {
LS_VECTOR_FUNCTION float expf(float) noexcept;
LS_VECTOR_FUNCTION double exp(double) noexcept;
LS_VECTOR_FUNCTION float logf(float) noexcept;
LS_VECTOR_FUNCTION double log(double) noexcept;
LS_VECTOR_FUNCTION float tanhf(float) noexcept;
LS_VECTOR_FUNCTION double tanh(double) noexcept;
LS_VECTOR_FUNCTION float sinf(float) noexcept;
LS_VECTOR_FUNCTION double sin(double) noexcept;
LS_VECTOR_FUNCTION float cosf(float) noexcept;
LS_VECTOR_FUNCTION double cos(double) noexcept;
}
#undef LS_VECTOR_FUNCTION
#endif

namespace lockstep::kernels::cpu {

// Elements that a vector loop handles at a time, on every instruction set: results depend on it
// nowhere, loops over a multiple of it have no scalar tail.
inline constexpr std::int64_t lane_block = 16;
constexpr std::int64_t whole_blocks(std::int64_t n) { return n & ~(lane_block - 1); }

}  // namespace lockstep::kernels::cpu
