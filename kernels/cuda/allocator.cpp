#include "kernels/cuda/allocator.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include "kernels/host.h"

namespace lockstep::kernels::cuda {
namespace {

constexpr std::size_t grain = 512;                           // all sizes are multiples of it
constexpr std::size_t largest_small = std::size_t{1} << 20;  // of a block
constexpr std::size_t small_segment = std::size_t{2} << 20;  // also what CUDA rounds up to
constexpr std::size_t large_segment = std::size_t{20} << 20;
constexpr std::size_t largest_shared = std::size_t{10} << 20;  // that shares such a segment
constexpr std::size_t largest_request = std::size_t{1} << 47;

std::size_t rounded(std::size_t bytes, std::size_t step) {
  return (std::max<std::size_t>(bytes, 1) + step - 1) / step * step;
}

std::size_t segment_bytes(std::size_t bytes) {
  if (bytes <= largest_small) return small_segment;
  return bytes <= largest_shared ? large_segment : rounded(bytes, small_segment);
}

}  // namespace

// A part of a segment: one block, or free.
struct CachingAllocator::Piece {
  CachingAllocator* owner = nullptr;
  Segment* segment = nullptr;
  std::byte* data = nullptr;
  std::size_t bytes = 0;
  Piece *previous = nullptr, *next = nullptr;  // neighbours in the segment
  bool is_free = false;
  std::vector<core::Queue*> users = {};  // beside the compute stream
  std::vector<core::Event> points = {};  // where they were when it came back
};

// Memory that the runtime gave. Owns its pieces, from `first` on.
struct CachingAllocator::Segment {
  std::byte* data = nullptr;
  std::size_t bytes = 0;
  bool is_small = false;
  Piece* first = nullptr;

