#include "kernels/cuda/memory_policy.h"

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include "kernels/host.h"

namespace lockstep::kernels::cuda {
namespace {

struct Unit {
  const char* name;
  std::size_t bytes;
};
constexpr Unit units[] = {
    {"GiB", std::size_t{1} << 30}, {"MiB", std::size_t{1} << 20}, {"KiB", std::size_t{1} << 10}};

// A number with a unit is an amount; one in (0, 1] without is a share.
bool read_amount(std::string_view text, MemoryPolicy& policy) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, status] = std::from_chars(text.data(), end, number);
  if (status != std::errc{} || !(number > 0)) return false;
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  if (unit.empty()) {
    policy.share = number;
    return number <= 1;
  }
  for (const Unit& each : units) {
    if (unit != each.name || number * static_cast<double>(each.bytes) > 0x1p60) continue;
    policy.bytes = static_cast<std::size_t>(number * static_cast<double>(each.bytes));
    return true;
  }
  return false;
}

}  // namespace

std::size_t MemoryPolicy::limit(std::size_t all) const {
  if (bytes > 0) return bytes < all ? bytes : all;
  if (share > 0) return static_cast<std::size_t>(share * static_cast<double>(all));
  return SIZE_MAX;
}

std::optional<MemoryPolicy> memory_policy(const char* text) {
  if (text == nullptr || std::string_view(text) == "grow") return MemoryPolicy{};
  const std::string_view all = text;
  const std::size_t equals = all.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  MemoryPolicy policy{.is_taken_at_once = all.substr(0, equals) == "preallocate", .text = text};
  const bool is_known = policy.is_taken_at_once || all.substr(0, equals) == "cap";
  if (!is_known || !read_amount(all.substr(equals + 1), policy)) return std::nullopt;
  return policy;
}

MemoryPolicy memory_policy_setting() {
  const char* const text = host->setting("LOCKSTEP_CUDA_MEMORY");
  auto policy = memory_policy(text);
  if (!policy) {
    refuse(("environment: LOCKSTEP_CUDA_MEMORY=" + std::string(text) + " is not a policy").c_str(),
           "give grow, cap=20GiB, cap=0.8, preallocate=20GiB or preallocate=0.8 (units: KiB, MiB, "
           "GiB; else a share above 0 and up to 1)");
  }
  return *std::move(policy);
}

std::string bytes_text(std::size_t bytes) {
  for (const Unit& each : units) {
    if (bytes < each.bytes) continue;
    char text[32];
    std::snprintf(text, sizeof text, "%.1f %s",
                  static_cast<double>(bytes) / static_cast<double>(each.bytes), each.name);
    return text;
  }
  return std::to_string(bytes) + " bytes";
}

}  // namespace lockstep::kernels::cuda
