#include "lockstep/train/stop_signal.h"

#include <fmt/format.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "lockstep/base/error.h"
#include "lockstep/core/allocator.h"
#include "lockstep/core/stream.h"

namespace lockstep::train {
namespace {

// All that a handler may touch. The ranks of a process (threads of a test) share it.
std::atomic<bool> is_received{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void note(int /*signal*/) { is_received = true; }

// The handler is there as long as somebody wants it.
class Handler {
 public:
  explicit Handler(int signal) : signal_(signal) {
    const std::lock_guard lock(mutex);
    if (users == 0) install();
    ++users;
  }
  Handler(const Handler&) = delete;
  Handler& operator=(const Handler&) = delete;
  ~Handler() {
    const std::lock_guard lock(mutex);
    if (--users == 0) ::sigaction(signal_, &before, nullptr);
  }

 private:
  void install() const {
    struct sigaction action {};
    action.sa_handler = note;
    action.sa_flags = SA_RESTART;  // so that no read or write of the program fails for it
    sigemptyset(&action.sa_mask);
    is_received = false;
    const int status = ::sigaction(signal_, &action, &before);
    check<UsageError>(status == 0, [&] {
      return Complaint{
          fmt::format("StopSignal: signal {}: {}", signal_, std::generic_category().message(errno)),
          "use SIGUSR1, or another signal that can be caught"};
    });
  }

  static inline std::mutex mutex;
  static inline int users = 0;
  static inline struct sigaction before {};
  int signal_;
};

}  // namespace

struct StopSignal::Agreement {
  Agreement(comm::Communicator& with, int signal)
      : ranks(with), handler(signal), memory(core::allocator({}).allocate(sizeof(std::int32_t))) {}

  Agreement(const Agreement&) = delete;
  Agreement& operator=(const Agreement&) = delete;
  // While an exception passes, an unfinished Work would poison the communicator. But an exception
  // that all ranks meet together (a loss that is not finite) must not, so the others get a moment.
  ~Agreement() {
    if (!under_way) return;
    constexpr std::chrono::milliseconds moment{100};
    const auto end = std::chrono::steady_clock::now() + moment;
    try {
      while (!under_way->done() && std::chrono::steady_clock::now() < end)
        std::this_thread::yield();
    } catch (const Error&) {
      // The communicator is poisoned, and whoever uses it next learns why.
    }
  }

  comm::Communicator& ranks;
  Handler handler;
  core::Memory memory;  // of the answer under way
  std::optional<comm::Work> under_way;

  std::int32_t& answer() const { return *static_cast<std::int32_t*>(memory->data()); }

  // What the question before came to.
  bool agreed() {
    if (!under_way) return false;
    under_way->wait();
    under_way.reset();
    return answer() != 0;
  }

  void ask() {
    answer() = is_received ? 1 : 0;
    const core::Buffer place{memory->data(), 1, DType::i32, {}, memory};
    under_way = ranks.all_reduce(place, place, comm::Reduce::max, core::current_stream({}));
  }
};

StopSignal::StopSignal(comm::Communicator& ranks, int signal)
    : agreement_(std::make_unique<Agreement>(ranks, signal)) {}

StopSignal::~StopSignal() = default;

bool StopSignal::is_requested() {
  if (agreement_->ranks.size() == 1) return is_received;
  if (agreement_->agreed()) return true;
  agreement_->ask();
  return false;
}

}  // namespace lockstep::train
