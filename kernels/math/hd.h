// Marks functions that both the host compiler and nvcc compile.
#pragma once

#ifdef __CUDACC__
#define LS_HD __host__ __device__ __forceinline__
#else
#define LS_HD inline __attribute__((always_inline))
#endif
