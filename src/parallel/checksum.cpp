#include "src/parallel/checksum.h"

#include <cstring>

namespace lockstep::parallel {
namespace {

constexpr std::size_t lanes = 4;  // of a vector
constexpr std::size_t vectors = 8;
constexpr std::size_t block_bytes = lanes * vectors * sizeof(std::uint64_t);

using Vector = std::uint64_t __attribute__((vector_size(lanes * sizeof(std::uint64_t))));

[[gnu::always_inline]] inline std::uint64_t sum_of(const unsigned char* data, std::size_t bytes) {
  Vector sums[vectors] = {};
  std::size_t done = 0;
  for (; done + block_bytes <= bytes; done += block_bytes) {
    for (std::size_t i = 0; i < vectors; ++i) {
      Vector word;
      std::memcpy(&word, data + done + i * sizeof word, sizeof word);
      sums[i] += word;
    }
  }
  std::uint64_t sum = 0;
  for (const Vector& partial : sums) {
    for (std::size_t lane = 0; lane < lanes; ++lane)
      sum = sum * 0x9e3779b97f4a7c15U + partial[lane];
  }
  for (; done < bytes; done += sizeof sum) {
    std::uint64_t word = 0;
    std::memcpy(&word, data + done, bytes - done < sizeof word ? bytes - done : sizeof word);
    sum = sum * 0x9e3779b97f4a7c15U + word;
  }
  return sum;
}

#ifdef __x86_64__
[[gnu::target("avx2")]] std::uint64_t sum_with_avx2(const unsigned char* data, std::size_t bytes) {
  return sum_of(data, bytes);
}
bool has_avx2() {
  static const bool has = __builtin_cpu_supports("avx2");
  return has;
}
#else
std::uint64_t sum_with_avx2(const unsigned char* data, std::size_t bytes) {
  return sum_of(data, bytes);
}
bool has_avx2() { return false; }
#endif

}  // namespace

std::uint64_t checksum(const void* data, std::size_t bytes) {
  const auto* first = static_cast<const unsigned char*>(data);
  return has_avx2() ? sum_with_avx2(first, bytes) : sum_of(first, bytes);
}

}  // namespace lockstep::parallel
