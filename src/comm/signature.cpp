#include "src/comm/signature.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <string>

#include "src/comm/check.h"

namespace lockstep::comm {
namespace {

// FNV-1a over whole numbers; never 0, which stands for no counts.
std::uint64_t hash_of(const std::vector<std::int64_t>& counts) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const std::int64_t count : counts)
    hash = (hash ^ static_cast<std::uint64_t>(count)) * 0x100000001b3U;
  return hash | 1U;
}

// Of a call without counts.
std::int64_t even_count(const Call& call) {
  const std::int64_t in = call.in.empty() ? 0 : call.in.front().count;
  switch (call.op) {
    case Op::gather:
    case Op::all_gather:
    case Op::reduce:
      return in;
    case Op::all_to_all:
    case Op::broadcast:
    case Op::all_reduce:
    case Op::reduce_scatter:
    case Op::scatter:
    case Op::send:
    case Op::receive:
      return call.out.count;
    case Op::barrier:
      break;
  }
  return 0;
}

void note_place(const Site& site, Signature& signature) {
  const char* path = site.file_name();
  const std::size_t length = std::strlen(path);
  const std::size_t kept = std::min(length, sizeof signature.file - 1);
  std::memcpy(signature.file, path + (length - kept), kept);
  signature.line = site.line();
}

// "train.cpp:12"
std::string site_of(const Signature& s) {
  const char* slash = std::strrchr(s.file, '/');
  return fmt::format("{}:{}", slash == nullptr ? s.file : slash + 1, s.line);
}

// The first item in which two signatures differ, and what mends it.
struct Item {
  std::string what;
  const char* fix;
};

std::optional<Item> differing_item(const Signature& a, const Signature& b) {
  if (a.group != b.group) return Item{"the group", "call on the same communicator on every rank"};
  if (a.plan != b.plan)
    return Item{"the plan (parameters, buckets or options)",
                "build the same model and optimizer with the same options on every rank"};
  if (a.sequence != b.sequence)
    return Item{"the number of calls before this one",
                "make the same calls on every rank; look for one that only some ranks make"};
  const bool is_message = is_point_to_point(a.op) && is_point_to_point(b.op);
  if ((a.op != b.op && !is_message) || a.is_v != b.is_v)
    return Item{"the operation",
                "make the same calls in the same order on every rank; look for a call that only "
                "some ranks make, or that they make in another order"};
  if (a.reduce != b.reduce) return Item{"the reduction", "give one Reduce on every rank"};
  if (a.dtype != b.dtype) return Item{"the dtype", "give buffers of one dtype on every rank"};
  if (a.root != b.root) return Item{"the root", "give the same root on every rank"};
  if (a.shards != b.shards)
    return Item{"the number of shards", "cut the batch into the same shards on every rank"};
  if (a.count != b.count && (is_message || (a.op == Op::all_to_all && a.is_v != 0)))
    return Item{"the count", "send as many elements as the other rank receives"};
  if (a.count != b.count)
    return Item{"the count",
                "give buffers of the same count on every rank; look for uneven data, "
                "or for a call that only some ranks make"};
  if (a.counts != b.counts) return Item{"the counts", "give the same counts on every rank"};
  return std::nullopt;
}

}  // namespace

std::string call_of(const Signature& s) {
  std::string text = fmt::format("{}{} #{}", name_of(s.op), s.is_v != 0 ? "_v" : "", s.sequence);
  if (s.op == Op::barrier) return text;
  if (is_point_to_point(s.op)) return text + fmt::format(" ({} x {})", name_of(s.dtype), s.count);
  text += " (";
  if (is_reduction(s.op)) text += fmt::format("{}, ", name_of(s.reduce));
  text += fmt::format("{} x {}", name_of(s.dtype), s.count);
  if (has_root(s.op)) text += fmt::format(", root {}", s.root);
  return text + ")";
}

Signature signature_of(const Call& call, const Membership& member) {
  Signature s;
  s.sequence = call.sequence;
  s.group = member.group.id;
  s.plan = call.plan;
  s.op = call.op;
  note_place(call.site, s);
  if (call.op == Op::barrier) return s;
  s.dtype = call.out.dtype;
  s.is_v = call.counts.empty() ? 0 : 1;
  s.count = agreed_count(call);
  // Those of an all_to_all_v differ between ranks.
  if (s.is_v != 0 && call.op != Op::all_to_all) s.counts = hash_of(call.counts);
  if (is_reduction(call.op)) {
    s.reduce = call.reduce;
    s.shards = call.shards;
  }
  if (has_root(call.op)) s.root = call.root;
  return s;
}

std::int64_t agreed_count(const Call& call) {
  if (call.counts.empty()) return even_count(call);
  if (call.op == Op::all_to_all) return 0;
  return std::accumulate(call.counts.begin(), call.counts.end(), std::int64_t{0});
}

std::optional<CommError> difference(const Signature& a, int rank_a, const Signature& b, int rank_b,
                                    const Membership& member, Site site) {
  const auto item = differing_item(a, b);
  if (!item) return std::nullopt;
  if (rank_b < rank_a) return difference(b, rank_b, a, rank_a, member, site);
  return CommError(
      {fmt::format("ranks {} and {} differ in {}: rank {} calls {}, rank {} calls {}", rank_a,
                   rank_b, item->what, rank_a, description_of(a), rank_b, description_of(b)),
       item->fix, place(member, {})},
      site);
}

bool differ(const Signature& a, const Signature& b) {
  return std::memcmp(&a, &b, offsetof(Signature, line)) != 0 || a.op != b.op ||
         a.reduce != b.reduce || a.dtype != b.dtype || a.is_v != b.is_v;
}

std::string description_of(const Signature& s) {
  return fmt::format("{} at {}", call_of(s), site_of(s));
}

}  // namespace lockstep::comm
