#include "src/comm/watchdog.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <utility>

#include "lockstep/core/stream.h"
#include "lockstep/obs/log.h"
#include "src/base/signals_blocked.h"
#include "src/comm/flight_recorder.h"
#include "src/comm/flight_registry.h"

namespace lockstep::comm {

using namespace std::chrono_literals;

namespace {

constexpr auto between_statuses = 1s;
constexpr auto time_for_an_answer = 1s;
constexpr auto time_for_a_verdict = 700ms;
constexpr auto time_to_notice = 800ms;          // by itself that another rank has failed
constexpr auto time_to_notice_a_death = 300ms;  // there is no exit code to wait for
constexpr auto time_to_connect = 3s;
constexpr auto time_to_tell_of_a_death = 200ms;
constexpr auto time_for_goodbyes = 1s;

std::atomic<Watchdog*> current_watchdog{nullptr};

// The main thread may hold a stream for ever; its text is lost then.
void flush_what_is_free() {
  for (std::FILE* stream : {stdout, stderr}) {
    if (::ftrylockfile(stream) != 0) continue;
    ::fflush_unlocked(stream);
    ::funlockfile(stream);
  }
}

}  // namespace

// A forked child must not keep the connections open: the death of its parent would not be seen.
struct Watchdog::Forks {
  static void prepare() {
    if (Watchdog* const dog = current()) dog->connections_.lock();
  }
  static void go_on_in_parent() {
    if (Watchdog* const dog = current()) dog->connections_.unlock();
  }
  static void go_on_in_child() {
    Watchdog* const dog = current();
    if (dog == nullptr) return;
    current_watchdog = nullptr;
    dog->link_.close();
    dog->hub_.reset();
    new std::thread(std::move(dog->thread_));  // does not run here, so nobody may join it
    dog->connections_.unlock();
  }
  static void watch() {
    static const int once = ::pthread_atfork(prepare, go_on_in_parent, go_on_in_child);
    static_cast<void>(once);
  }
};

// Where a rank dies, the launcher sends SIGTERM to the others, often before they could tell why.
// The hub takes a moment to say it, unless the program treats the signal itself.
struct Watchdog::Termination {
  static inline std::atomic<bool> is_asked = false;

  static void note(int) {
    is_asked = true;
    Watchdog* const dog = current_watchdog;
    if (dog == nullptr) return obey();
    dog->notify();  // one write
  }
  static void obey() {
    ::signal(SIGTERM, SIG_DFL);
    ::kill(::getpid(), SIGTERM);
  }
  static void watch() {
    struct sigaction now {};
    if (::sigaction(SIGTERM, nullptr, &now) != 0 || now.sa_handler != SIG_DFL) return;
    now.sa_handler = note;
    now.sa_flags = SA_RESTART;
    ::sigaction(SIGTERM, &now, nullptr);
  }
};

Watchdog* Watchdog::current() { return current_watchdog; }

Watchdog::Watchdog(std::chrono::milliseconds limit)
    : limit_(limit),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      phase_{"joining the job", Clock::now() + limit} {
  Forks::watch();
  {
    const SignalsBlocked blocked;
    thread_ = std::thread([this] { run(); });
  }
  current_watchdog = this;
  Termination::watch();
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  notify();
  if (thread_.joinable()) thread_.join();
  if (current_watchdog == this) current_watchdog = nullptr;
}

void Watchdog::join(Communicator& job) {
  rank_ = job.rank();
  size_ = job.size();
  auto invitation = std::make_unique<Invitation>();
  FileDescriptor listener;
  if (rank_ == 0) listener = open_house(job.local_size() == job.size(), *invitation);
  const core::Buffer bytes{invitation.get(), sizeof(Invitation), DType::u8, {}, {}};
  core::Stream host;
  job.broadcast(bytes, 0, host).wait();
  std::unique_lock lock(mutex_);
  invitation_ = std::move(invitation);
  listener_ = std::move(listener);
  phase_ = {};
  notify();
  // From here on nobody dies unseen.
  const auto limit = std::max<int>(invitation_->addresses, 1) * time_to_connect;
  if (changed_.wait_for(lock, limit, [&] { return is_connected_; })) return;
  obs::warning(
      fmt::format("rank {} has no control link to rank 0: failures are noticed at their deadline "
                  "only; let TCP pass between the hosts of the job",
                  rank_));
}

LimitedPhase::LimitedPhase(const char* name) {
  if (Watchdog* const dog = Watchdog::current())
    before_ = dog->enter({name, Watchdog::Clock::now() + dog->limit_});
}

LimitedPhase::~LimitedPhase() {
  if (Watchdog* const dog = Watchdog::current()) dog->enter(before_);
}

Watchdog::Phase Watchdog::enter(Phase phase) noexcept {
  const std::lock_guard lock(mutex_);
  return std::exchange(phase_, phase);
}

void Watchdog::leave() noexcept {
  std::unique_lock lock(mutex_);
  is_leaving_ = true;
  phase_ = {"leaving the job", Clock::now() + limit_};
  outbox_.push_back({Frame::Kind::goodbye});
  notify();
  // The hub goes last, so that nobody takes its end for a death.
  if (rank_ == 0) changed_.wait_for(lock, time_for_goodbyes, [&] { return have_all_left_; });
}

std::string Watchdog::missing(const Question& question) {
  std::unique_lock lock(mutex_);
  if (!is_connected_) return {};
  answer_.reset();
  outbox_.push_back({Frame::Kind::question, rank_, 0, encoded(question)});
  notify();
  changed_.wait_for(lock, time_for_an_answer, [&] { return answer_.has_value(); });
  return answer_.value_or("");
}

void Watchdog::suspect(const std::string& why) noexcept {
  enqueue({Frame::Kind::suspicion, rank_, 0, why});
}

bool Watchdog::is_first_failure(const Failure& failure) noexcept {
  const auto kind = failure.is_consequence ? Frame::Kind::consequence : Frame::Kind::failure;
  enqueue({kind, rank_, failure.code, failure.why});
  std::unique_lock lock(mutex_);
  if (end_due_) return false;
  if (!is_connected_) return true;
  changed_.wait_for(lock, time_for_a_verdict, [&] { return verdict_ || end_due_; });
  return verdict_.value_or(!end_due_);
}

void Watchdog::let_the_first_end() noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (!end_due_) end_due_ = Clock::now() + time_to_notice;
  }
  notify();
  std::this_thread::sleep_for(2 * time_to_notice);
}

