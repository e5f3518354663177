#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/stream_store.h"
#include "kernels/host.h"
#include "kernels/math/team.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::kernels::cpu {
namespace {

constexpr std::int64_t block = 1024;  // elements for which the whole program runs before the next
constexpr std::int64_t grain = 32 * 1024;  // elements that one thread takes at a time
constexpr int tallest = 32;  // of a tree over an int of shards: what waits on the stack
constexpr int most_places = 256;

template <FoldOp op, class T> LS_HD T joined(T x, T y) {
  using A = Real<T>;
  const A a = converted<A>(x), b = converted<A>(y);
  if constexpr (std::is_same_v<T, bool>) {
    return op == FoldOp::sum || op == FoldOp::max ? (a || b) : (a && b);
  } else if constexpr (op == FoldOp::sum) {
    return converted<T>(static_cast<A>(a + b));
  } else if constexpr (op == FoldOp::product) {
    return converted<T>(static_cast<A>(a * b));
  } else if constexpr (op == FoldOp::max) {
    return converted<T>(math::larger(a, b));
  } else {
    return converted<T>(math::smaller(a, b));
  }
}

template <FoldOp op, class T> void join(const T* a, const T* b, T* out, std::int64_t n) {
  LS_SIMD
  for (std::int64_t i = 0; i < n; ++i) out[i] = joined<op>(a[i], b[i]);
}

template <class T> T scaled(T value, double by) {
  if constexpr (std::is_same_v<T, bool>) {
    return value;
  } else {
    using A = std::conditional_t<is_half<T> || std::is_same_v<T, float>, float, double>;
    return converted<T>(static_cast<A>(converted<A>(value) * static_cast<A>(by)));
  }
}

// What lies on the stack before the program's last join: two operands, or the only input.
template <class T> struct Operands {
  const T* a = nullptr;
  const T* b = nullptr;
};

// Runs all joins but the last; `scratch` takes what they give.
template <FoldOp op, class T>
Operands<T> run_program(const FoldCall& call, std::int64_t first, std::int64_t n,
                        T (&scratch)[tallest][block]) {
  const T* stack[tallest + 1] = {};
  int depth = 0;
  int pushed = 0;
  for (int step = 0; step < call.steps; ++step) {
    if (call.program[step] == core::FoldStep::push) {
      stack[depth++] = static_cast<const T*>(call.in[pushed++]) + first;
    } else if (step + 1 < call.steps) {
      --depth;
      join<op>(stack[depth - 1], stack[depth], scratch[depth - 1], n);
      stack[depth - 1] = scratch[depth - 1];
    }
  }
  return {stack[0], depth == 2 ? stack[1] : nullptr};
}

template <FoldOp op, class T>
void write_one(const Operands<T>& from, double scale, T* out, std::int64_t n) {
  if (from.b != nullptr) {
    join<op>(from.a, from.b, out, n);
  } else if (from.a != out) {
    std::memmove(out, from.a, static_cast<std::size_t>(n) * sizeof(T));
  }
  if (scale == 1) return;
  for (std::int64_t i = 0; i < n; ++i) out[i] = scaled(out[i], scale);
}

// How far ahead, in bytes, lines are claimed that will be overwritten: where they lie in another
// core's cache that takes long, and a store waits for it.
constexpr std::size_t claimed_ahead = 1024;

// Every line of the result goes to all places while it is in registers: to the first by a plain
// store, to the others by `store`. Up to `claimable` elements may be claimed ahead.
template <FoldOp op, class T, bool claims, class Store>
void write_all(const Operands<T>& from, double scale, T* const* places, int count, std::int64_t n,
               std::int64_t claimable, const Store& store) {
  constexpr auto line = static_cast<std::int64_t>(line_bytes / sizeof(T));
  constexpr auto ahead = static_cast<std::int64_t>(claimed_ahead / sizeof(T));
  const auto value = [&](std::int64_t i) {
    const T joint = from.b == nullptr ? from.a[i] : joined<op>(from.a[i], from.b[i]);
    return scale == 1 ? joint : scaled(joint, scale);
  };
  std::int64_t i = 0;
  for (; i + line <= n; i += line) {
    if constexpr (claims) {
      for (int place = 1; place < count && i + ahead < claimable; ++place)
        __builtin_prefetch(places[place] + i + ahead, 1);
    }
    alignas(line_bytes) T values[line];
    if (from.b != nullptr && scale == 1) {
      LS_SIMD
      for (std::int64_t k = 0; k < line; ++k) values[k] = joined<op>(from.a[i + k], from.b[i + k]);
    } else {
      for (std::int64_t k = 0; k < line; ++k) values[k] = value(i + k);
    }
    if (count > 1) std::memcpy(places[0] + i, values, line_bytes);
    for (int place = count > 1 ? 1 : 0; place < count; ++place) store(values, places[place] + i);
  }
  for (; i < n; ++i) {
    const T last = value(i);
    for (int place = 0; place < count; ++place) places[place][i] = last;
  }
}

// Where the result goes, from one element on.
template <class T> struct Places {
  T* at[most_places];
  int count = 1;
  bool are_aligned = true;

  Places(const FoldCall& call, std::int64_t first) : count(1 + call.copy_count) {
    for (int place = 0; place < count; ++place) {
      void* const begin = place == 0 ? call.out : call.copies[place - 1];
      at[place] = static_cast<T*>(begin) + first;
      are_aligned = are_aligned && reinterpret_cast<std::uintptr_t>(at[place]) % line_bytes == 0;
    }
  }
};

// Past the cache go the copies, which are other ranks', or the result where there are none.
template <FoldOp op, class T>
void run_block(const FoldCall& call, std::int64_t first, std::int64_t n) {
  alignas(line_bytes) T scratch[tallest][block];
  const Operands<T> operands = run_program<op>(call, first, n, scratch);
  const Places<T> places(call, first);
  const std::int64_t claimable = call.count - first;
  if (call.passes_by_cache && places.are_aligned) {
    write_all<op, T, false>(operands, call.scale, places.at, places.count, n, claimable,
                            [](const T* line, T* to) { stream_line(line, to); });
  } else if (places.count > 1) {
    write_all<op, T, true>(operands, call.scale, places.at, places.count, n, claimable,
                           [](const T* line, T* to) { std::memcpy(to, line, line_bytes); });
  } else {
    write_one<op>(operands, call.scale, places.at[0], n);
  }
}

template <FoldOp op> void typed(const FoldCall& call) {
  with_type(call.dtype, [&]<class T>(T) {
    core::parallel_chunks(threads(), call.count, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; i += block)
        run_block<op, T>(call, i, std::min(block, end - i));
      if (call.passes_by_cache) finish_streaming();
    });
  });
}

}  // namespace

void fold(const FoldCall& call) {
  switch (call.op) {
    case FoldOp::sum:
      return typed<FoldOp::sum>(call);
    case FoldOp::product:
      return typed<FoldOp::product>(call);
    case FoldOp::min:
      return typed<FoldOp::min>(call);
    case FoldOp::max:
      return typed<FoldOp::max>(call);
  }
}

}  // namespace lockstep::kernels::cpu