  Segment() = default;
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  ~Segment() {
    while (first != nullptr) delete std::exchange(first, first->next);
  }
};

bool CachingAllocator::BySize::operator()(const Piece* a, const Piece* b) const {
  return a->bytes != b->bytes ? a->bytes < b->bytes : a->data < b->data;
}

CachingAllocator::CachingAllocator(const DeviceContext& device, const MemorySource& source,
                                   MemoryPolicy policy)
    : device_(device), source_(source), policy_(std::move(policy)) {
  std::size_t unused = 0, all = SIZE_MAX;
  if (source_.device != Device{}) {
    device_.activate();
    device_.check(device_.runtime.memory_info(&unused, &all), "cudaMemGetInfo");
  }
  limit_ = policy_.limit(all);
  if (!policy_.is_taken_at_once) return;
  const std::size_t whole = limit_ / small_segment * small_segment;
  if (whole == 0 || !add_segment(whole, false)) fail(exhausted(limit_).c_str(), "preallocate less");
}

CachingAllocator::~CachingAllocator() {
  for (const auto& segment : segments_) source_.release(segment->data);
}

core::Memory CachingAllocator::allocate(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  ++statistics_.requests;
  Piece* const piece = bytes <= largest_request ? taken(rounded(bytes, grain)) : nullptr;
  if (piece == nullptr) {
    fail(exhausted(bytes).c_str(),
         "use a smaller batch or model, free tensors first, or raise LOCKSTEP_CUDA_MEMORY");
  }
  statistics_.in_use += piece->bytes;
  statistics_.peak_in_use = std::max(statistics_.peak_in_use, statistics_.in_use);
  return core::Memory::adopt(
      new core::Block(piece->data, piece->bytes, source_.device, &take_back, piece));
}

// A free piece, of memory at hand, else of new memory, else of what waiting and giving back yields.
CachingAllocator::Piece* CachingAllocator::taken(std::size_t bytes) {
  collect(false);
  Piece* piece = best_fit(bytes);
  if (piece == nullptr && grow(bytes)) piece = best_fit(bytes);
  if (piece == nullptr) {
    collect(true);
    piece = best_fit(bytes);
  }
  if (piece == nullptr) {
    release_unused();
    if (grow(bytes)) piece = best_fit(bytes);
  }
  if (piece == nullptr) return nullptr;
  free_of(piece).erase(piece);
  piece->is_free = false;
  split(piece, bytes);
  return piece;
}

// With everything taken at once, small blocks are cut from the one segment too.
CachingAllocator::Piece* CachingAllocator::best_fit(std::size_t bytes) {
  Piece wanted{.bytes = bytes};
  const bool is_small = bytes <= largest_small && !policy_.is_taken_at_once;
  FreePieces& pieces = is_small ? free_small_ : free_large_;
  const auto found = pieces.lower_bound(&wanted);
  return found == pieces.end() ? nullptr : *found;
}

// Where a whole segment does not fit any more, one of just these bytes may.
bool CachingAllocator::grow(std::size_t bytes) {
  if (policy_.is_taken_at_once) return false;
  const std::size_t usual = segment_bytes(bytes), least = rounded(bytes, small_segment);
  const bool is_small = bytes <= largest_small;
  return add_segment(usual, is_small) || (least < usual && add_segment(least, is_small));
}

bool CachingAllocator::add_segment(std::size_t bytes, bool is_small) {
  if (bytes > limit_ || reserved_ > limit_ - bytes) return false;
  device_.activate();
  void* data = nullptr;
  const Status status = source_.allocate(&data, bytes);
  if (status == status::out_of_memory) {
    device_.runtime.last_error();  // else the next launch would report it
    return false;
  }
  device_.check(status, source_.call);
  auto segment = std::make_unique<Segment>();
  segment->data = static_cast<std::byte*>(data);
  segment->bytes = bytes;
  segment->is_small = is_small;
  segment->first =
      new Piece{.owner = this, .segment = segment.get(), .data = segment->data, .bytes = bytes};
  reserved_ += bytes;
  ++statistics_.system_allocations;
  make_free(segment->first);
  segments_.push_back(std::move(segment));
  return true;
}

// Leaves `piece` with `bytes` and makes a free one of the rest, where that is of use.
void CachingAllocator::split(Piece* piece, std::size_t bytes) {
  const std::size_t rest = piece->bytes - bytes;
  const bool is_shared = piece->segment->is_small || policy_.is_taken_at_once;
  if (rest < (is_shared ? grain : largest_small)) return;
  Piece* const second = new Piece{.owner = this,
                                  .segment = piece->segment,
                                  .data = piece->data + bytes,
                                  .bytes = rest,
                                  .previous = piece,
                                  .next = piece->next};
  if (second->next != nullptr) second->next->previous = second;
  piece->next = second;
  piece->bytes = bytes;
  make_free(second);
}

// Joins `piece` with the next one, neither of which is among the free pieces.
void CachingAllocator::absorb_next(Piece* piece) noexcept {
  Piece* const next = piece->next;
  piece->bytes += next->bytes;
  piece->next = next->next;
  if (piece->next != nullptr) piece->next->previous = piece;
  delete next;
}

void CachingAllocator::make_free(Piece* piece) noexcept {
  if (piece->next != nullptr && piece->next->is_free) {
    free_of(piece).erase(piece->next);
    absorb_next(piece);
  }
  if (piece->previous != nullptr && piece->previous->is_free) {
    piece = piece->previous;
    free_of(piece).erase(piece);
    absorb_next(piece);
  }
  piece->is_free = true;
  free_of(piece).insert(piece);
}

// Makes free what no stream uses any more.
void CachingAllocator::collect(bool is_waiting) {
  std::erase_if(waiting_, [&](Piece* piece) {
    for (const core::Event& point : piece->points) {
      if (is_waiting) point->wait();
      if (!point->is_passed()) return false;
    }
    piece->points.clear();
    make_free(piece);
    return true;
  });
}

// Gives segments without a block back. The runtime waits for the whole device there.
void CachingAllocator::release_unused() noexcept {
  std::erase_if(segments_, [&](const std::unique_ptr<Segment>& segment) {
    Piece* const piece = segment->first;
    if (!piece->is_free || piece->next != nullptr) return false;
    free_of(piece).erase(piece);
    source_.release(segment->data);
    reserved_ -= segment->bytes;
    return true;
  });
}

CachingAllocator::FreePieces& CachingAllocator::free_of(const Piece* piece) {
  return piece->segment->is_small ? free_small_ : free_large_;
}

void CachingAllocator::used_on(const core::Memory& memory, core::Stream& stream) {
  const std::lock_guard lock(mutex_);
  auto& users = static_cast<Piece*>(memory->owner())->users;
  core::Queue* const queue = stream.queue();
  if (std::find(users.begin(), users.end(), queue) == users.end()) users.push_back(queue);
}

void CachingAllocator::take_back(core::Block* block) noexcept {
  auto* const piece = static_cast<Piece*>(block->owner());
  delete block;
  piece->owner->keep(piece);
}

void CachingAllocator::keep(Piece* piece) noexcept {
  const std::lock_guard lock(mutex_);
  statistics_.in_use -= piece->bytes;
  if (piece->users.empty()) return make_free(piece);
  waiting_.push_back(piece);
  for (core::Queue* user : std::exchange(piece->users, {})) {
    try {
      piece->points.push_back(user->record());
    } catch (...) {  // the device is lost, which ends every use
    }
  }
}

core::MemoryStatistics CachingAllocator::statistics() const {
  const std::lock_guard lock(mutex_);
  core::MemoryStatistics now = statistics_;
  now.cached = reserved_ - now.in_use;
  return now;
}

void CachingAllocator::reset_peak() {
  const std::lock_guard lock(mutex_);
  statistics_.peak_in_use = statistics_.in_use;
}

void CachingAllocator::trim() {
  const std::lock_guard lock(mutex_);
  collect(true);
  if (!policy_.is_taken_at_once) release_unused();
}

// "3 x 128.0 MiB, 10 x 2.0 MiB": the three sizes of live blocks that hold most.
std::string CachingAllocator::largest_holders() const {
  std::map<std::size_t, std::size_t> count_of;  // by size
  for (const auto& segment : segments_) {
    for (const Piece* piece = segment->first; piece != nullptr; piece = piece->next) {
      const bool is_waiting = std::find(waiting_.begin(), waiting_.end(), piece) != waiting_.end();
      if (!piece->is_free && !is_waiting) ++count_of[piece->bytes];
    }
  }
  std::vector<std::pair<std::size_t, std::size_t>> sizes(count_of.begin(), count_of.end());
  std::stable_sort(sizes.begin(), sizes.end(), [](const auto& a, const auto& b) {
    return a.first * a.second > b.first * b.second;
  });
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(3, sizes.size()); ++i) {
    text +=
        (i > 0 ? ", " : "") + std::to_string(sizes[i].second) + " x " + bytes_text(sizes[i].first);
  }
  return text.empty() ? "none" : text;
}

std::string CachingAllocator::exhausted(std::size_t bytes) {
  std::size_t largest = 0;
  for (const FreePieces* pieces : {&free_small_, &free_large_}) {
    if (!pieces->empty()) largest = std::max(largest, (*pieces->rbegin())->bytes);
  }
  std::string text = "allocate: " +
                     (source_.device == Device{} ? std::string("pinned memory")
                                                 : "cuda:" + std::to_string(source_.device.index)) +
                     " has no " + bytes_text(bytes) + " more; " + bytes_text(statistics_.in_use) +
                     " are in use by live tensors (most by " + largest_holders() + "), " +
                     bytes_text(reserved_ - statistics_.in_use) +
                     " are cached (largest free block " + bytes_text(largest) + ")";
  std::size_t free = 0, all = 0;
  if (source_.device != Device{} && device_.runtime.memory_info(&free, &all) == status::success) {
    text += ", " + bytes_text(all - std::min(all, free + reserved_)) +
            " by CUDA and other processes, of " + bytes_text(all);
  }
  if (limit_ != SIZE_MAX) text += "; LOCKSTEP_CUDA_MEMORY=" + policy_.text;
  return text;
}

}  // namespace lockstep::kernels::cuda