void Watchdog::enqueue(Frame frame) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    outbox_.push_back(std::move(frame));
  } catch (...) {
    return;  // no memory: the others see the link break
  }
  notify();
}

void Watchdog::notify() noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_.value(), &one, sizeof one);
}

void Watchdog::run() noexcept {
  try {
    while (true) {
      bool is_last = false;
      {
        const std::lock_guard lock(mutex_);
        is_last = is_stopping_;
      }
      {
        const std::lock_guard lock(connections_);
        work(Clock::now());
      }
      if (is_last) return;
      wait_for_news();
    }
  } catch (...) {
    // Out of memory: the process goes on without a watchdog.
  }
}

void Watchdog::wait_for_news() {
  std::vector<pollfd> wanted{{wake_.value(), POLLIN, 0}};
  if (link_.is_open()) {
    const int events = link_.has_unsent() ? POLLIN | POLLOUT : POLLIN;
    wanted.push_back({link_.descriptor(), static_cast<short>(events), 0});
  }
  if (hub_) hub_->append_to(wanted);
  bool is_urgent = hub_ && hub_->is_busy();
  {
    const std::lock_guard lock(mutex_);
    is_urgent = is_urgent || end_due_ || is_leaving_;
  }
  ::poll(wanted.data(), wanted.size(), is_urgent ? 20 : 500);
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(wake_.value(), &count, sizeof count);
}

void Watchdog::work(Clock::time_point now) {
  keep_time(now);
  {
    const std::lock_guard lock(mutex_);
    if (listener_) hub_.emplace(std::move(listener_), invitation_->token_text(), size_);
  }
  connect_next(now);
  deliver_outbox();
  if (hub_) hub_->serve(now);
  hear_hub(now);
  if (link_.is_open() && now >= status_due_) {
    link_.send({Frame::Kind::status, rank_, 0, encoded(own_status())});
    status_due_ = now + between_statuses;
  }
  const std::lock_guard lock(mutex_);
  if (!hub_ || !is_leaving_ || have_all_left_ || !hub_->have_all_left()) return;
  hub_->say_goodbye();
  have_all_left_ = true;
  changed_.notify_all();
}

