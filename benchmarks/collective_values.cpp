#include "benchmarks/collective_values.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace lockstep::bench {
namespace {

constexpr std::int64_t period = 4099;  // elements

// Of element `index` of what `rank` gives.
std::int64_t value_of(const CollectiveCase& on, int generation, int rank, std::int64_t index) {
  const std::int64_t mixed = index * 7 + index / 11 + rank * 5 + generation * 3;
  if (on.dtype == DType::boolean) return mixed % 2;
  if (on.is_reduction() && on.redop == comm::Reduce::product)
    return rank < 4 && mixed % 3 == 0 ? 2 : 1;  // at most 16, whatever the ranks
  return mixed % 4;
}

double reduced_value(const CollectiveCase& on, int generation, std::int64_t index) {
  double result = static_cast<double>(value_of(on, generation, 0, index));
  for (int rank = 1; rank < on.ranks; ++rank) {
    const auto value = static_cast<double>(value_of(on, generation, rank, index));
    switch (on.redop) {
      case comm::Reduce::sum:
      case comm::Reduce::mean:
        result += value;
        break;
      case comm::Reduce::product:
        result *= value;
        break;
      case comm::Reduce::min:
        result = std::min(result, value);
        break;
      case comm::Reduce::max:
        result = std::max(result, value);
        break;
    }
  }
  return on.redop == comm::Reduce::mean ? result / on.ranks : result;
}

template <class T> T converted(double value) {
  if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>) {
    return T(static_cast<float>(value));
  } else if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    return static_cast<T>(static_cast<std::int64_t>(value));  // wraps as the sum does
  } else {
    return static_cast<T>(value);
  }
}

template <class Value> std::vector<std::byte> tile_of(DType dtype, const Value& value) {
  std::vector<std::byte> tile(static_cast<std::size_t>(period) * size_of(dtype));
  with_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    auto* elements = reinterpret_cast<T*>(tile.data());
    for (std::int64_t i = 0; i < period; ++i) elements[i] = converted<T>(value(i));
  });
  return tile;
}

// Calls run(position in memory, position in the tile, elements) for each stretch within one tile.
template <class Run> void over_tiles(std::int64_t count, std::int64_t offset, const Run& run) {
  for (std::int64_t done = 0; done < count;) {
    const std::int64_t at = (offset + done) % period;
    const std::int64_t length = std::min(count - done, period - at);
    run(done, at, length);
    done += length;
  }
}

template <class T> double number(T value) {
  if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>) {
    return static_cast<float>(value);
  } else {
    return static_cast<double>(value);
  }
}

// Of the sum times 1/n, each rounded.
double tolerance_of(const CollectiveCase& on) {
  if (!on.is_reduction() || on.redop != comm::Reduce::mean) return 0;
  switch (on.dtype) {
    case DType::f64:
      return 0x1p-52;
    case DType::f32:
      return 0x1p-23;
    case DType::f16:
      return 0x1p-10;
    default:
      return 0x1p-7;
  }
}

}  // namespace

CollectiveValues::CollectiveValues(const CollectiveCase& on, int generation) : on_(on) {
  for (int rank = 0; rank < on.ranks; ++rank) {
    given_.push_back(tile_of(on.dtype, [&](std::int64_t i) {
      return static_cast<double>(value_of(on, generation, rank, i));
    }));
  }
  if (on.is_reduction())
    reduced_ = tile_of(on.dtype, [&](std::int64_t i) { return reduced_value(on, generation, i); });
}

void CollectiveValues::write(std::byte* in) const {
  const std::size_t size = size_of(on_.dtype);
  const Tile& tile = given_[static_cast<std::size_t>(on_.rank)];
  over_tiles(on_.in_count(), 0, [&](std::int64_t to, std::int64_t from, std::int64_t length) {
    std::memcpy(in + static_cast<std::size_t>(to) * size,
                tile.data() + static_cast<std::size_t>(from) * size,
                static_cast<std::size_t>(length) * size);
  });
}

std::vector<CollectiveValues::Segment> CollectiveValues::expected() const {
  const auto given = [this](int rank) { return &given_[static_cast<std::size_t>(rank)]; };
  const std::int64_t part = on_.part();
  const std::int64_t own = on_.rank * part;
  std::vector<Segment> segments;
  switch (on_.op) {
    case Collective::all_reduce:
      return {{0, on_.elements, &reduced_, 0}};
    case Collective::reduce_scatter:
      return {{0, part, &reduced_, own}};
    case Collective::reduce:
      if (on_.rank == on_.root) segments.push_back({0, on_.elements, &reduced_, 0});
      return segments;
    case Collective::broadcast:
      return {{0, on_.elements, given(on_.root), 0}};
    case Collective::scatter:
      return {{0, part, given(on_.root), own}};
    case Collective::send_receive:
      return {{0, on_.elements, given((on_.rank + on_.ranks - 1) % on_.ranks), 0}};
    case Collective::barrier:
      return {};
    case Collective::gather:
      if (on_.rank != on_.root) return {};
      break;
    case Collective::all_gather:
    case Collective::all_to_all:
      break;
  }
  const std::int64_t offset = on_.op == Collective::all_to_all ? own : 0;
  for (int rank = 0; rank < on_.ranks; ++rank)
    segments.push_back({rank * part, (rank + 1) * part, given(rank), offset});
  return segments;
}

std::int64_t CollectiveValues::wrong(const std::byte* out) const {
  std::int64_t count = 0;
  for (const Segment& segment : expected()) count += wrong(out, segment);
  return count;
}

std::int64_t CollectiveValues::wrong(const std::byte* out, const Segment& segment) const {
  const std::size_t size = size_of(on_.dtype);
  const double tolerance = tolerance_of(on_);
  std::int64_t count = 0;
  const auto compare = [&](std::int64_t done, std::int64_t at, std::int64_t length) {
    const std::byte* found = out + static_cast<std::size_t>(segment.begin + done) * size;
    const std::byte* right = segment.tile->data() + static_cast<std::size_t>(at) * size;
    if (std::memcmp(found, right, static_cast<std::size_t>(length) * size) == 0) return;
    with_type(on_.dtype, [&](auto zero) {
      using T = decltype(zero);
      for (std::int64_t i = 0; i < length; ++i) {
        const double a = number(reinterpret_cast<const T*>(found)[i]);
        const double b = number(reinterpret_cast<const T*>(right)[i]);
        if (!(std::fabs(a - b) <= tolerance * std::fabs(b))) ++count;  // NaN is wrong
      }
    });
  };
  over_tiles(segment.end - segment.begin, segment.offset, compare);
  return count;
}

}  // namespace lockstep::bench