// At once: the launcher may not wait until this process ends by itself.
void Watchdog::record_end() {
  std::string why;
  {
    const std::lock_guard lock(mutex_);
    if (!end_due_ || std::exchange(is_end_recorded_, true)) return;
    why = is_terminated_ && why_it_ends_.empty() ? "the launcher ended it with SIGTERM"
                                                 : why_it_ends_;
  }
  if (!why.empty()) record_failure(FailureKind::others, why);
}

void Watchdog::notice_termination(Clock::time_point now) {
  if (!Termination::is_asked) return;
  const std::lock_guard lock(mutex_);
  if (std::exchange(is_terminated_, true)) return;
  const auto due = now + (rank_ == 0 ? time_to_tell_of_a_death : 2 * time_to_tell_of_a_death);
  end_due_ = end_due_ ? std::min(*end_due_, due) : due;
}

void Watchdog::keep_time(Clock::time_point now) {
  notice_termination(now);
  record_end();
  const char* late = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (end_due_ && now >= *end_due_) late = "";
    if (phase_.name != nullptr && now >= phase_.due) late = phase_.name;
  }
  if (late == nullptr) return;
  if (*late == '\0') {
    if (is_terminated_) {
      flush_what_is_free();
      Termination::obey();
      std::this_thread::sleep_for(100ms);
    }
    end_process("");
  }
  end_process(fmt::format(
      "{} not finished after {:g} s\n  where: pid {}\n  fix:   a rank did not start, stopped or "
      "died: look at the other ranks' messages; where ranks are only slow, raise "
      "LOCKSTEP_TIMEOUT\n",
      late, static_cast<double>(limit_.count()) / 1000, getpid()));
}

// One address of rank 0's host after the other, until the hub there knows the token.
void Watchdog::connect_next(Clock::time_point now) {
  std::unique_lock lock(mutex_);
  if (!invitation_ || is_connected_ || is_leaving_) return;
  if (link_.is_open() && now < connect_due_) return;
  if (next_address_ >= invitation_->addresses) return;
  const sockaddr_in at = invitation_->endpoint(next_address_++);
  FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return;
  const int on = 1;
  ::setsockopt(socket.value(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const int status = ::connect(socket.value(), reinterpret_cast<const sockaddr*>(&at), sizeof at);
  if (status != 0 && errno != EINPROGRESS) return;
  link_ = ControlLink(std::move(socket));
  link_.send({Frame::Kind::hello, rank_, 0, invitation_->token_text()});
  connect_due_ = now + time_to_connect;
  status_due_ = now;
}

void Watchdog::deliver_outbox() {
  std::vector<Frame> frames;
  {
    const std::lock_guard lock(mutex_);
    if (!link_.is_open()) return;
    frames.swap(outbox_);
  }
  link_.flush();
  for (const Frame& frame : frames) link_.send(frame);
}

void Watchdog::hear_hub(Clock::time_point now) {
  if (!link_.is_open()) return;
  for (const Frame& frame : link_.receive()) take(frame);
  if (!link_.is_open()) lose_hub(now);
}

void Watchdog::take(const Frame& frame) {
  if (frame.kind == Frame::Kind::ask) status_due_ = {};
  const std::lock_guard lock(mutex_);
  is_connected_ = true;
  if (frame.kind == Frame::Kind::answer) answer_ = frame.text;
  if (frame.kind == Frame::Kind::verdict) verdict_ = frame.code == 1;
  if (frame.kind == Frame::Kind::goodbye) is_leaving_ = true;
  if (frame.kind == Frame::Kind::end && !end_due_) {
    end_due_ = Clock::now() + (frame.code == 1 ? time_to_notice_a_death : time_to_notice);
    why_it_ends_ = fmt::format("rank {} failed: {}", frame.rank, frame.text);
  }
  changed_.notify_all();
}

void Watchdog::lose_hub(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (!is_connected_ || is_leaving_ || end_due_) return;
  end_due_ = now + time_to_notice_a_death;
  why_it_ends_ = "rank 0 died";
  changed_.notify_all();
  if (rank_ != 1) return;  // one tells it
  const std::string text = fmt::format(
      "[rank 1 of {}] rank 0 died\n  where: rank 1 of {}, control link\n  fix:   look for its own "
      "last words above; else a signal (the launcher names it), the out-of-memory killer (dmesg), "
      "or a call of exit()\n",
      size_, size_);
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

void Watchdog::end_process(const std::string& message) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, message.data(), message.size());
  if (!message.empty()) record_failure(FailureKind::call, message);
  flush_what_is_free();
  ::_exit(4);
}

}  // namespace lockstep::comm
